#pragma once

#include <boost/unordered/unordered_flat_set.hpp>
#include <cassert>
#include <cstddef>
#include <functional>
#include <memory>
#include <utility>

namespace watchkeeper {

/// A map with at most `entries_max` entries: an insertion at the limit evicts the entry that was
/// used least recently. `find`, `put` and `try_emplace` use an entry; `peek` and the iteration do
/// not. A caller that bounds something else as well, such as bytes, calls `evict_oldest` itself.
///
/// An entry stays at its address until it is erased or evicted. Look-ups, insertions and evictions
/// take constant time. Memory: one allocation for each entry, 17 bytes for each place of the table.
/// Thread: one at a time; `peek`, `size` and `for_each` count as reading, `find` does not.
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

  [[nodiscard]] std::size_t size() const noexcept { return places_.size(); }
  [[nodiscard]] bool empty() const noexcept { return places_.empty(); }

  /// Null: there is no such entry. Makes it the one that was used last.
  [[nodiscard]] Value* find(const Key& key) noexcept {
    const auto at = places_.find(lookup{Hash{}(key), key});
    if (at == places_.end()) return nullptr;
    use(*at->node);
    return &at->node->value;
  }
  /// Null: there is no such entry. Leaves the order as it is.
  [[nodiscard]] const Value* peek(const Key& key) const noexcept {
    const auto at = places_.find(lookup{Hash{}(key), key});
    return at == places_.end() ? nullptr : &at->node->value;
  }
  [[nodiscard]] bool contains(const Key& key) const noexcept { return peek(key) != nullptr; }

  /// Returns the value, and whether it is new: then it is made of `args`. It is the entry that was
  /// used last now. If memory is short (std::bad_alloc), the map is as it was before.
  template <class... Args>
  std::pair<Value&, bool> try_emplace(const Key& key, Args&&... args) {
    if (auto* present = find(key)) return {*present, false};
    place made{Hash{}(key), std::unique_ptr<linked_entry>(
                                new linked_entry{{key, Value(std::forward<Args>(args)...)}})};
    auto& added = *places_.insert(std::move(made)).first->node;
    link_newest(added);
    if (places_.size() > entries_max_) evict_oldest();
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
    const auto at = places_.find(lookup{Hash{}(key), key});
    if (at == places_.end()) return false;
    unlink(*at->node);
    places_.erase(at);
    return true;
  }
  void clear() noexcept {
    places_.clear();
    oldest_ = newest_ = nullptr;
  }

  /// The entry that was used least recently; null if the map is empty. Leaves the order as it is.
  [[nodiscard]] const entry* oldest() const noexcept { return oldest_; }
  /// Precondition: the map is not empty.
  void evict_oldest() noexcept {
    auto& candidate = *oldest_;
    unlink(candidate);
    places_.erase(places_.find(lookup{Hash{}(candidate.key), candidate.key}));
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
  /// With the hash, so that neither growth nor a look-up has to read the entries for it.
  struct place {
    std::size_t hash;
    std::unique_ptr<linked_entry> node;
  };
  struct lookup {
    std::size_t hash;
    const Key& key;
  };
  struct hash_of {
    using is_transparent = void;
    std::size_t operator()(const place& each) const noexcept { return each.hash; }
    std::size_t operator()(const lookup& each) const noexcept { return each.hash; }
  };
  struct same {
    using is_transparent = void;
    bool operator()(const place& a, const place& b) const noexcept {
      return a.hash == b.hash && a.node->key == b.node->key;
    }
    bool operator()(const lookup& a, const place& b) const noexcept {
      return a.hash == b.hash && a.key == b.node->key;
    }
    bool operator()(const place& a, const lookup& b) const noexcept { return (*this)(b, a); }
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
  boost::unordered_flat_set<place, hash_of, same> places_;
  linked_entry* oldest_ = nullptr;
  linked_entry* newest_ = nullptr;
};

}  // namespace watchkeeper
