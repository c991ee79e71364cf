#include "storage/lost_enrolment.hpp"

#include <algorithm>
#include <vector>

#include "storage/single_pairs.hpp"

namespace watchkeeper::storage {
namespace {

stored<std::vector<pair_progress>> read_pairs_of(hot_store& hot, const student_id& student) {
  const auto modules = hot.modules_of(student);
  if (!modules) return modules.error();
  std::vector<pair_key> keys;
  keys.reserve(modules->size());
  for (const auto& module : *modules) keys.push_back({student, module});
  std::vector<pair_progress> pairs;
  const auto read = [&](std::span<const pair_key> part) -> stored<ok_t> {
    const auto states = hot.read(part);
    if (!states) return states.error();
    for (std::size_t i = 0; i < part.size(); ++i)
      if ((*states)[i]) pairs.push_back({part[i], *(*states)[i]});
    return ok;
  };
  const auto unreadable = [](const pair_key&, const storage_failure&) {};
  if (const auto done = run_in_parts(std::span<const pair_key>(keys), read, unreadable); !done)
    return done.error();
  return pairs;
}

}  // namespace

stored<hot_student> living_epoch(hot_store& hot, const student_id& student,
                                 std::uint32_t erased_below, wall_ms now_ms) {
  auto known = hot.find_student(student, now_ms);
  if (!known) return known;
  if (!known->is_living) {
    const auto pairs = read_pairs_of(hot, student);
    if (!pairs) return pairs.error();
    for (const auto& pair : *pairs)
      if (pair.state.updated_ms != never && pair.state.life.epoch >= known->epoch)
        known = hot_student{.epoch = pair.state.life.epoch, .is_living = true};
  }
  if (known->epoch < erased_below) return hot_student{.epoch = erased_below, .is_living = false};
  return known;
}

stored<ok_t> mark_pairs_dirty(hot_store& hot, const student_id& student) {
  const auto pairs = read_pairs_of(hot, student);
  if (!pairs) return pairs.error();
  if (pairs->empty()) return ok;
  return hot.merge(*pairs, merge_origin::memory);
}

}  // namespace watchkeeper::storage
