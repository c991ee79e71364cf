#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "domain/heatmap_bins.hpp"
#include "domain/ids.hpp"
#include "storage/ledger.hpp"

namespace watchkeeper::actors {

/// A settled heartbeat, as the heatmap wants it.
struct heatmap_event {
  student_id student;
  module_id module;
  media_ms duration_ms = 0;
  media_interval played;
  coverage::intervals fresh;
  std::optional<coverage> unread;  // instead of `fresh`: all that is covered now
  std::uint32_t round = 0;         // of the last checkpoint that has come to its partition
  bool doubtful = false;           // its partition was being written
  bool first = false;              // the pair's first credit of all
};

/// What is known of one module on top of the ledger. Sums are empty where there is nothing.
struct module_overlay {
  heatmap_layout layout;
  // Viewers. `before` is in the ledger once the round that runs is complete; `since` came after its
  // partition's turn; `doubtful`, a part of `since`, while it was written. `grown`: what the ledger
  // was told to have grown by since the last complete round.
  bin_sums before, since, doubtful, grown;
  std::uint64_t new_before = 0, new_since = 0;  // students

  /// A pair of which the shard did not know what was covered before. The ledger tells: what it does
  /// not hold of `told` is new.
  struct unread_pair {
    coverage told;       // empty: read already
    coverage accounted;  // in the sums already
    bool since = false;  // told since its partition's turn
    bool touched = false;
  };
  std::map<student_id, unread_pair> unread;
  // Plays: to be written, and being written.
  bin_sums plays, plays_in_flight;

  /// What was read of the ledger since the last complete round, and what it had grown by then.
  struct ledger_row {
    std::optional<storage::heatmap_record> record;
    bin_sums grown;
  };
  std::optional<ledger_row> row;
  bool looked_at = false;  // since the last complete round

  /// Brings all sums into another layout: the module's duration has changed.
  void change_layout(const heatmap_layout& to);
  void take(const heatmap_event& event, bool since_round);
  /// Adds what of an unread pair is new. `held`: its coverage in the ledger.
  void settle_unread(const student_id& student, const coverage& told, const coverage& held);
  /// The round is complete: see actors::heatmap.
  void complete_round();
  void abandon_round();
  [[nodiscard]] bool empty() const noexcept;
  /// On top of the row.
  [[nodiscard]] storage::heatmap_record shown() const;
};

}  // namespace watchkeeper::actors
