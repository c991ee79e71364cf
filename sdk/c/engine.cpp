#include "sdk/c/engine.hpp"

#include <openssl/crypto.h>

#include <algorithm>
#include <utility>

#include "sdk/c/buffer_codec.hpp"
#include "sdk/c/token_writer.hpp"

namespace watchkeeper::sdk {
namespace {

/// True for as long as it lives.
class raised {
 public:
  explicit raised(bool& flag) noexcept : flag_(flag) { flag_ = true; }
  ~raised() { flag_ = false; }
  raised(const raised&) = delete;
  raised& operator=(const raised&) = delete;

 private:
  bool& flag_;
};

}  // namespace

engine::engine(engine_options options, engine_ports ports)
    : options_(std::move(options)),
      ports_(std::move(ports)),
      buffer_(options_.interval_ms_max),
      cooldown_(options_.backoff_base_ms, options_.backoff_cap_ms),
      cutter_(options_.heartbeat_ms),
      device_header_(device_header(options_.identity.kid_text)) {
  load(now());
}

engine::~engine() {
  drop_session_key();
}

void engine::drop_session_key() noexcept {
  if (!key_) return;
  OPENSSL_cleanse(key_->z.data(), key_->z.size());
  if (key_->key) OPENSSL_cleanse(key_->key->data(), key_->key->size());
  key_.reset();
}

void engine::open(const module_id& module, const session_id& session) {
  if (open_) {
    cutter_.pause(interval_cutter::unknown, now().monotonic);
    collect();
  }
  if (module_ != module) progress_.reset();
  module_ = module;
  open_ = true;
  cutter_ = interval_cutter{options_.heartbeat_ms};
  // A number stands for one interval: of a session that is opened again they go on.
  if (opened_session_ == session || session_ == session)
    begin_session(session_, next_sequence_);
  else
    begin_session(session, 0);
  opened_session_ = session;
  want_progress();
}

/// A key belongs to one session, so the new one agrees on its own.
void engine::begin_session(const session_id& session, std::uint32_t next_sequence) {
  session_ = session;
  next_sequence_ = next_sequence;
  drop_session_key();
  key_losses_ = 0;
  session_header_ = session_header(options_.identity.kid_text, session);
}

void engine::collect() {
  const auto when = now();
  while (const auto piece = cutter_.next()) {
    pending_heartbeat made;
    made.module = module_;
    made.session = session_;
    made.sequence = next_sequence_++;
    made.interval = piece->interval;
    made.rate_permille = piece->rate_permille;
    made.ended = when;
    ++counts_.made;
    dirty_ = true;
    report_dropped(buffer_.add(made));
  }
  persist(when);
}

void engine::close() {
  if (open_) {
    cutter_.pause(interval_cutter::unknown, now().monotonic);
    collect();
    open_ = false;
  }
  if (in_flight_) ports_.network->cancel(in_flight_->id);
  in_flight_.reset();
  dirty_ = dirty_ || !buffer_.empty();
  storage_retry_at_ = {};  // the last chance
  persist(now());
}

void engine::poll() {
  const auto when = now();
  if (!loaded_ && when.monotonic >= storage_retry_at_) load(when);  // before anything newer goes
  ports_.network->poll(when.monotonic, *this);
  if (in_flight_ && when.monotonic - in_flight_->sent_at >= options_.request_timeout_ms) {
    const auto id = in_flight_->id;
    // First, so that a host whose `cancel` polls does not find it again.
    on_failure(id, true, "the gateway did not respond in time");
    ports_.network->cancel(id);
  }
  pump(when);
  persist(when);
}

void engine::flush() {
  want_progress();
  cooldown_.hurry();
  storage_retry_at_ = {};
  poll();
}

std::int64_t engine::next_due_ms() {
  const auto when = now().monotonic;
  std::int64_t due = -1;
  const auto at_most = [&due](std::int64_t ms) {
    if (ms >= 0) due = due < 0 ? ms : std::min(due, ms);
  };
  if ((dirty_ || !loaded_) && ports_.storage != nullptr)
    at_most(std::max<std::int64_t>(0, storage_retry_at_ - when));
  at_most(ports_.network->next_due_ms(when));
  if (in_flight_)
    at_most(std::max<std::int64_t>(0, in_flight_->sent_at + options_.request_timeout_ms - when));
  else if (!buffer_.empty() && !signing_)
    at_most(cooldown_.left_ms(when));
  return due;
}

// -- Sending.

void engine::pump(const instant& now) {
  // More than one round only with a transport that responds within `send`.
  for (int round = 0; round < 8 && !in_flight_ && !signing_; ++round) {
    if (buffer_.empty() || cooldown_.left_ms(now.monotonic) > 0) return;
    if (!(wants_keys(now) ? send_keys_request(now) : send_heartbeats(now))) return;
  }
}

bool engine::wants_keys(const instant& now) const noexcept {
  return options_.session_keys && open_ && !gateway_key_ &&
         key_losses_ < sdk_limits::session_key_losses_max &&
         (!keys_asked_ || now.monotonic >= keys_not_before_);
}

bool engine::send_keys_request(const instant& now) {
  transport_request request;
  request.method = "GET";
  request.path = "/v1/keys";
  // The gateways lost the keys agreed on with their earlier key; a cache may still have that key.
  if (key_losses_ > 0) request.cache_control = "no-cache";
  in_flight_.emplace(sent_request{});
  in_flight_->asks_for_keys = true;
  in_flight_->sent_at = now.monotonic;
  return send(request);
}

/// All that waits, in order. After an attempt that left heartbeats in doubt the oldest goes ahead
/// alone: a server that responds with nonsense must not put the others in doubt too, which may
/// still be joined.
std::size_t engine::batch_size() const noexcept {
  return one_by_one_ || probing_ ? 1
                                 : std::min(buffer_.size(), sdk_limits::heartbeats_per_request_max);
}

/// False if the app is about to show the progress, if the state may change, and for a heartbeat
/// that was late or cut, whose response says more.
bool engine::minimal_will_do(std::size_t count) const noexcept {
  const auto& oldest = buffer_.heartbeats().front();
  const bool near = progress_ && !progress_->mastered &&
                    progress_->completion_percentage >= sdk_limits::near_mastery_percent;
  return count == 1 && !wants_progress_ && !near && !oldest.in_doubt && oldest.remainders == 0 &&
         empty_responses_ + 1 < options_.full_response_every;
}

bool engine::send_heartbeats(const instant& now) {
  const auto count = batch_size();
  sent_request made;
  made.sent_at = now.monotonic;
  made.minimal = minimal_will_do(count);
  // What asks for progress from now on is served by the next request.
  if (!made.minimal) wants_progress_ = false;
  std::string body;
  {
    const raised guard{signing_};
    // Taken out before the host's callbacks run: their reports change what waits, not this request.
    buffer_.take(count);
    for (std::size_t i = 0; i < count; ++i) {
      const pending_heartbeat of = buffer_.at(i);
      const auto token = make_token(of, now, made);
      if (!token) {
        dirty_ = true;
        want_progress();
        report_dropped(buffer_.complete(std::vector<bool>(count, false)));
        report_failure(failure_kind::signer, "the signer gave no signature; heartbeats wait");
        pause(now, std::nullopt);
        return false;
      }
      if (!body.empty()) body += '\n';
      body += *token;
    }
    clear_failure(failure_kind::signer);
    // A crash from here on leaves them in doubt: it has to be known to the next run.
    dirty_ = true;
    persist(now);
  }
  in_flight_ = std::move(made);

  transport_request request;
  request.content_type = "application/jose";
  request.body = body;
  if (in_flight_->minimal) request.prefer = "return=minimal";
  return send(request);
}

bool engine::send(const transport_request& request) {
  auto whole = request;
  whole.id = in_flight_->id = next_id_++;
  whole.timeout_ms = options_.request_timeout_ms;
  ++counts_.requests;
  const bool begun = [&] {
    const raised guard{sending_};
    return ports_.network->send(whole, *this);
  }();
  if (!begun) {
    stashed_.reset();
    on_failure(whole.id, false, "the transport did not accept the request");
    return false;
  }
  if (auto early = std::exchange(stashed_, std::nullopt)) {
    if (early->response)
      on_response(early->id, std::move(*early->response));
    else
      on_failure(early->id, early->sent, early->why);
  }
  return true;
}

void engine::prepare_session_key(const pending_heartbeat& of) {
  if (key_ || !gateway_key_ || !open_ || of.session != session_ ||
      key_losses_ >= sdk_limits::session_key_losses_max)
    return;
  session_key made;
  made.session = session_;
  const auto peer = gateway_key_->point;
  const bool agreed = ports_.agreement->agree(peer, made.point, made.z);
  // Another session was opened meanwhile, or this one anew.
  if (key_ || !open_ || session_ != made.session || !gateway_key_) {
    OPENSSL_cleanse(made.z.data(), made.z.size());
    return;
  }
  if (agreed)
    key_ = made;
  else
    key_losses_ = sdk_limits::session_key_losses_max;  // device signatures do as well
}

std::optional<std::string> engine::make_token(const pending_heartbeat& of, const instant& now,
                                              sent_request& with) {
  token_claims claims;
  claims.student = options_.student;
  claims.module = of.module;
  claims.session = of.session;
  claims.sequence = of.sequence;
  claims.interval = of.interval;
  claims.playback_rate_permille = of.rate_permille;
  claims.issued_at_ms = clock_.issued_at(of, now);

  if (options_.session_keys) prepare_session_key(of);
  const bool own_session = key_ && key_->session == of.session;
  sent_token token{of.session, of.sequence, false, claims.issued_at_ms};
  if (own_session && key_->key && !of.device_signature) {
    token.session_key = true;
    with.tokens.push_back(token);
    ++counts_.session_signatures;
    auto input = signing_input(session_header_, claims);
    const auto mac = hmac_sha256(*key_->key, input);
    return finish_token(std::move(input), mac);
  }
  const bool offers = own_session && !with.offer;
  key_offer offer;
  if (offers) {
    offer.point = key_->point;
    offer.gateway_kid = gateway_key_->kid;
  }
  auto input = signing_input(device_header_, claims, offers ? &offer : nullptr);
  const auto signature = ports_.key->sign(input);
  if (!signature) return std::nullopt;
  if (offers) {
    with.offer = with.tokens.size();
    with.offer_input = input;
    with.offer_point = offer.point;
  }
  with.tokens.push_back(token);
  ++counts_.device_signatures;
  return finish_token(std::move(input), *signature);
}

// -- Storage.

void engine::load(const instant& now) {
  if (ports_.storage == nullptr || loaded_ || storing_) return;
  std::optional<std::string> content;
  {
    const raised guard{storing_};
    content = ports_.storage->load();
  }
  if (!content) {
    storage_failing_ = true;
    storage_retry_at_ = now.monotonic + sdk_limits::storage_retry_ms;
    report_failure(failure_kind::storage_load,
                   "the stored heartbeats cannot be read; nothing is written until they can");
    return;
  }
  loaded_ = true;
  storage_failing_ = false;
  clear_failure(failure_kind::storage_load);
  auto stored = decode_buffer(*content, options_.student);
  if (stored.foreign) {
    foreign_ = true;
    ports_.storage = nullptr;
    report_failure(failure_kind::storage_load,
                   "the stored heartbeats belong to another student; the client leaves them alone");
    return;
  }
  if (stored.damaged != 0)
    report_failure(failure_kind::storage_damaged,
                   std::to_string(stored.damaged) +
                       " stored records are damaged and were left out, " +
                       std::to_string(stored.heartbeats.size()) + " could be read");
  buffer_.restore(std::move(stored.heartbeats));
}

void engine::persist(const instant& now) {
  if (ports_.storage == nullptr || !dirty_ || storing_) return;
  if (storage_failing_ && now.monotonic < storage_retry_at_) return;
  // Overwriting what could not be read would lose it.
  if (!loaded_) load(now);
  if (!loaded_ || ports_.storage == nullptr) return;
  const auto content = encode_buffer(options_.student, buffer_.heartbeats(), clock_);
  bool saved = false;
  dirty_ = false;  // what is reported from within makes it true again
  {
    const raised guard{storing_};
    saved = ports_.storage->save(content);
  }
  if (!saved) {
    dirty_ = storage_failing_ = true;
    storage_retry_at_ = now.monotonic + sdk_limits::storage_retry_ms;
    report_failure(failure_kind::storage_save,
                   "heartbeats cannot be stored; they stay in memory, and the client tries again");
    return;
  }
  storage_failing_ = false;
  clear_failure(failure_kind::storage_load);
  clear_failure(failure_kind::storage_save);
}

}  // namespace watchkeeper::sdk
