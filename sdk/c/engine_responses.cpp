// What the transport delivers: responses and failures.

#include <algorithm>
#include <utility>

#include "sdk/c/defaults.hpp"
#include "sdk/c/engine.hpp"

namespace watchkeeper::sdk {
namespace {

bool any_of_kind(const heartbeat_response& read, result_kind kind) {
  return std::any_of(read.results.begin(), read.results.end(),
                     [kind](const token_result& each) { return each.kind == kind; });
}

}  // namespace

bool engine::on_response(std::uint64_t id, http_response&& response) {
  if (!in_flight_ || in_flight_->id != id || stashed_) return false;
  if (sending_) {
    stashed_ = stashed{id, std::move(response), true, {}};
    return true;
  }
  const auto when = now();
  clear_failure(failure_kind::transport);
  if (response.body.size() > sdk_limits::response_bytes_max) {
    response.too_long = true;
    response.body.clear();
  }
  if (in_flight_->asks_for_keys)
    read_keys(std::move(response), when);
  else
    on_heartbeat_response(std::move(response), when);
  persist(when);
  return true;
}

bool engine::on_failure(std::uint64_t id, bool sent, std::string_view why) {
  if (!in_flight_ || in_flight_->id != id || stashed_) return false;
  if (sending_) {
    stashed_ = stashed{id, std::nullopt, sent, std::string{why}};
    return true;
  }
  const auto when = now();
  const bool keys = in_flight_->asks_for_keys;
  in_flight_.reset();
  report_failure(failure_kind::transport, std::string{why});
  want_progress();
  if (keys) {
    // A proxy may fail this one path for ever: heartbeats do not wait for it.
    keys_asked_ = true;
    keys_not_before_ = when.monotonic + options_.backoff_cap_ms;
  } else {
    const auto count = buffer_.in_flight();
    if (sent) {
      probing_ = true;
      for (std::size_t i = 0; i < count; ++i) buffer_.at(i).in_doubt = true;
    }
    dirty_ = true;
    report_dropped(buffer_.complete(std::vector<bool>(count, false)));
  }
  pause(when, std::nullopt);
  persist(when);
  return true;
}

void engine::read_keys(http_response&& response, const instant& now) {
  in_flight_.reset();
  keys_asked_ = true;
  if (response.status == 200 && !response.too_long) gateway_key_ = read_key_set(response.body);
  // Heartbeats do not wait for the key: they go with the device's signature.
  const bool later = response.status == 429 || response.status >= 500;
  keys_not_before_ = now.monotonic +
                     (later ? std::max(options_.backoff_cap_ms, response.retry_after_ms.value_or(0))
                            : sdk_limits::keys_retry_ms);
}

void engine::on_heartbeat_response(http_response&& response, const instant& now) {
  const auto request = std::move(*in_flight_);
  in_flight_.reset();
  const auto read = read_heartbeat_response(response, request.tokens, request.minimal);
  note_progress(response.status, read);
  response_effects effects;
  effects.pauses = read.pause;
  learn_clock(read, request, now);
  learn_session_key(read, request);

  const auto& waiting = buffer_.heartbeats();
  const std::vector<pending_heartbeat> sent(
      waiting.begin(), waiting.begin() + static_cast<std::ptrdiff_t>(buffer_.in_flight()));
  note_late(sent, now);
  probing_ = any_of_kind(read, result_kind::in_doubt);
  for (std::size_t i = 0; i < sent.size(); ++i)
    on_token_result(buffer_.at(i), request.tokens[i], read.results[i], now, effects);
  if (effects.lost_session_key) lose_session_key();
  dirty_ = true;
  auto pushed_out = buffer_.complete(effects.removed);
  for (const auto& used : effects.used_sessions) renew_session(used);
  one_by_one_ = read.one_by_one || (one_by_one_ && !buffer_.empty());

  report_progress(sent, read.results);
  report_dropped(std::move(effects.dropped));
  report_dropped(pushed_out);
  const bool not_enrolled = any_of_kind(read, result_kind::enrol);
  report_response(response.status, read.defect, not_enrolled, effects.pauses);
  if (effects.pauses)
    pause(now, response.retry_after_ms);
  else if (not_enrolled)
    cooldown_.wait(now.monotonic, sdk_limits::enrolment_retry_ms, ports_.random());
  else
    cooldown_.succeeded();
  // The budget fills with time; a remainder that is sent too early would only be cut again.
  if (!effects.pauses && !not_enrolled && effects.remaining_ms > 0)
    pause(now, std::min(effects.remaining_ms, sdk_limits::remainder_wait_ms_max));
}

void engine::learn_clock(const heartbeat_response& read, const sent_request& request,
                         const instant& now) {
  if (read.server_time_ms) clock_.learn(*read.server_time_ms, now.monotonic - request.sent_at, now);
}

void engine::learn_session_key(const heartbeat_response& read, const sent_request& request) {
  if (request.offer && key_ && key_->point == request.offer_point &&
      read.results[*request.offer].kind == result_kind::accepted)
    key_->key = derive_session_key(key_->z, request.offer_input);
}

/// After a late heartbeat the budget may be used up for a while.
void engine::note_late(const std::vector<pending_heartbeat>& sent, const instant& now) {
  const bool late =
      sent.size() > 1 || std::any_of(sent.begin(), sent.end(), [&](const pending_heartbeat& each) {
        return clock_.at(now) - clock_.issued_at(each, now) >= sdk_limits::late_ms;
      });
  if (late) catching_up_until_ = now.monotonic + sdk_limits::catching_up_ms;
}

void engine::on_token_result(pending_heartbeat& of, const sent_token& token,
                             const token_result& result, const instant& now,
                             response_effects& effects) {
  // A key that an earlier session lost says nothing about the key of this one.
  if (result.kind == result_kind::sign_by_device && token.session == session_)
    effects.lost_session_key = true;
  if (result.kind == result_kind::accepted && token.session_key) key_losses_ = 0;
  effects.removed.push_back(apply_result(of, token, result, now, effects));
  if (effects.removed.back() && keep_remainder(of, result, now)) {
    effects.removed.back() = false;
    effects.remaining_ms += of.interval.length_ms();
  }
}

void engine::lose_session_key() {
  if (key_) key_->key.reset();  // the pair stays: the same `epk` is offered again
  if (++key_losses_ < sdk_limits::session_key_losses_max - 1) return;
  // The gateways' own key may be another one by now.
  drop_session_key();
  gateway_key_.reset();
  keys_not_before_ = {};
}

void engine::report_response(int status, response_defect defect, bool not_enrolled, bool pauses) {
  const auto text = "status " + std::to_string(status);
  if (defect == response_defect::redirected)
    report_failure(failure_kind::redirect,
                   "the gateway redirects (" + text + "); the client does not follow redirects");
  else if (defect != response_defect::none)
    report_failure(failure_kind::response, "the response is not a gateway's (" + text + ")");
  if (defect == response_defect::none) {
    clear_failure(failure_kind::response);
    clear_failure(failure_kind::redirect);
  }
  if (not_enrolled)
    report_failure(
        failure_kind::not_enrolled,
        "the gateway does not know this device; heartbeats wait until the device is enrolled");
  else if (defect == response_defect::none && !pauses)
    clear_failure(failure_kind::not_enrolled);
}

/// Decides whether the next response is to have progress.
void engine::note_progress(int status, const heartbeat_response& read) noexcept {
  if (status == 204 && read.defect == response_defect::none) {
    ++empty_responses_;
    return;
  }
  // A rejected or failed heartbeat gave no progress; a limited one will change.
  wants_progress_ =
      wants_progress_ ||
      std::any_of(read.results.begin(), read.results.end(), [](const token_result& each) {
        return !each.progress || each.credit == credit_status::limited;
      });
  empty_responses_ = 0;
}

/// While late heartbeats use up the budget, `of` becomes the part that had no room, in a session of
/// its own. Otherwise playback is faster than the module allows, and the result is final.
bool engine::keep_remainder(pending_heartbeat& of, const token_result& result, const instant& now) {
  if (result.credit != credit_status::limited || !result.credited_ms ||
      of.remainders >= sdk_limits::remainders_max || now.monotonic >= catching_up_until_ ||
      *result.credited_ms >= of.interval.length_ms())
    return false;
  const auto session = random_session();
  if (!session) return false;
  of.session = *session;
  of.sequence = 0;
  of.interval.from_ms += *result.credited_ms;
  of.in_doubt = of.device_signature = false;
  of.clock_tries = 0;
  ++of.remainders;
  ++counts_.made;
  return true;
}

std::optional<session_id> engine::random_session() {
  return session_id::parse(make_uuid(ports_.random(), ports_.random()));
}

/// Another run used the numbers of the session `used`: what waits moves to a new session, in order,
/// and so does the session itself if it is open. What is in doubt stays, because it may have been
/// credited under its number; if it was not, the gateway says `sequence-reused` of it too.
void engine::renew_session(const session_id& used) {
  const auto renewed = random_session();
  if (!renewed) return;
  std::uint32_t sequence = 0;
  for (std::size_t i = 0; i < buffer_.size(); ++i) {
    auto& each = buffer_.at(i);
    if (each.session != used || each.in_doubt) continue;
    each.session = *renewed;
    each.sequence = sequence++;
    each.device_signature = false;
  }
  if (session_ == used) begin_session(*renewed, sequence);
}

/// True if `of` is done with: it leaves the buffer.
bool engine::apply_result(pending_heartbeat& of, const sent_token& token,
                          const token_result& result, const instant& now,
                          response_effects& effects) {
  switch (result.kind) {
    case result_kind::accepted:
      ++counts_.acknowledged;
      if (result.credit == credit_status::limited) ++counts_.limited;
      return true;
    case result_kind::enrol:
    case result_kind::retry:
    case result_kind::retry_alone:
      // If it was in doubt before, this result says nothing about the earlier attempt.
      return false;
    case result_kind::in_doubt:
      of.in_doubt = true;
      return false;
    case result_kind::sign_by_device:
      of.device_signature = true;
      return false;
    case result_kind::renew_session:
      // The number is another interval's, so this one was never credited under it.
      of.in_doubt = false;
      if (!of.renewed) {
        of.renewed = true;
        if (std::find(effects.used_sessions.begin(), effects.used_sessions.end(), of.session) ==
            effects.used_sessions.end())
          effects.used_sessions.push_back(of.session);
        return false;
      }
      [[fallthrough]];
    case result_kind::rejected:
      effects.dropped.push_back({of, drop_reason::rejected, result.problem});
      return true;
    case result_kind::set_clock:
      break;
  }
  switch (correct_clock(result.problem, token.issued_at_ms, clock_.issued_at(of, now),
                        of.clock_tries)) {
    case clock_correction::sign_again:
      ++of.clock_tries;
      return false;
    case clock_correction::retry_later:
      of.clock_tries = 0;
      effects.pauses = true;
      return false;
    case clock_correction::too_old:
      break;
  }
  effects.dropped.push_back({of, drop_reason::too_old, result.problem});
  return true;
}

void engine::pause(const instant& now, std::optional<std::int64_t> retry_after_ms) {
  cooldown_.failed(now.monotonic, retry_after_ms, ports_.random());
}

}  // namespace watchkeeper::sdk
