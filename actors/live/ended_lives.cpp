#include "actors/live/ended_lives.hpp"

#include <algorithm>
#include <functional>

namespace watchkeeper::actors {

void ended_lives::add(const ended_life& ended) {
  const auto digest = ended.module ? std::hash<pair_key>{}({ended.student, *ended.module})
                                   : std::hash<student_id>{}(ended.student);
  auto& living = living_.try_emplace(digest).first;
  living = std::max(living, ended.living);
}

bool ended_lives::contains(const module_id& module, const live_update& update) {
  const auto ended = [&](std::size_t digest) {
    const auto* const living = living_.find(digest);
    return living && update.now.life < *living;
  };
  return ended(std::hash<student_id>{}(update.student)) ||
         ended(std::hash<pair_key>{}({update.student, module}));
}

}  // namespace watchkeeper::actors
