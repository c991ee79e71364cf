#pragma once

#include <cassert>
#include <cstddef>
#include <functional>
#include <memory>
#include <utility>

#include "base/node_table.hpp"

namespace watchkeeper {

/// A map with at most `entries_max` entries: an insertion at the limit evicts the entry that was
/// used least recently. `find`, `find_if`, `put` and `try_emplace` use an entry; `peek` and the
/// iteration do not. A caller that bounds something else as well, such as bytes, calls
/// `evict_oldest` itself.
///
/// An entry stays at its address until it is erased or evicted. Look-ups, insertions and evictions
/// take constant time. Memory: that of a node_table.
/// Thread: one at a time; `peek`, `size` and `for_each` count as reading, the others do not.
template <class Key, class Value, class Hash = std::hash<Key>>
class lru_map {
 public:
  struct entry {
    const Key key;
    Value value;
  };

  /// Precondition: `entries_max` > 0.
  explicit lru_map(std::size_t entries_max) : entries_max_(entries_max) { assert(entries_max > 0); }
  lru_map(const lru_map&) = delete;
  lru_map& operator=(const lru_map&) = delete;

  [[nodiscard]] std::size_t size() const noexcept { return nodes_.size(); }
  [[nodiscard]] bool empty() const noexcept { return nodes_.empty(); }

  /// Null: there is no such entry. Makes it the one that was used last.
  [[nodiscard]] Value* find(const Key& key) noexcept {
    return find_if(key, [](const Value&) { return true; });
  }
  /// As `find`, for a value that `accepts` returns true for; another one is not used.
  template <class Accepts>
  [[nodiscard]] Value* find_if(const Key& key, Accepts accepts) noexcept {
    auto* const found = nodes_.find(key);
    if (!found || !accepts(std::as_const(found->value))) return nullptr;
    use(*found);
    return &found->value;
  }
  /// Null: there is no such entry. Leaves the order as it is.
  [[nodiscard]] const Value* peek(const Key& key) const noexcept {
    const auto* const found = nodes_.find(key);
    return found ? &found->value : nullptr;
  }
  [[nodiscard]] bool contains(const Key& key) const noexcept { return peek(key) != nullptr; }

  /// Returns the value, and whether it is new: then it is made of `args`. It is the entry that was
  /// used last now. If memory is short (std::bad_alloc), the map is as it was before.
  template <class... Args>
  std::pair<Value&, bool> try_emplace(const Key& key, Args&&... args) {
    if (auto* present = find(key)) return {*present, false};
    auto& added = nodes_.add(
        std::unique_ptr<linked_entry>(new linked_entry{{key, Value(std::forward<Args>(args)...)}}));
    link_newest(added);
    if (nodes_.size() > entries_max_) evict_oldest();
    return {added.value, true};
  }
  /// Inserts the value, or replaces the one that was there.
  void put(const Key& key, Value value) {
    if (auto* present = find(key))
      *present = std::move(value);
    else
      try_emplace(key, std::move(value));
  }

  /// False: there is no such entry.
  bool erase(const Key& key) noexcept {
    auto* const found = nodes_.find(key);
    if (!found) return false;
    unlink(*found);
    nodes_.erase(*found);
    return true;
  }
  void clear() noexcept {
    nodes_.clear();
    oldest_ = newest_ = nullptr;
  }

  /// The entry that was used least recently; null if the map is empty. Leaves the order as it is.
  [[nodiscard]] const entry* oldest() const noexcept { return oldest_; }
  /// Precondition: the map is not empty.
  void evict_oldest() noexcept {
    auto& candidate = *oldest_;
    unlink(candidate);
    nodes_.erase(candidate);
  }

  /// Calls `visit(key, value)` for each entry, the least recently used first.
  template <class Visit>
  void for_each(Visit visit) const {
    for (const auto* each = oldest_; each; each = each->newer)
      visit(each->key, std::as_const(each->value));
  }

 private:
  struct linked_entry : entry {
    linked_entry* older = nullptr;
    linked_entry* newer = nullptr;
  };

  void link_newest(linked_entry& added) noexcept {
    added.older = newest_;
    added.newer = nullptr;
    (newest_ ? newest_->newer : oldest_) = &added;
    newest_ = &added;
  }
  void unlink(linked_entry& gone) noexcept {
    (gone.older ? gone.older->newer : oldest_) = gone.newer;
    (gone.newer ? gone.newer->older : newest_) = gone.older;
  }
  void use(linked_entry& used) noexcept {
    if (&used == newest_) return;
    unlink(used);
    link_newest(used);
  }

  std::size_t entries_max_;
  node_table<linked_entry, Key, Hash> nodes_;
  linked_entry* oldest_ = nullptr;
  linked_entry* newest_ = nullptr;
};

}  // namespace watchkeeper
