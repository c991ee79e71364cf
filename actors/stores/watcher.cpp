#include "actors/stores/watcher.hpp"

#include <pthread.h>

namespace watchkeeper::actors {

watcher::watcher(surroundings around)
    : around_(std::move(around)),
      follower_({.behind = *around_.behind,
                 .known = around_.known,
                 .last_change = around_.last_change,
                 .now = around_.now,
                 .student_erased = around_.student_erased}),
      end_(1) {
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
    (void)end_.take_all(around_.interval);
    if (end_.finished()) return;
    try {
      // The hot store first: a ledger that hangs must not keep the writer from it.
      look_at_hot_store();
      look_at_ledger();
      around_.housekeeping();
    } catch (const std::exception& e) {
      around_.log(log_level::error, "watcher", std::string("failed and goes on: ") + e.what());
    }
  }
}

void watcher::look_at_ledger() {
  const auto followed = follower_.follow();
  // One that is away is not waited for twice.
  const bool is_away = !followed && followed.error().code == storage::storage_error::unavailable;
  const auto behind =
      is_away ? storage::stored<std::string>(followed.error()) : around_.behind->health();
  if (!followed) around_.behind_probe.failed(followed.error());
  if (behind) {
    bump(around_.behind_probe.health_answers);
    around_.behind_probe.description.set(*behind);
  } else if (!is_away) {
    around_.behind_probe.failed(behind.error());
  }
  if (around_.behind_probe.up.exchange(behind.has_value()) != behind.has_value())
    around_.log(behind ? log_level::info : log_level::error, "ledger",
                behind ? "back" : "away: " + behind.error().detail);
}

void watcher::look_at_hot_store() {
  auto hot = around_.hot->health();
  if (!hot) {
    around_.hot_probe.failed(hot.error());
    around_.hot_probe.up = false;
    return;
  }
  bump(around_.hot_probe.health_answers);
  around_.hot_probe.description.set(hot->description);
  around_.hot_probe.worth = hot->worth;
  // While degraded the writer decides when the hot store is used again.
  if (!around_.hot_probe.degraded) around_.hot_probe.up = true;
  const bool too_little = hot->worth < around_.required;
  if (too_little && !warned_of_worth_)
    around_.log(log_level::warning, "hot_store",
                "its acknowledgements are worth less than store.require_durability demands: " +
                    hot->description);
  warned_of_worth_ = too_little;
}

}  // namespace watchkeeper::actors
