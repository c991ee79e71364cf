#include "actors/gateway.hpp"

#include <algorithm>
#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/send.hpp>
#include <cstdlib>
#include <stdexcept>
#include <thread>

#include "actors/address_guard.hpp"
#include "actors/checkpointer.hpp"
#include "actors/heatmap.hpp"
#include "actors/hot_writer.hpp"
#include "actors/progress_shard.hpp"
#include "actors/screening.hpp"
#include "actors/session.hpp"
#include "actors/session_directory.hpp"
#include "actors/store_reader.hpp"
#include "actors/watcher.hpp"

namespace watchkeeper::actors {

namespace {

constexpr std::int64_t idle_session_ms = 300'000;
constexpr std::int64_t least_time_to_checkpoint_us = 1'000'000;

latency_summary summarize(const latency_histogram& histogram) {
  return {histogram.count(), histogram.sum_us(), histogram.quantile_us(0.5),
          histogram.quantile_us(0.99)};
}

unsigned worker_count(const gateway_options& options) {
  if (options.worker_threads > 0) return options.worker_threads;
  return std::max(1u, std::thread::hardware_concurrency());
}

unsigned shards_of(const gateway_options& options) {
  const auto wanted = options.shards > 0 ? options.shards : 2 * worker_count(options);
  return std::min(wanted, limits::partitions);
}

std::vector<std::shared_ptr<watch_observer>> with(
    std::shared_ptr<watch_observer> first,
    const std::vector<std::shared_ptr<watch_observer>>& more) {
  std::vector<std::shared_ptr<watch_observer>> all{std::move(first)};
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

struct system_config : caf::actor_system_config {
  explicit system_config(unsigned workers) {
    set("scheduler.max-threads", workers);
    // A hot shard must not hold a worker for ever.
    set("scheduler.max-throughput", std::size_t{64});
    // Sharing wakes an idle worker at once; stealing lets it sleep up to 10 ms (measured: a batch
    // of one waited 10 ms), and the hand-over of a heartbeat is all that happens here.
    set("scheduler.policy", caf::atom("sharing"));
    set("logger.verbosity", caf::atom("quiet"));
  }
};

/// Tells of a refusal whose device it was: only the registry knows.
class owner_telling final : public watch_observer {
 public:
  owner_telling(const registry& known, watch_observer& next) : known_(known), next_(next) {}
  void settled(const settled_heartbeat& heartbeat) noexcept override { next_.settled(heartbeat); }
  void refused(const refused_heartbeat& heartbeat) noexcept override {
    auto told = heartbeat;
    if (told.token != nullptr) {
      using ownership = refused_heartbeat::ownership;
      const auto found = known_.find_device(told.token->device, told.received_ms);
      if (found.known)
        told.device = found.entry && found.entry->record.student == told.token->claims.student
                          ? ownership::of_student
                          : ownership::of_nobody_or_another;
    }
    next_.refused(told);
  }
  void student_erased(const student_id& student) noexcept override {
    next_.student_erased(student);
  }

 private:
  const registry& known_;
  watch_observer& next_;
};

}  // namespace

struct gateway::implementation final : shard_services {
  explicit implementation(gateway_options given)
      : options(std::move(given)),
        heat(std::make_shared<heatmap>(shards_of(options), options.shared_stores)),
        observers(with(heat, options.observers)),
        addresses(options.policy.address_failures, reinterpret_cast<std::uintptr_t>(this)),
        config(worker_count(options)),
        system(config) {
    shard_probes = std::vector<shard_probe>(shards_of(options));

    auto first_ledger = options.make_ledger();
    require(first_ledger->migrate(), "store.ledger");
    const auto last_change = require(first_ledger->last_change(), "store.ledger");
    ledger_state.up = true;
    auto first_hot = options.make_hot_store();
    const bool hot_is_there = admit_hot_store(*first_hot);

    auto log = [this](int level, const std::string& component, const std::string& message) {
      options.log(level, component, message);
    };
    checkpoints = std::make_unique<checkpointer>(checkpointer::surroundings{
        .hot = options.make_hot_store(),
        .behind = options.make_ledger(),
        .probe = ledger_state,
        .hot_probe = hot_state,
        .heat = *heat,
        .interval_ms = options.checkpoint_interval_ms,
        .now = options.now,
        .monotonic_us = options.monotonic_us,
        .done =
            [this](unix_ms started_ms) {
              for (auto& shard : shards)
                caf::anon_send(shard, checkpoint_done{started_ms, options.now()});
            },
        .log = log});
    if (hot_is_there) recover();

    writer = std::make_unique<hot_writer>(hot_writer::surroundings{
        .hot = std::move(first_hot),
        .behind = std::move(first_ledger),
        .hot_probe = hot_state,
        .behind_probe = ledger_state,
        .now = options.now,
        .monotonic_us = options.monotonic_us,
        .stored =
            [this](std::shared_ptr<credit_batch> batch) noexcept {  // or its shard waits for ever
              auto& shard = shards[batch->shard];
              caf::anon_send(shard, batch_stored{std::move(batch)});
            },
        .heatmaps_grown = [this](const std::vector<heatmap_delta>& deltas) { heat->grown(deltas); },
        .log = log,
        .shards = shard_probes.size(),
        .start_degraded = !hot_is_there});
    reader = std::make_unique<store_reader>(store_reader::surroundings{
        .hot = options.make_hot_store(),
        .behind = options.make_ledger(),
        .known = known,
        .behind_probe = ledger_state,
        .now = options.now,
        .screened_again = [this](heartbeat_job_ptr job) { supplied(std::move(job)); },
        .found =
            [this](progress_found found) {
              auto& shard = shard_for(found.query->key.student);
              caf::anon_send(shard, std::move(found));
            }});
    start_shards();
    around_sessions.emplace(session_surroundings{
        .policy = options.policy,
        .addresses = addresses,
        .probe = verifications,
        .shards = shards,
        .monotonic_us = options.monotonic_us,
        .verified = [this](const session_key_id& key, const known_session& session,
                           unix_ms now_ms) { sessions.keep(key, session, now_ms); },
        .keys = options.session_keys});
    checkpoints->start();
    look_out = std::make_unique<watcher>(watcher::surroundings{
        .hot = options.make_hot_store(),
        .behind = options.make_ledger(),
        .known = known,
        .hot_probe = hot_state,
        .behind_probe = ledger_state,
        .required = options.require_durability,
        .last_change = last_change,
        .now = options.now,
        .student_erased =
            [this](const student_id& student) {
              caf::anon_send(shard_for(student), student_erased{student, nullptr});
              writer->forget_copies(student);
            },
        .housekeeping =
            [this] {
              sessions.sweep(options.now() - idle_session_ms);
              for (auto& shard : shards) caf::anon_send(shard, shard_tick{});
            },
        .log = log});
  }

  ~implementation() override { (void)stop(std::chrono::milliseconds(0)); }

  // -- start ------------------------------------------------------------------------------------

  template <class T>
  static T require(stored<T> outcome, const std::string& what) {
    if (!outcome) throw std::runtime_error(what + ": " + outcome.error().detail);
    return *std::move(outcome);
  }

  /// False: not reachable, the gateway starts on the ledger alone.
  bool admit_hot_store(hot_store& hot) {
    auto health = hot.health();
    if (!health) {
      if (health.error().code == storage_error::mismatch ||
          health.error().code == storage_error::corrupt)
        throw std::runtime_error("store.hot: " + health.error().detail);
      hot_state.failed(health.error());
      hot_state.degraded = true;
      options.log(
          1, "hot_store",
          "not reachable at start; heartbeats are stored in the ledger: " + health.error().detail);
      return false;
    }
    hot_state.up = true;
    hot_state.worth = health->worth;
    hot_state.description.set(health->description);
    if (health->worth < options.require_durability)
      throw std::runtime_error(
          "store.hot: an acknowledgement would be worth less than store.require_durability "
          "demands: " +
          health->description);
    return true;
  }

  void recover() {
    if (checkpoints->checkpoint_all()) {
      if (const auto left = ledger_state.dirty_pairs.load(); left > 0)
        options.log(0, "ledger",
                    "recovered " + std::to_string(left) +
                        " pairs that an earlier process had not checkpointed");
    } else {
      options.log(1, "ledger",
                  "could not checkpoint what an earlier process left; trying again later");
    }
  }

  void start_shards() {
    shards.reserve(shard_probes.size());
    for (std::uint32_t i = 0; i < shard_probes.size(); ++i)
      shards.push_back(system.spawn(
          progress_shard,
          shard_surroundings{.index = i,
                             .services = *this,
                             .probe = shard_probes[i],
                             .hot = hot_state,
                             .now = options.now,
                             .monotonic_us = options.monotonic_us,
                             .watching = &watching,
                             .cannot_go_on = [this](const std::string& why) { give_up(why); }}));
  }

  void give_up(const std::string& why) const {
    if (options.cannot_go_on) return options.cannot_go_on(why);
    options.log(2, "gateway", why + "; the process ends");
    std::abort();
  }

  // -- the way of a heartbeat -------------------------------------------------------------------

  /// The session that the heartbeat before it in the same request went to: tokens of a buffer
  /// belong to one session mostly, and must reach it in order before it is in the directory.
  struct route {
    session_key_id key;
    known_session known;
    bool waits = false;  // one of them is with the reader: the others queue up behind it
  };

  /// Verified already, for the shard of that index.
  using outbox = std::vector<std::pair<std::size_t, heartbeat_job_ptr>>;

  void submit(std::span<heartbeat_request> requests) {
    route last;
    outbox out;
    const heartbeat_listener* request_of = nullptr;
    for (auto& each : requests) {
      if (each.listener.get() != request_of) last = {};
      request_of = each.listener.get();
      submit(std::move(each), last, out);
    }
    send(out);
  }

  /// Each shard is sent what is for it in one message, in order.
  void send(outbox& out) {
    if (out.size() == 1) {
      caf::anon_send(shards[out[0].first], credit_job{std::move(out[0].second)});
    } else if (!out.empty()) {
      for (std::size_t shard = 0; shard < shards.size(); ++shard) {
        credit_jobs all;
        for (auto& [to, job] : out)
          if (to == shard && job) all.jobs.push_back(std::move(job));
        if (!all.jobs.empty()) caf::anon_send(shards[shard], std::move(all));
      }
    }
    out.clear();
  }

  /// The reader has what was lacking. Thread: the reader's.
  void supplied(heartbeat_job_ptr job) {
    // A session that has verified something is found in the directory, or has ended since.
    if (after_reading.known.memory) after_reading = {};
    after_reading.waits = false;
    outbox out;
    screen(std::move(job), after_reading, out);
    send(out);
  }

  void submit(heartbeat_request&& request, route& last, outbox& out) {
    const bool admitted = heartbeats.admit(limits::heartbeats_in_flight_max);
    if (!admitted) {
      heartbeat_result result;
      result.outcome.why = problem::overloaded;
      result.detail = "too many heartbeats are under way; send it again a little later";
      watching.refused({problem::overloaded, result.detail, options.now(), nullptr});
      heartbeats.refused_at_the_door(problem::overloaded);
      request.listener->on_result(request.index, result);
      return;
    }
    auto job = std::make_shared<heartbeat_job>(std::move(request), heartbeats, &read_clock, this,
                                               &watching);
    job->received_ms = options.now();
    if (draining.load(std::memory_order_relaxed))
      return job->refuse(problem::draining, "the gateway is about to stop; send it again");
    const auto verdict = parse_job(*job, options.policy, job->received_ms);
    if (verdict.what == screening_verdict::kind::refused)
      return job->refuse(verdict.why, verdict.detail, verdict.retry_after_ms);
    screen(std::move(job), last, out);
  }

  void screen(heartbeat_job_ptr job, route& last, outbox& out) {
    using kind = screening_verdict::kind;
    const auto now_ms = options.now();
    const auto verdict = screen_job(*job, options.policy, known, addresses, now_ms);
    auto wait_for = [&](store_reader::lacking what) {
      last.waits = true;
      reader->supply(std::move(job), what);
    };
    switch (verdict.what) {
      case kind::refused:
        // A made-up device costs a look into the ledger: it counts like a signature that fails.
        if (verdict.why == problem::unknown_device) addresses.failed(job->peer, now_ms);
        return job->refuse(verdict.why, verdict.detail, verdict.retry_after_ms);
      case kind::device_unknown:
        return wait_for(store_reader::lacking::device);
      case kind::module_unknown:
        return wait_for(store_reader::lacking::module);
      case kind::assignment_unknown:
        return wait_for(store_reader::lacking::assignment);
      case kind::pass:
        if (last.waits) return wait_for(store_reader::lacking::device);
        break;
    }
    const auto key = job->credit.session_key();
    if (last.key != key) last.known = {};
    last.key = key;
    // Looked for again as long as it was not in there: its first heartbeat is being verified.
    if (!last.known.memory)
      if (auto found = sessions.find(key, now_ms); found.actor) last.known = std::move(found);
    if (job->token.algorithm == signature_algorithm::hs256) {
      // No actor for a session that nothing is known of: it could only say so.
      if (!last.known.actor) return refuse_without_key(*job);
      if (last.known.memory) {
        const auto mac = verify_mac(*job, *last.known.memory, *around_sessions);
        if (mac == mac_verdict::refused) return;
        if (mac == mac_verdict::holds) {
          const auto shard = shard_of(job->credit.student, shards.size());
          return out.emplace_back(shard, std::move(job)), void();
        }
      }
    }
    if (!last.known.actor) last.known.actor = system.spawn(session, &*around_sessions);
    caf::anon_send(last.known.actor, std::move(job));
  }

  static std::uint64_t read_clock(const void* self) {
    return static_cast<const implementation*>(self)->options.monotonic_us();
  }

  progress_shard_actor& shard_for(const student_id& student) {
    return shards[shard_of(student, shards.size())];
  }

  // -- shard_services ---------------------------------------------------------------------------

  void store(std::shared_ptr<credit_batch> batch) override { writer->store(std::move(batch)); }
  bool refill(std::vector<pair_progress> pairs) override {
    return writer->refill(std::move(pairs));
  }
  bool has_unsaved_refills() const override { return writer->has_unsaved_refills(); }
  void load(std::shared_ptr<progress_query> query) override { reader->load(std::move(query)); }
  void checkpoint_now(std::vector<pair_progress> pairs) override {
    checkpoints->checkpoint_now(std::move(pairs));
  }

  // -- the end ----------------------------------------------------------------------------------

  bool stop(std::chrono::milliseconds deadline) {
    if (stopped.exchange(true)) return stopped_well;
    draining = true;
    const auto end_us =
        options.monotonic_us() + static_cast<std::uint64_t>(std::max<std::int64_t>(
                                     deadline.count() * 1000, least_time_to_checkpoint_us));
    // What is in flight is answered by threads that are still running.
    const bool all_answered = heartbeats.wait_until_idle(deadline);
    look_out.reset();
    // The threads end first, but what they are stays: an actor that still hands something over gets
    // it back as failed, and answers.
    if (writer) writer->close();
    if (reader) reader->close();
    bool all_written = false;
    if (checkpoints) {
      checkpoints->stop(true, end_us);
      all_written = checkpoints->last_one_complete();
    }
    after_reading = {};
    sessions.clear();
    for (auto& shard : shards) caf::anon_send_exit(shard, caf::exit_reason::user_shutdown);
    system.await_all_actors_done();
    shards.clear();
    stopped_well = all_answered && all_written;
    return stopped_well;
  }

  gateway_options options;
  route after_reading;  // the reader thread's
  registry known;
  std::shared_ptr<heatmap> heat;
  watch_observers observers;
  owner_telling watching{known, observers};
  heartbeat_probe heartbeats;
  verification_probe verifications;
  hot_store_probe hot_state;
  ledger_probe ledger_state;
  std::vector<shard_probe> shard_probes;
  address_guard addresses;
  std::atomic<bool> draining{false};
  std::atomic<bool> stopped{false};
  bool stopped_well = false;

  system_config config;
  caf::actor_system system;
  std::vector<progress_shard_actor> shards;
  session_directory sessions;
  std::optional<session_surroundings> around_sessions;
  std::unique_ptr<checkpointer> checkpoints;
  std::unique_ptr<hot_writer> writer;
  std::unique_ptr<store_reader> reader;
  std::unique_ptr<watcher> look_out;
};

gateway::gateway(gateway_options options)
    : implementation_(std::make_unique<implementation>(std::move(options))) {}
gateway::~gateway() = default;

void gateway::submit(std::span<heartbeat_request> requests) noexcept {
  implementation_->submit(requests);
}

std::future<stored<std::optional<progress>>> gateway::progress_of(const pair_key& pair) {
  auto query = std::make_shared<progress_query>(pair);
  auto future = query->future();
  caf::anon_send(implementation_->shard_for(pair.student), progress_wanted{std::move(query)});
  return future;
}

stored<ok_t> gateway::forget_student(const student_id& student) {
  auto& self = *implementation_;
  self.known.forget_devices_of(student);
  // First the shard, so that no batch with this student follows; then the store; then the shard
  // again, for what was under way in between.
  auto forgotten = [&] {
    auto promise = std::make_shared<std::promise<void>>();
    auto done = promise->get_future();
    caf::anon_send(self.shard_for(student), student_erased{student, std::move(promise)});
    done.wait();
  };
  forgotten();
  auto erased = self.writer->forget_student(student);
  if (erased) forgotten();
  return erased;
}

stored<ok_t> gateway::readmit_student(const student_id& student) {
  return implementation_->writer->readmit_student(student);
}

stored<heatmap_view> gateway::heatmap_of(const module_id& module, media_ms duration_ms,
                                         ledger& behind, hot_store& hot) {
  return implementation_->heat->read(module, duration_ms, behind, hot);
}

void gateway::seen_elsewhere(const module_id& module,
                             std::span<const student_id> students) noexcept {
  implementation_->heat->seen_elsewhere(module, students);
}

void gateway::student_has_gone(const student_id& student) {
  // Until now the registry could read the student's devices again, and did for what still came.
  implementation_->known.forget_devices_of(student);
  implementation_->watching.student_erased(student);
}

void gateway::forget_heatmap_rows() {
  implementation_->heat->forget_rows();
}

registry& gateway::known() noexcept {
  return implementation_->known;
}

gateway_statistics gateway::statistics() const {
  const auto& self = *implementation_;
  gateway_statistics s;
  for (std::size_t i = 0; i < s.heartbeats_by_status.size(); ++i)
    s.heartbeats_by_status[i] = self.heartbeats.by_status(i);
  for (std::size_t i = 0; i < s.heartbeats_by_problem.size(); ++i)
    s.heartbeats_by_problem[i] = self.heartbeats.by_problem(i);
  for (std::size_t i = 0; i < s.verification.size(); ++i) {
    s.verification[i] = summarize(self.verifications.latency[i]);
    s.verification_failures[i] = self.verifications.failures[i];
  }
  s.heartbeats_in_flight = self.heartbeats.in_flight();
  s.sessions = self.sessions.size();
  s.devices_cached = self.known.devices();
  s.modules_cached = self.known.modules();
  s.heartbeat_latency = summarize(self.heartbeats.latency());
  for (const auto& probe : self.shard_probes)
    s.shards.push_back({probe.pairs, probe.dirty, probe.parked, probe.queued, probe.batches,
                        probe.batch_heartbeats, probe.batch_size_max,
                        summarize(probe.batch_latency)});
  s.hot = {self.hot_state.up,
           self.hot_state.degraded,
           self.hot_state.description.get(),
           self.hot_state.worth,
           summarize(self.hot_state.latency),
           self.hot_state.failures,
           self.hot_state.last_failure.get()};
  const auto last_ms = self.ledger_state.last_checkpoint_ms.load();
  s.ledger = {self.ledger_state.up,
              self.ledger_state.description.get(),
              summarize(self.ledger_state.latency),
              self.ledger_state.checkpointed_pairs,
              self.heartbeats.mastered(),
              last_ms > 0 ? std::max<std::int64_t>(0, self.options.now() - last_ms) : 0,
              self.ledger_state.dirty_pairs,
              self.ledger_state.failures,
              self.ledger_state.last_failure.get()};
  return s;
}

bool gateway::ready(std::string* why_not) const {
  const auto& self = *implementation_;
  const char* reason = nullptr;
  if (self.draining)
    reason = "draining";
  else if (!self.ledger_state.up && (self.hot_state.degraded || !self.hot_state.up))
    reason = "neither the hot store nor the ledger can be reached";
  if (reason && why_not) *why_not = reason;
  return reason == nullptr;
}

void gateway::begin_drain() noexcept {
  implementation_->draining = true;
}

bool gateway::stop(std::chrono::milliseconds deadline) {
  return implementation_->stop(deadline);
}

}  // namespace watchkeeper::actors
