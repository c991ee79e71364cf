#pragma once

#include <boost/unordered/unordered_flat_set.hpp>
#include <cstddef>
#include <memory>
#include <utility>

#include "domain/ids.hpp"
#include "domain/progress.hpp"

namespace watchkeeper::actors {

/// A pair in the memory of its shard.
struct pair_entry {
  pair_key key;
  progress state;
  unix_ms used_ms = 0;
  unix_ms dirtied_ms = 0;  // when memory learned of the last change, or handed it over again
  bool dirty = false;
  bool is_partial = false;   // the stores had more: from another gateway, or from a lost reply
  bool handed_over = false;  // in the shard's handing epoch, as it is
};

/// The pairs of a shard. Each pair has its own allocation, and stays at its address until it is
/// erased. The table needs 17 bytes for each place; growth moves only these, and only these lie
/// idle after it. A table of the pairs themselves took 300 to 600 bytes a pair, depending on how
/// full it was, and moved all of them.
///
/// It is no lru_map: the shard evicts clean pairs before dirty ones, whatever their age.
/// Thread: the shard's.
class pair_table {
  /// With the hash, so that neither growth nor a look-up has to read the pair for it.
  struct place {
    std::size_t hash;
    std::unique_ptr<pair_entry> pair;
  };
  struct lookup {
    std::size_t hash;
    const pair_key& key;
  };
  struct hash_of {
    using is_transparent = void;
    std::size_t operator()(const place& each) const noexcept { return each.hash; }
    std::size_t operator()(const lookup& each) const noexcept { return each.hash; }
  };
  struct same {
    using is_transparent = void;
    bool operator()(const place& a, const place& b) const noexcept {
      return a.hash == b.hash && a.pair->key == b.pair->key;
    }
    bool operator()(const lookup& a, const place& b) const noexcept {
      return a.hash == b.hash && a.key == b.pair->key;
    }
    bool operator()(const place& a, const lookup& b) const noexcept { return (*this)(b, a); }
  };

 public:
  [[nodiscard]] std::size_t size() const noexcept { return places_.size(); }

  /// Null: it is not in memory.
  [[nodiscard]] pair_entry* find(const pair_key& key) const noexcept {
    const auto at = places_.find(lookup{std::hash<pair_key>{}(key), key});
    return at == places_.end() ? nullptr : at->pair.get();
  }
  /// Precondition: the pair is not in the table. The new entry is blank.
  pair_entry& add(const pair_key& key) {
    place made{std::hash<pair_key>{}(key), std::make_unique<pair_entry>()};
    made.pair->key = key;
    return *places_.insert(std::move(made)).first->pair;
  }
  /// Precondition: the entry is in this table. It is gone afterwards.
  void erase(const pair_entry& pair) noexcept {
    places_.erase(places_.find(lookup{std::hash<pair_key>{}(pair.key), pair.key}));
  }
  /// Erases the entries for which `matches` returns true. It may change an entry, but not its key.
  template <class Predicate>
  void erase_if(Predicate matches) {
    boost::unordered::erase_if(places_, [&](const place& each) { return matches(*each.pair); });
  }
  /// Calls `visit` with one entry after the other until it returns false.
  template <class Visit>
  void visit_while(Visit visit) const {
    for (const auto& each : places_)
      if (!visit(*each.pair)) return;
  }

 private:
  boost::unordered_flat_set<place, hash_of, same> places_;
};

}  // namespace watchkeeper::actors
