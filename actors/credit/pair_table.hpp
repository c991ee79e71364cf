#pragma once

#include <boost/unordered/unordered_flat_set.hpp>
#include <cstddef>
#include <memory>
#include <utility>

#include "domain/ids.hpp"
#include "domain/progress.hpp"

namespace watchkeeper::actors {

/// What a shard knows of a pair.
struct held_pair {
  pair_key key;
  progress state;
  unix_ms used_ms = 0;
  unix_ms dirtied_ms = 0;  // when memory learned of the last change, or handed it over anew
  bool dirty = false;
  bool is_partial = false;   // the stores had more: another gateway's, or what an answer lost
  bool handed_over = false;  // in the shard's handing epoch, as it is
};

/// The pairs of a shard. Each lies by itself and stays there while it is held. The table has 17
/// bytes for each place: that is all that is moved when it grows, and that lies idle when it has
/// just grown. A table of the pairs themselves took 300 to 600 bytes a pair, by how full it was,
/// and moved them all. Thread: the shard's.
class held_pairs {
  /// The hash is kept, so that growing and looking do not have to go to the pair for it.
  struct place {
    std::size_t hash;
    std::unique_ptr<held_pair> pair;
  };
  struct wanted {
    std::size_t hash;
    const pair_key& key;
  };
  struct hash_of {
    using is_transparent = void;
    std::size_t operator()(const place& held) const noexcept { return held.hash; }
    std::size_t operator()(const wanted& looked_for) const noexcept { return looked_for.hash; }
  };
  struct same {
    using is_transparent = void;
    bool operator()(const place& a, const place& b) const noexcept {
      return a.hash == b.hash && a.pair->key == b.pair->key;
    }
    bool operator()(const wanted& a, const place& b) const noexcept {
      return a.hash == b.hash && a.key == b.pair->key;
    }
    bool operator()(const place& a, const wanted& b) const noexcept { return (*this)(b, a); }
  };

 public:
  [[nodiscard]] std::size_t size() const noexcept { return places_.size(); }

  /// Null: it is not held.
  [[nodiscard]] held_pair* find(const pair_key& key) const noexcept {
    const auto at = places_.find(wanted{std::hash<pair_key>{}(key), key});
    return at == places_.end() ? nullptr : at->pair.get();
  }
  /// Precondition: it is not held. The new pair is blank.
  held_pair& add(const pair_key& key) {
    place made{std::hash<pair_key>{}(key), std::make_unique<held_pair>()};
    made.pair->key = key;
    return *places_.insert(std::move(made)).first->pair;
  }
  /// Precondition: it is held here. The pair is gone afterwards.
  void erase(const held_pair& pair) noexcept {
    places_.erase(places_.find(wanted{std::hash<pair_key>{}(pair.key), pair.key}));
  }
  /// Erases those for which `unwanted` says true. It may change a pair, but not its key.
  template <class Predicate>
  void erase_if(Predicate unwanted) {
    boost::unordered::erase_if(places_, [&](const place& each) { return unwanted(*each.pair); });
  }
  /// Calls `visit` with one after the other until it says false.
  template <class Visit>
  void visit_while(Visit visit) const {
    for (const auto& each : places_)
      if (!visit(*each.pair)) return;
  }

 private:
  boost::unordered_flat_set<place, hash_of, same> places_;
};

}  // namespace watchkeeper::actors
