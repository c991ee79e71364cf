#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "domain/heatmap_bins.hpp"
#include "domain/ids.hpp"
#include "storage/ledger.hpp"

namespace watchkeeper::actors {

/// An acknowledged heartbeat, as the heatmap stores it.
struct heatmap_event {
  student_id student;
  module_id module;
  std::uint32_t epoch = 0;  // of the student
  media_ms duration_ms = 0;
  media_interval played;
  coverage::intervals fresh;
  std::optional<coverage> unread;  // instead of `fresh`: all that is covered now
  std::uint32_t round = 0;         // of the last checkpoint that has come to its partition
  bool doubtful = false;           // its partition was being written
  bool first = false;              // the pair's first credit of all
};

/// The credit of one module on top of the ledger. Sums are empty if there is nothing in them.
struct module_overlay {
  heatmap_layout layout;
  // Viewers. `before` is in the ledger once the current round is complete. `since` came after its
  // partition's turn; `doubtful`, a part of it, while the partition was being written. `grown` is
  // the growth of the ledger since the last complete round, as its transactions reported it.
  bin_sums before, since, doubtful, grown;
  std::uint64_t new_before = 0, new_since = 0;  // students

  /// A pair whose coverage from before a heartbeat the shard did not have. The part of `covered`
  /// that is not in the ledger is new.
  struct unread_pair {
    coverage covered;    // by the last heartbeat; empty: the ledger has been read
    coverage accounted;  // in the sums already
    bool since = false;  // the last heartbeat came after its partition's turn
    bool touched = false;
  };
  std::map<student_id, unread_pair> unread;
  // Plays: to be written, and being written.
  bin_sums plays, plays_in_flight;

  /// The ledger's row, read since the last complete round, and `grown` at that moment.
  struct ledger_row {
    std::optional<storage::heatmap_record> record;
    bin_sums grown;
  };
  std::optional<ledger_row> row;
  bool looked_at = false;  // since the last complete round

  /// The sums do not fit the ledger: a life that ended is in them, and they do not say whose credit
  /// they are, or the ledger may have grown without `grown`. 0: they fit. Counted down by the
  /// complete rounds.
  int rounds_in_doubt = 0;
  static constexpr int rounds_in_doubt_max = 16;
  /// The cause has left the sums after this many, but what was written of `doubtful` may have been
  /// misjudged by it, and is until a round has nothing doubtful.
  static constexpr int rounds_in_doubt_min = 2;

  /// Converts all sums to another layout: the module's duration has changed.
  void change_layout(const heatmap_layout& to);
  void take(const heatmap_event& event, bool since_round);
  /// Adds the new part of an unread pair. `recorded`: its coverage in the ledger.
  void add_unread(const student_id& student, const coverage& covered, const coverage& recorded);
  void doubt() noexcept { rounds_in_doubt = rounds_in_doubt_max; }
  /// A life of the student in this module has ended.
  void end_life(const student_id& student);
  /// The round is complete: see actors::heatmap.
  void complete_round();
  void abandon_round();
  [[nodiscard]] bool empty() const noexcept;
  /// The row with the overlay on top.
  [[nodiscard]] storage::heatmap_record shown() const;
};

}  // namespace watchkeeper::actors
