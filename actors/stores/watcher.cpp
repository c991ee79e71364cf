#include "actors/stores/watcher.hpp"

#include <pthread.h>

#include <utility>

#include "actors/stores/ledger_recovery.hpp"

namespace watchkeeper::actors {

namespace {

/// The epoch of an erased student, which is told once more to a hot store that came back older than
/// an erasure of the last hour.
constexpr std::int64_t hot_store_keeps_ms =
    storage_limits::student_ttl_ms + storage::registry_change_retention_ms;
/// What other gateways have to hear of. Its clock counts seconds.
constexpr std::int64_t ledger_keeps_ms = storage::registry_change_retention_ms + 60'000;

}  // namespace

watcher::watcher(dependencies deps)
    : deps_(std::move(deps)),
      follower_({.ledger = *deps_.ledger,
                 .registry_cache = deps_.registry_cache,
                 .last_change = deps_.last_change,
                 .time = deps_.time,
                 .student_erased = deps_.student_erased,
                 .progress_reset = deps_.progress_reset,
                 .erased = deps_.erased,
                 .memory = &deps_.ledger_state.memory}),
      hot_traces_({.probe = deps_.hot_probe.traces,
                   .time = deps_.time,
                   .log = deps_.log,
                   .component = "hot_store",
                   .kept_ms = hot_store_keeps_ms,
                   .pause_ms = deps_.hot->trace_removal_pause_ms()}),
      ledger_traces_({.probe = deps_.ledger_state.traces,
                      .time = deps_.time,
                      .log = deps_.log,
                      .component = "ledger",
                      .kept_ms = ledger_keeps_ms}),
      end_(1) {
  for (const auto at_ms : deps_.earlier_erasures) {
    hot_traces_.erased_before(at_ms);
    ledger_traces_.erased_before(at_ms);
  }
  thread_ = std::thread([this] {
    ::pthread_setname_np(::pthread_self(), "wk-watcher");
    run();
  });
}

watcher::~watcher() {
  end_.close();
  if (thread_.joinable()) thread_.join();
}

void watcher::run() {
  while (!end_.finished()) {
    (void)end_.take_all(deps_.interval);
    if (end_.finished()) return;
    try {
      // The hot store first: the writer waits for it, and the ledger may hang.
      note_erasures();
      // The files last: nobody waits for them.
      const bool has_hot_store = probe_hot_store();
      const bool has_ledger = probe_ledger();
      deps_.housekeeping();
      if (has_hot_store) hot_traces_.step([&] { return deps_.hot->remove_traces(); });
      if (has_ledger) ledger_traces_.step([&] { return deps_.ledger->remove_traces(); });
    } catch (const std::exception& e) {
      deps_.log(log_level::error, "watcher", std::string("failed and goes on: ") + e.what());
    }
  }
}

void watcher::note_erasures() {
  const auto erasures = deps_.erasures.load();
  if (std::exchange(erasures_, erasures) == erasures) return;
  hot_traces_.erased();
  ledger_traces_.erased();
}

bool watcher::probe_ledger() {
  // First: the changes of a ledger that went back are not those that follow.
  const auto identity =
      read_identity(*deps_.ledger, deps_.ledger_state, deps_.hot_probe, deps_.log);
  if (const auto losses = deps_.ledger_state.memory.losses();
      std::exchange(losses_, losses) != losses)
    deps_.ledger_went_back();
  const auto followed = identity ? follower_.follow() : storage::stored<ok_t>(identity.error());
  // A ledger that is away is not waited for twice.
  const bool is_away = !followed && followed.error().code == storage::storage_error::unavailable;
  const auto health =
      is_away ? storage::stored<std::string>(followed.error()) : deps_.ledger->health();
  if (!followed) deps_.ledger_state.failed(followed.error());
  if (health) {
    bump(deps_.ledger_state.health_successes);
    deps_.ledger_state.description.set(*health);
  } else if (!is_away) {
    deps_.ledger_state.failed(health.error());
  }
  if (deps_.ledger_state.up.exchange(health.has_value()) != health.has_value())
    deps_.log(health ? log_level::info : log_level::error, "ledger",
              health ? "back" : "away: " + health.error().detail);
  return health.has_value();
}

bool watcher::probe_hot_store() {
  auto hot = deps_.hot->health();
  if (!hot) {
    deps_.hot_probe.failed(hot.error());
    deps_.hot_probe.up = deps_.hot_probe.answers = false;
    return false;
  }
  deps_.hot_probe.description.set(hot->description);
  deps_.hot_probe.durability = hot->durability;
  deps_.hot_probe.answers = true;
  // Last, and seen last by other threads: the writer then believes the durability.
  deps_.hot_probe.health_successes.fetch_add(1, std::memory_order_release);
  // While degraded the writer decides when the hot store is used again, as it does when the
  // durability has fallen.
  if (!deps_.hot_probe.degraded) deps_.hot_probe.up = true;
  return true;
}

}  // namespace watchkeeper::actors
