#pragma once

#include <cstddef>
#include <memory>
#include <utility>

#include "base/clock.hpp"
#include "base/node_table.hpp"
#include "domain/ids.hpp"
#include "domain/progress.hpp"

namespace watchkeeper::actors {

/// A pair in the memory of its shard.
struct pair_entry {
  pair_key key;
  progress state;
  mono_ms used_at;
  mono_ms dirtied_at;  // when memory learned of the last change, or handed it over again
  bool dirty = false;
  bool is_partial = false;   // the stores had more: from another gateway, or from a lost reply
  bool handed_over = false;  // in the shard's handing epoch, as it is
};

/// The pairs of a shard. A table of the pairs themselves took 300 to 600 bytes per pair, depending
/// on how full it was, and moved all of them when it grew.
///
/// It is no lru_map: the shard evicts clean pairs before dirty ones, whatever their age.
/// Thread: the shard's.
class pair_table : public node_table<pair_entry, pair_key> {
 public:
  /// Precondition: the pair is not in the table. The new entry is blank.
  pair_entry& add(const pair_key& key) {
    auto made = std::make_unique<pair_entry>();
    made->key = key;
    return node_table::add(std::move(made));
  }
};

}  // namespace watchkeeper::actors
