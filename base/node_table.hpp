#pragma once

#include <boost/unordered/unordered_flat_set.hpp>
#include <cstddef>
#include <functional>
#include <memory>
#include <utility>

namespace watchkeeper {

/// Nodes that are found by their member `key`. Each node has its own allocation, and stays at its
/// address until it is erased. The table needs 17 bytes for each place. Growth moves only these,
/// and neither growth nor a look-up of another key reads a node for its hash.
/// Thread: one at a time; const functions count as reading.
template <class Node, class Key, class Hash = std::hash<Key>>
class node_table {
 public:
  [[nodiscard]] std::size_t size() const noexcept { return places_.size(); }
  [[nodiscard]] bool empty() const noexcept { return places_.empty(); }

  /// Null: there is no such node.
  [[nodiscard]] Node* find(const Key& key) const noexcept {
    const auto at = places_.find(lookup{Hash{}(key), key});
    return at == places_.end() ? nullptr : at->node.get();
  }
  /// Precondition: there is no node with its key. If memory is short (std::bad_alloc), the table is
  /// as it was before.
  Node& add(std::unique_ptr<Node> node) {
    const auto hash = Hash{}(node->key);
    return *places_.insert(place{hash, std::move(node)}).first->node;
  }
  /// Precondition: the node is in this table. It is gone afterwards.
  void erase(const Node& node) noexcept {
    places_.erase(places_.find(lookup{Hash{}(node.key), node.key}));
  }
  void clear() noexcept { places_.clear(); }

  /// Erases the nodes for which `matches` returns true. It may change a node, but not its key.
  template <class Predicate>
  void erase_if(Predicate matches) {
    boost::unordered::erase_if(places_, [&](const place& each) { return matches(*each.node); });
  }
  /// Calls `visit` with one node after the other until it returns false.
  template <class Visit>
  void visit_while(Visit visit) const {
    for (const auto& each : places_)
      if (!visit(*each.node)) return;
  }

 private:
  struct place {
    std::size_t hash;
    std::unique_ptr<Node> node;
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

  boost::unordered_flat_set<place, hash_of, same> places_;
};

}  // namespace watchkeeper
