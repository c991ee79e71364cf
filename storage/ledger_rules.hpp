#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string_view>
#include <utility>

#include "domain/progress.hpp"
#include "storage/ledger.hpp"
#include "storage/limits.hpp"

/// What both ledgers do alike.
namespace watchkeeper::storage {

/// Registry changes and the ids of erased students are forgotten by writes; and, where nobody
/// writes, by every so many polls of changes() that found nothing.
inline constexpr unsigned forget_after_idle_polls = 256;

inline std::size_t page_items(std::size_t limit) noexcept {
  return std::clamp<std::size_t>(limit, 1, storage_limits::list_items_max);
}

/// A cursor is the id of the last item of the page before. False: it is none.
template <class Id>
bool is_cursor(std::string_view cursor) noexcept {
  return cursor.empty() || Id::parse(cursor).has_value();
}

/// `items` was asked for with one more than the page holds: cuts it off and sets the cursor.
template <class T, class IdOf>
page<T> make_page(std::vector<T>&& items, std::size_t limit, IdOf&& id_of) {
  page<T> made{std::move(items), std::nullopt};
  if (made.items.size() > limit) {
    made.items.resize(limit);
    made.next = std::string(id_of(made.items.back()).view());
  }
  return made;
}

/// What a ledger decides of a pair after uniting. `rules`: the catalogue's, if it has the module.
struct mastery_decision {
  bool newly = false;  // state.mastered_ms is to be set to `now_ms`
  completion event;    // valid where `state` is, or is to be, mastered; sequence 0
};
/// The state of a pair in its next attempt. `recorded` and `known`: what is known of it, of which
/// at least one is there.
progress next_attempt(const std::optional<progress>& recorded, const std::optional<progress>& known,
                      wall_ms now_ms);

/// The life of a student, by a pair that shows that its epoch has begun. When it began is not known
/// of a pair that was reset since.
inline student_life life_of_epoch(const progress& state) noexcept {
  return {state.life.epoch, state.life.attempt == 1 ? state.begins_ms : never};
}

mastery_decision decide_mastery(const pair_key& key, const progress& state,
                                const std::optional<module_rules>& rules, wall_ms now_ms);

}  // namespace watchkeeper::storage
