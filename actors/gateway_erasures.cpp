// The log of erasures, and the ledger that came back older than one of them.
#include "actors/gateway_implementation.hpp"
#include "actors/stores/repeated_erasures.hpp"

namespace watchkeeper::actors {

storage::stored<ok_t> gateway::implementation::log_erasures(
    std::span<const storage::erased_student> erased) {
  if (!options.erasures) return ok;
  const auto now_ms = time.wall_now();
  std::vector<storage::logged_erasure> all;
  all.reserve(erased.size());
  for (const auto& [student, next_epoch] : erased) all.push_back({student, next_epoch, now_ms});
  return options.erasures->add(all, now_ms);
}

storage::stored<ok_t> gateway::implementation::repeat_erasures(
    storage::ledger& in, const std::function<bool()>& is_time_up) {
  if (!options.erasures) return ok;
  const auto logged = options.erasures->all();
  const auto forget = [this](const storage::erased_student& erased) {
    registry_cache.forget_student(erased.student);
    // At the start there is neither a shard nor a writer yet, and nothing in their memory. The
    // registry's follower hears of the erasure as well, and tries again if the queue is full.
    if (writer && !shards.empty()) (void)forget_erased(erased);
    bump(erasures);
  };
  const auto repeated = actors::repeat_erasures(in, logged, time.wall_now(), forget, is_time_up);
  if (!repeated) return repeated.error();
  if (*repeated > 0)
    options.log(
        log_level::warning, "ledger",
        "lacked the erasures of " + std::to_string(*repeated) + " students; they are erased again");
  return ok;
}

}  // namespace watchkeeper::actors
