#pragma once

#include <cstddef>
#include <optional>

#include "actors/live/update.hpp"
#include "base/lru_map.hpp"

namespace watchkeeper::actors {

/// A student was erased, or the progress of a pair was reset.
struct ended_life {
  student_id student;
  std::optional<module_id> module;  // none: in all modules
  life_number living;               // the lowest life that has not ended
};

/// The lives that ended lately, so that the live view leaves out what comes late of them: from the
/// queue, or from another gateway. Has digests, not ids: of an erased student nothing else is
/// stored. Thread: one at a time (the feed's lock).
class ended_lives {
 public:
  static constexpr std::size_t entries_max = 8192;  // beyond it the least used are forgotten

  void add(const ended_life& ended);
  /// Whether the update belongs to one of these lives.
  [[nodiscard]] bool contains(const module_id& module, const live_update& update);

 private:
  // By the digest of the student, or of the pair.
  lru_map<std::size_t, life_number> living_{entries_max};
};

}  // namespace watchkeeper::actors
