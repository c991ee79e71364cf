#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

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

/// The rules of a module by one of its revisions.
struct module_revision {
  std::int32_t revision = 0;
  module_rules rules;
};

/// A module as the ledger has it.
struct recorded_module {
  module_revision newest;
  bool is_removed = false;
};

/// What a ledger decides of a pair after uniting.
struct mastery_decision {
  bool newly = false;  // state.mastered_ms is to be set to `now_ms`
  // Of a pair that is, or is to be, mastered; sequence 0. If its `revision` is 0, the newest one
  // does not master the pair, and name_revision() has to choose from the earlier ones.
  std::optional<completion> event;
};
mastery_decision decide_mastery(const pair_key& key, const progress& state,
                                const std::optional<recorded_module>& module, wall_ms now_ms);

/// Gives an event the newest of the revisions by which the pair is mastered, or the newest of all.
/// Without any, nobody knows the rules, and there is no event until the module is put again.
void name_revision(std::optional<completion>& event, const coverage& covered,
                   std::span<const module_revision> newest_first);

/// What putting a module changes of its rules.
struct module_change {
  std::int32_t revision = 1;
  bool is_new = true;  // there was none, or it had been removed
  bool begins_revision = true;
  bool judges_pairs = true;  // other pairs may be mastered by it
};
module_change change_of(const std::optional<recorded_module>& before, const module_rules& rules);

/// The pairs that one step of a judging masters, or whose completion is missing.
struct judged_pairs {
  std::vector<pair_progress> mastered;
  std::vector<completion> events;
};
/// `is_completed`: the pair has its completion. Precondition: the module is not removed.
void judge(judged_pairs& into, const pair_progress& pair, bool is_completed,
           const recorded_module& module, std::span<const module_revision> newest_first,
           wall_ms now_ms);

/// The state of a pair in its next attempt. `recorded` and `known`: what is known of it, of which
/// at least one is there.
progress next_attempt(const std::optional<progress>& recorded, const std::optional<progress>& known,
                      wall_ms now_ms);

/// The life of a student, by a pair that shows that its epoch has begun. When it began is not known
/// of a pair that was reset since.
inline student_life life_of_epoch(const progress& state) noexcept {
  return {state.life.epoch, state.life.attempt == 1 ? state.begins_ms : never};
}

}  // namespace watchkeeper::storage
