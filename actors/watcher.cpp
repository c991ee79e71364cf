#include "actors/watcher.hpp"

#include <pthread.h>

#include "domain/base64url.hpp"

namespace watchkeeper::actors {

namespace {
constexpr std::size_t changes_per_question = 500;
constexpr int questions_per_look = 20;
}  // namespace

watcher::watcher(surroundings around) : around_(std::move(around)), end_(1) {
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
      follow_registry();
      look_at_ledger();
      around_.housekeeping();
    } catch (const std::exception& e) {
      around_.log(2, "watcher", std::string("failed and goes on: ") + e.what());
    }
  }
}

void watcher::follow_registry() {
  const auto now_ms = around_.now();
  // The ledger keeps changes for a while only; after a longer silence no copy can be trusted.
  if (followed_ms_ > 0 && now_ms - followed_ms_ > registry_change_retention_ms / 2) {
    around_.known.forget_everything();
    followed_ms_ = now_ms;
  }
  for (int i = 0; i < questions_per_look; ++i) {
    auto changes = around_.behind->changes(around_.last_change, changes_per_question);
    if (!changes) {
      around_.behind_probe.failed(changes.error());
      return;
    }
    for (const auto& change : *changes) {
      obey(change);
      around_.last_change = change.sequence;
    }
    followed_ms_ = now_ms;
    if (changes->size() < changes_per_question) return;
  }
}

void watcher::obey(const registry_change& change) {
  switch (change.what) {
    case registry_change::kind::module:
      if (auto id = module_id::parse(change.key)) around_.known.forget_module(*id);
      return;
    case registry_change::kind::device:
      if (auto kid = base64url::decode_thumbprint(change.key)) around_.known.forget_device(*kid);
      return;
    case registry_change::kind::assignment: {
      const auto slash = change.key.find('/');
      if (slash == std::string::npos) return;
      const auto student = student_id::parse(std::string_view(change.key).substr(0, slash));
      const auto module = module_id::parse(std::string_view(change.key).substr(slash + 1));
      if (student && module) around_.known.forget_assignment({*student, *module});
      return;
    }
    case registry_change::kind::student_erased:
      if (auto student = student_id::parse(change.key)) {
        around_.known.forget_devices_of(*student);
        around_.student_erased(*student);
      }
      return;
  }
}

void watcher::look_at_ledger() {
  auto behind = around_.behind->health();
  if (!behind) around_.behind_probe.failed(behind.error());
  if (behind) around_.behind_probe.description.set(*behind);
  if (around_.behind_probe.up.exchange(behind.has_value()) != behind.has_value())
    around_.log(behind ? 0 : 2, "ledger", behind ? "back" : "away: " + behind.error().detail);
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
    around_.log(1, "hot_store",
                "its acknowledgements are worth less than store.require_durability demands: " +
                    hot->description);
  warned_of_worth_ = too_little;
}

}  // namespace watchkeeper::actors
