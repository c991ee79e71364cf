#include "storage/redis/cas_cache.hpp"

namespace watchkeeper::storage {

const cached_values* cas_cache::find(const pair_key& pair) {
  auto* const found =
      entries_.find_if(pair.student, [&](const entry& each) { return each.module == pair.module; });
  return found ? &found->values : nullptr;
}

void cas_cache::put(const pair_key& pair, cached_values values) {
  auto& of_student = entries_.try_emplace(pair.student).first;
  bytes_ -= of_student.bytes();
  of_student = {pair.module, std::move(values)};
  bytes_ += of_student.bytes();
  while (entries_.size() > students_max_ || bytes_ > bytes_max_) {
    bytes_ -= entries_.oldest()->value.bytes();
    entries_.evict_oldest();
  }
}

void cas_cache::forget(const student_id& student) {
  const auto* const found = entries_.peek(student);
  if (!found) return;
  bytes_ -= found->bytes();
  entries_.erase(student);
}

void cas_cache::clear() {
  entries_.clear();
  bytes_ = 0;
}

}  // namespace watchkeeper::storage
