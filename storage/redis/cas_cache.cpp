#include "storage/redis/cas_cache.hpp"

namespace watchkeeper::storage {

const redis_cas::values* cas_cache::find(const pair_key& pair) {
  const auto known = index_.find(pair.student);
  if (known == index_.end() || known->second->pair.module != pair.module) return nullptr;
  entries_.splice(entries_.begin(), entries_, known->second);
  return &known->second->held;
}

void cas_cache::put(const pair_key& pair, redis_cas::values held) {
  const auto known = index_.find(pair.student);
  if (known != index_.end()) {
    auto& old = *known->second;
    bytes_ -= old.bytes();
    old.pair.module = pair.module;
    old.held = std::move(held);
    bytes_ += old.bytes();
    entries_.splice(entries_.begin(), entries_, known->second);
  } else {
    entries_.push_front({pair, std::move(held)});
    index_.emplace(pair.student, entries_.begin());
    bytes_ += entries_.front().bytes();
  }
  while (entries_.size() > students_max_ || bytes_ > bytes_max_) remove(std::prev(entries_.end()));
}

void cas_cache::forget(const student_id& student) {
  if (const auto known = index_.find(student); known != index_.end()) remove(known->second);
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
