#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstddef>
#include <list>

#include "domain/ids.hpp"
#include "storage/redis/cas.hpp"

namespace watchkeeper::storage {

/// The values that Redis held last, as far as this process knows, of the students who were active
/// last: one pair each, the one used last. A guess and no more: Redis compares before it writes, so
/// what is wrong or missing here costs time and nothing else.
/// At the limits of students and of bytes (of values) the student used longest ago goes.
/// Thread: one at a time.
class cas_cache {
 public:
  cas_cache(std::size_t students_max, std::size_t bytes_max)
      : students_max_(students_max), bytes_max_(bytes_max) {}

  /// Null where another pair of the student, or none, is held. Good until the next call.
  const redis_cas::values* find(const pair_key& pair);
  void put(const pair_key& pair, redis_cas::values values);
  void forget(const student_id& student);
  void clear();

  [[nodiscard]] std::size_t students() const noexcept { return index_.size(); }
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }

 private:
  struct entry {
    pair_key pair;
    redis_cas::values values;
    [[nodiscard]] std::size_t bytes() const noexcept {
      return values.pair.size() + values.bucket.size();
    }
  };
  using entries = std::list<entry>;

  void remove(entries::iterator it);

  std::size_t students_max_;
  std::size_t bytes_max_;
  entries entries_;  // the one used last comes first
  boost::unordered_flat_map<student_id, entries::iterator, std::hash<student_id>> index_;
  std::size_t bytes_ = 0;
};

}  // namespace watchkeeper::storage
