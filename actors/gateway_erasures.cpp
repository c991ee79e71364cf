// The log of erasures, and the ledger that came back older than one of them.
#include <algorithm>

#include "actors/gateway_implementation.hpp"
#include "crypto/digest.hpp"

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

storage::stored<ok_t> gateway::implementation::repeat_erasures(storage::ledger& in) {
  if (!options.erasures) return ok;
  const auto logged = options.erasures->all();
  std::uint32_t highest_epoch = 0;
  std::size_t repeated = 0;
  // The life of a student comes with any pair.
  const auto any_module = *module_id::parse("-");
  std::vector<pair_key> keys;
  for (std::size_t first = 0; first < logged.size(); first += keys.size()) {
    keys.clear();
    const auto count = std::min(logged.size() - first, storage_limits::checkpoint_batch_pairs_max);
    for (std::size_t i = first; i < first + count; ++i)
      keys.push_back({logged[i].student, any_module});
    const auto found = in.look_up(keys);
    if (!found) return found.error();
    for (std::size_t i = 0; i < count; ++i) {
      const auto& [student, next_epoch, at_ms] = logged[first + i];
      highest_epoch = std::max(highest_epoch, next_epoch);
      const auto epoch = (*found)[i].student.epoch;
      if (epoch == 0 || epoch >= next_epoch) continue;
      const auto done =
          in.erase_student(student, "erasure-log", crypto::random_uuid(), at_ms, next_epoch);
      if (!done) return done.error();
      ++repeated;
      registry_cache.forget_devices_of(student);
      // At the start there is neither a shard nor a writer yet, and nothing in their memory.
      if (writer && !shards.empty()) (void)forget_erased(student);
    }
  }
  bump(erasures, repeated);
  if (repeated > 0)
    options.log(
        log_level::warning, "ledger",
        "had " + std::to_string(repeated) + " students who were erased; they are erased again");
  return in.go_on_above(0, highest_epoch);
}

}  // namespace watchkeeper::actors
