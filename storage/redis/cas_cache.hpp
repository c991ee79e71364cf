#pragma once

#include <cstddef>
#include <limits>
#include <string>

#include "base/lru_map.hpp"
#include "domain/ids.hpp"

namespace watchkeeper::storage {

/// The values of a pair and of its student.
struct cached_values {
  std::string pair;
  std::string student;
};

/// The values that Redis had last, as far as this process knows, of the students who were active
/// last: one pair for each student, the one used last. The values are a guess: Redis compares
/// before it writes, so a wrong or missing value costs time and nothing else. At the limit of
/// students or of bytes (of values) the least recently used student is evicted. Thread: one at a
/// time.
class cas_cache {
 public:
  cas_cache(std::size_t students_max, std::size_t bytes_max)
      : students_max_(students_max), bytes_max_(bytes_max) {}

  /// Null if the student's entry is of another pair, or there is none. Valid until the next call.
  const cached_values* find(const pair_key& pair);
  void put(const pair_key& pair, cached_values values);
  void forget(const student_id& student);
  void clear();

  [[nodiscard]] std::size_t students() const noexcept { return entries_.size(); }
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }

 private:
  struct entry {
    module_id module;
    cached_values values;
    [[nodiscard]] std::size_t bytes() const noexcept {
      return values.pair.size() + values.student.size();
    }
  };

  std::size_t students_max_;
  std::size_t bytes_max_;
  /// `put` holds both limits itself, because it has to count the bytes of what it evicts.
  lru_map<student_id, entry> entries_{std::numeric_limits<std::size_t>::max()};
  std::size_t bytes_ = 0;
};

}  // namespace watchkeeper::storage
