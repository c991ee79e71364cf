// The start of a gateway (checks of the stores, threads, shards) and its end.
#include <algorithm>
#include <caf/send.hpp>
#include <cstdlib>
#include <stdexcept>
#include <thread>

#include "actors/gateway_implementation.hpp"

namespace watchkeeper::actors {

namespace {

constexpr std::int64_t idle_session_ms = 300'000;
constexpr std::int64_t least_time_to_checkpoint_ms = 1'000;

unsigned worker_count(const gateway_options& options) {
  if (options.worker_threads > 0) return options.worker_threads;
  return std::max(1u, std::thread::hardware_concurrency());
}

unsigned shards_of(const gateway_options& options) {
  const auto count = options.shards > 0 ? options.shards : 2 * worker_count(options);
  return std::min(count, limits::partitions);
}

std::vector<std::shared_ptr<watch_observer>> with(
    std::shared_ptr<watch_observer> first,
    const std::vector<std::shared_ptr<watch_observer>>& more) {
  std::vector<std::shared_ptr<watch_observer>> all{std::move(first)};
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

template <class T>
T require(storage::stored<T> outcome, const std::string& what) {
  if (!outcome) throw std::runtime_error(what + ": " + outcome.error().detail);
  return *std::move(outcome);
}

}  // namespace

gateway::implementation::implementation(gateway_options given)
    : options(std::move(given)),
      heat(std::make_shared<heatmap>(shards_of(options))),
      observers(with(heat, options.observers)),
      addresses(options.policy.address_failures, reinterpret_cast<std::uintptr_t>(this)),
      config(worker_count(options)),
      system(config) {
  shard_probes = std::vector<shard_probe>(shards_of(options));

  auto first_ledger = options.make_ledger();
  require(first_ledger->migrate(), "store.ledger");
  ledger_state.up = true;
  require(repeat_erasures(*first_ledger, [] { return false; }), "store.ledger");
  auto first_hot = options.make_hot_store();
  const bool hot_is_there = admit_hot_store(*first_hot);

  checkpoints = std::make_unique<checkpointer>(checkpointer::dependencies{
      .hot = options.make_hot_store(),
      .ledger = options.make_ledger(),
      .probe = ledger_state,
      .hot_probe = hot_state,
      .heat = *heat,
      .interval_ms = options.checkpoint_interval_ms,
      .retention_ms = options.hot_retention_ms,
      .time = time,
      .done =
          [this](mono_ms started) {
            for (auto& shard : shards)
              caf::anon_send(shard, checkpoint_done{started, time.monotonic_now()});
          },
      .log = options.log,
      .repeat_erasures =
          [this](storage::ledger& in, const std::function<bool()>& is_time_up) {
            return repeat_erasures(in, is_time_up);
          }});
  if (hot_is_there) recover();

  start_writer(std::move(first_hot), std::move(first_ledger), hot_is_there);
  start_row_loader();
  start_reader();
  start_shards();
  session_deps.emplace(session_dependencies{
      .policy = options.policy,
      .addresses = addresses,
      .probe = verifications,
      .shards = shards,
      .time = time,
      .verified = [this](const session_key_id& key, const session_handle& session,
                         mono_ms admitted_at) { sessions.put(key, session, admitted_at); },
      .keys = options.session_keys});
  checkpoints->start();
  start_watcher();
}

void gateway::implementation::start_writer(std::unique_ptr<storage::hot_store> hot,
                                           std::unique_ptr<storage::ledger> ledger,
                                           bool hot_is_there) {
  writer = std::make_unique<hot_writer>(hot_writer::dependencies{
      .hot = std::move(hot),
      .ledger = std::move(ledger),
      .hot_probe = hot_state,
      .ledger_state = ledger_state,
      .time = time,
      .stored =
          [this](std::shared_ptr<credit_batch> batch) noexcept {  // else its shard waits for ever
            auto& shard = shards[batch->shard];
            caf::anon_send(shard, batch_stored{std::move(batch)});
          },
      .heatmaps_grown =
          [this](const std::vector<storage::heatmap_delta>& deltas) { heat->grown(deltas); },
      .log = options.log,
      .shards = shard_probes.size(),
      .hot_successes = [this] { return hot_state.health_successes.load(); },
      .ledger_successes = [this] { return ledger_state.health_successes.load(); },
      .required = options.require_durability,
      .retention_ms = options.hot_retention_ms,
      .start_degraded = !hot_is_there});
}

void gateway::implementation::start_row_loader() {
  rows = std::make_unique<row_loader>(row_loader::dependencies{
      .ledger = options.make_ledger(),
      .ledger_state = ledger_state,
      .time = time,
      .loaded =
          [this](std::shared_ptr<credit_batch> batch) { writer->store_loaded(std::move(batch)); },
      .failed = [this](std::shared_ptr<credit_batch> batch) { writer->fail(std::move(batch)); },
      .log = options.log,
      .ledger_successes = [this] { return ledger_state.health_successes.load(); }});
}

void gateway::implementation::start_reader() {
  reader = std::make_unique<store_reader>(store_reader::dependencies{
      .hot = options.make_hot_store(),
      .ledger = options.make_ledger(),
      .registry_cache = registry_cache,
      .ledger_state = ledger_state,
      .time = time,
      .hot_successes = [this] { return hot_state.health_successes.load(); },
      .ledger_successes = [this] { return ledger_state.health_successes.load(); },
      .is_degraded = [this] { return hot_state.degraded.load(); },
      .loaded = [this](heartbeat_job_ptr job) { loaded(std::move(job)); },
      // A made-up module costs a read of the ledger, like a made-up device.
      .module_absent =
          [this](const heartbeat_job& job) { addresses.failed(job.peer, time.monotonic_now()); },
      .found =
          [this](progress_found found) {
            auto& shard = shard_for(found.query->key.student);
            caf::anon_send(shard, std::move(found));
          },
      // Else this reference would keep the actor and the key of the last session alive for ever.
      .idle = [this] { after_reading = {}; }});
}

void gateway::implementation::start_watcher() {
  std::vector<wall_ms> earlier_erasures;
  if (options.erasures)
    for (const auto& erasure : options.erasures->all()) earlier_erasures.push_back(erasure.at_ms);
  store_watcher = std::make_unique<watcher>(watcher::dependencies{
      .hot = options.make_hot_store(),
      .ledger = options.make_ledger(),
      .registry_cache = registry_cache,
      .hot_probe = hot_state,
      .ledger_state = ledger_state,
      // All changes that are still there: of a reset, only a gateway that ended since may have
      // known, before the hot store did.
      .last_change = 0,
      .time = time,
      .student_erased =
          [this](const storage::erased_student& erased) { return forget_erased(erased); },
      .progress_reset = [this](const storage::pair_progress& reset) { return begin_reset(reset); },
      .erased = [this](std::span<const storage::erased_student> all) { return log_erasures(all); },
      .erasures = erasures,
      .earlier_erasures = std::move(earlier_erasures),
      .ledger_went_back = [this] { checkpoints->checkpoint_now({}); },
      .housekeeping =
          [this] {
            sessions.sweep(time.monotonic_now() - idle_session_ms);
            for (auto& shard : shards) caf::anon_send(shard, shard_tick{});
            if (!options.erasures) return;
            if (const auto done = options.erasures->forget_old(time.wall_now()); !done)
              options.log(log_level::error, "erasures", done.error().detail);
          },
      .log = options.log});
}

bool gateway::implementation::admit_hot_store(storage::hot_store& hot) {
  auto health = hot.health();
  if (!health) {
    if (health.error().code == storage::storage_error::mismatch ||
        health.error().code == storage::storage_error::corrupt)
      throw std::runtime_error("store.hot: " + health.error().detail);
    hot_state.failed(health.error());
    hot_state.degraded = true;
    options.log(
        log_level::warning, "hot_store",
        "not reachable at start; heartbeats are stored in the ledger: " + health.error().detail);
    return false;
  }
  hot_state.up = true;
  hot_state.answers = true;
  hot_state.durability = health->durability;
  hot_state.description.set(health->description);
  if (health->durability < options.require_durability)
    throw std::runtime_error(
        "store.hot: an acknowledgement would be less durable than store.require_durability "
        "demands: " +
        health->description);
  return true;
}

void gateway::implementation::recover() {
  if (checkpoints->checkpoint_all()) {
    if (const auto left = ledger_state.dirty_pairs.load(); left > 0)
      options.log(log_level::info, "ledger",
                  "recovered " + std::to_string(left) +
                      " pairs that an earlier process had not checkpointed");
  } else {
    options.log(log_level::warning, "ledger",
                "could not checkpoint what an earlier process left; trying again later");
  }
}

void gateway::implementation::start_shards() {
  shards.reserve(shard_probes.size());
  for (std::uint32_t i = 0; i < shard_probes.size(); ++i)
    shards.push_back(system.spawn(
        progress_shard,
        shard_dependencies{.index = i,
                           .services = *this,
                           .probe = shard_probes[i],
                           .hot = hot_state,
                           .time = time,
                           .observer = &annotator,
                           .on_fatal = [this](const std::string& why) { stop_after_fatal(why); }}));
}

void gateway::implementation::stop_after_fatal(const std::string& why) const {
  if (options.on_fatal) return options.on_fatal(why);
  options.log(log_level::error, "gateway", why + "; the process ends");
  std::abort();
}

bool gateway::implementation::stop(std::chrono::milliseconds deadline) {
  if (stopped.exchange(true)) return stopped_well;
  draining = true;
  const auto end = time.monotonic_now_us() +
                   std::max<std::int64_t>(deadline.count(), least_time_to_checkpoint_ms) * 1000;
  // The threads still run, and finish the heartbeats in flight.
  const bool all_finished = heartbeats.wait_until_idle(deadline);
  // The threads end first, but their objects stay: an actor that still gives them something gets it
  // back as failed, and reports that.
  if (rows) rows->close();  // first: it hands its batches to the writer
  if (writer) writer->close(end);
  if (reader) reader->close();
  store_watcher.reset();  // after them: they may wait for the replies that it counts
  bool all_written = false;
  if (checkpoints) {
    checkpoints->stop(true, end);
    all_written = checkpoints->last_one_complete();
  }
  after_reading = {};
  sessions.close();
  for (auto& shard : shards) caf::anon_send_exit(shard, caf::exit_reason::user_shutdown);
  system.await_all_actors_done();
  shards.clear();
  stopped_well = all_finished && all_written;
  return stopped_well;
}

}  // namespace watchkeeper::actors
