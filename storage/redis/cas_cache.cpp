#include "storage/redis/cas_cache.hpp"

namespace watchkeeper::storage {

const redis_cas::values* cas_cache::find(const pair_key& pair) {
  const auto found = index_.find(pair.student);
  if (found == index_.end() || found->second->pair.module != pair.module) return nullptr;
  entries_.splice(entries_.begin(), entries_, found->second);
  return &found->second->values;
}

void cas_cache::put(const pair_key& pair, redis_cas::values values) {
  const auto found = index_.find(pair.student);
  if (found != index_.end()) {
    auto& old = *found->second;
    bytes_ -= old.bytes();
    old.pair.module = pair.module;
    old.values = std::move(values);
    bytes_ += old.bytes();
    entries_.splice(entries_.begin(), entries_, found->second);
  } else {
    entries_.push_front({pair, std::move(values)});
    index_.emplace(pair.student, entries_.begin());
    bytes_ += entries_.front().bytes();
  }
  while (entries_.size() > students_max_ || bytes_ > bytes_max_) remove(std::prev(entries_.end()));
}

void cas_cache::forget(const student_id& student) {
  if (const auto found = index_.find(student); found != index_.end()) remove(found->second);
}

void cas_cache::clear() {
  entries_.clear();
  index_.clear();
  bytes_ = 0;
}

void cas_cache::remove(entries::iterator it) {
  bytes_ -= it->bytes();
  index_.erase(it->pair.student);
  entries_.erase(it);
}

}  // namespace watchkeeper::storage
