#include "actors/stores/repeated_erasures.hpp"

#include <algorithm>
#include <map>
#include <vector>

#include "crypto/digest.hpp"
#include "storage/limits.hpp"

namespace watchkeeper::actors {

storage::stored<std::size_t> repeat_erasures(
    storage::ledger& in, std::span<const storage::logged_erasure> logged, wall_ms now_ms,
    const std::function<void(const storage::erased_student&)>& erased,
    const std::function<bool()>& is_time_up) {
  const auto recorded = in.erased_students();
  if (!recorded) return recorded.error();
  std::map<student_id, std::uint32_t> recorded_epochs;
  for (const auto& [student, next_epoch] : *recorded) recorded_epochs[student] = next_epoch;
  const auto is_in_place = [&](const storage::logged_erasure& erasure, std::uint32_t epoch) {
    if (epoch > 0) return epoch >= erasure.next_epoch;
    const auto known = recorded_epochs.find(erasure.student);
    return now_ms - erasure.at_ms >= storage::registry_change_retention_ms ||
           (known != recorded_epochs.end() && known->second >= erasure.next_epoch);
  };
  std::uint32_t highest_epoch = 0;
  std::size_t repeated = 0;
  std::optional<storage::storage_failure> first_failure;  // one student must not keep the others
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
      if (is_in_place(logged[first + i], (*found)[i].student.epoch)) continue;
      if (is_time_up())
        return storage::storage_failure{storage::storage_error::unavailable,
                                        "the gateway stops, and has not repeated all erasures"};
      // Nothing happens if the student has been enrolled anew just now.
      const auto done = in.repeat_erasure(student, crypto::random_uuid(), at_ms, next_epoch);
      if (!done) {
        if (!storage::is_of_single_pairs(done.error())) return done.error();
        if (!first_failure) first_failure = done.error();
        continue;
      }
      if (!*done) continue;
      ++repeated;
      erased({student, next_epoch});
    }
  }
  if (const auto raised = in.go_on_above(0, highest_epoch); !raised) return raised.error();
  if (first_failure) return *first_failure;
  return repeated;
}

}  // namespace watchkeeper::actors
