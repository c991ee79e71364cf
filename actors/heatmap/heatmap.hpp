#pragma once

#include <array>
#include <atomic>
#include <boost/unordered/unordered_flat_map.hpp>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "actors/heatmap/ledger_turn.hpp"
#include "actors/heatmap/overlay.hpp"
#include "actors/shared/actor_limits.hpp"
#include "actors/shared/watch_observer.hpp"
#include "base/thread_safety.hpp"
#include "storage/hot_store.hpp"
#include "storage/ledger.hpp"

namespace watchkeeper::actors {

/// A module's heatmap as of now.
struct heatmap_view {
  heatmap_bins bins;  // play_ms is nowhere below viewer_ms
  std::uint64_t students = 0;
};

/// The heatmaps of now: the ledger's, and on top of them the credit since the last checkpoint. Also
/// gathers the plays, which the checkpointer writes to the ledger.
///
/// A heartbeat goes into the lane of its student's shard (one short lock, which only this shard and
/// readers take), and from there into the overlay, 128 at a time or when somebody reads.
///
/// A heartbeat from before its partition's turn in a checkpoint is in the ledger when the round is
/// complete, and one from after it is not. One that came while the partition was being written may
/// be either. A checkpoint reports by how much the heatmaps grew, and this sum decides: if only one
/// gateway uses the stores, the result is exact at every moment.
///
/// Several gateways announce to each other who had a heartbeat (live_feed). While there is another
/// gateway, sums are not trusted. The result is the ledger's heatmap, plus the coverage in the hot
/// store beyond that in the ledger, for each pair that any gateway has credited since this one's
/// last complete checkpoint began. A late or lost message makes the result late, never wrong, and
/// nothing counts twice. The others' plays appear when they have written them.
///
/// The sums do not say whose credit they are, so an ended life cannot be taken out of them. After
/// an erasure or a reset the modules concerned are answered in the same way, pair by pair, until
/// complete rounds have replaced their sums; so are all modules after a write that failed, but may
/// have been committed.
///
/// A checkpoint that waits for a locked row holds up no reader for longer than turn_wait_max. Who
/// has the module's row in memory reads nothing; who does not is answered pair by pair.
class heatmap final : public watch_observer {
 public:
  /// Pairs of all modules that are to be looked up. Further ones appear with the next checkpoint.
  static constexpr std::size_t touched_pairs_max = 200'000;
  /// Pairs of one module that are looked up for one reader.
  static constexpr std::size_t looked_up_max = 20'000;
  /// For how long a reader waits for a write to the ledger.
  static constexpr std::chrono::milliseconds turn_wait_max{100};

  /// `lanes`: the number of shards.
  explicit heatmap(std::size_t lanes);
  ~heatmap() override;
  heatmap(const heatmap&) = delete;
  heatmap& operator=(const heatmap&) = delete;

  void acknowledged(const acknowledged_heartbeat& heartbeat) noexcept override;
  void rejected(const rejected_heartbeat&) noexcept override {}

  // Called by the checkpointer, on its thread. A round goes over all partitions.
  void round_begins();
  void partition_begins(partition_index partition);
  void partition_ends(partition_index partition);
  /// Complete: all heartbeats from before the round are in the ledger. Then it reads the modules
  /// that somebody looks at again, from `ledger`. Incomplete: the next round has everything.
  void round_ends(bool complete, storage::ledger& ledger);
  /// Writes all plays. After a failure the next call writes those that are left.
  [[nodiscard]] storage::stored<ok_t> flush_plays(storage::ledger& ledger);
  /// To be held around a write to the ledger and its call of `grown`, so that nobody takes a row of
  /// the ledger for the present one in between.
  [[nodiscard]] ledger_turns::turn ledger_turn() { return ledger_turns_.take(); }
  /// A transaction added this to the ledger's heatmaps. Any thread.
  void grown(const std::vector<storage::heatmap_delta>& deltas) noexcept;
  /// A transaction failed, but may have been committed. Any thread.
  void write_failed();

  /// Another gateway acknowledged heartbeats of these students. No students: another gateway is
  /// there. Any thread.
  void seen_elsewhere(const module_id& module, std::span<const student_id> students) noexcept;

  /// The student's epochs below `next_epoch` have ended, and the shard notifies of no more credit
  /// of theirs. Any thread.
  void end_epochs(const storage::erased_student& erased);
  /// A new attempt has begun. Any thread.
  void end_attempt(const pair_key& pair);

  /// Reads what is missing from `ledger` and `hot`, which are the caller's. Any thread but an
  /// actor's. `duration_ms` is the catalogue's, for a module that nobody has watched yet. Pair by
  /// pair, plays that are being written may be in the result twice.
  storage::stored<heatmap_view> read(const module_id& module, media_ms duration_ms,
                                     storage::ledger& ledger, storage::hot_store& hot);
  /// To be called after other changes of the ledger (an erasure, a recount): forgets its rows.
  void forget_rows();

  /// Heartbeats that are in no overlay, and whose plays are lost, because of more modules at once
  /// than actor_limits::heatmap_modules_max.
  [[nodiscard]] std::uint64_t left_out() const noexcept { return left_out_; }

 private:
  /// One shard's.
  struct lane {
    annotated_mutex mutex;
    std::vector<heatmap_event> events GUARDED_BY(mutex);
    // Of the partitions of this lane.
    std::array<std::uint32_t, limits::partitions> round GUARDED_BY(mutex){};
    std::array<bool, limits::partitions> open GUARDED_BY(mutex){};
  };
  struct play_batch {
    std::int64_t sequence = 0;
    std::vector<storage::heatmap_delta> plays;
  };

  lane& lane_of(partition_index partition) { return lanes_[partition % lanes_.size()]; }
  void drain();
  void drain(lane& from);
  void apply(const std::vector<heatmap_event>& events) REQUIRES(mutex_);
  module_overlay* overlay_of(const module_id& module, const heatmap_layout& layout)
      REQUIRES(mutex_);
  void gather_plays();
  void finish_touched(bool complete) REQUIRES(mutex_);
  /// A pair that may not be in the ledger.
  struct touched_pair {
    bool since = false;       // touched since the round began
    std::uint32_t epoch = 0;  // of the student; 0: another gateway's, which does not say
  };
  using touched_pairs = boost::unordered_flat_map<student_id, touched_pair, std::hash<student_id>>;
  void touch(const module_id& module, const student_id& student, touched_pair how) REQUIRES(mutex_);
  void end_life(const pair_key& pair) REQUIRES(mutex_);
  std::vector<pair_key> touched_in(const module_id& module);
  storage::stored<storage::heatmap_record> read_pairs(const module_id& module, media_ms duration_ms,
                                                      storage::ledger& ledger,
                                                      storage::hot_store& hot);
  storage::stored<storage::heatmap_record> read_row(const module_id& module,
                                                    storage::ledger& ledger);
  storage::stored<storage::heatmap_record> read_sums(const module_id& module,
                                                     storage::ledger& ledger);
  storage::stored<storage::heatmap_record> read_stores(const module_id& module,
                                                       media_ms duration_ms,
                                                       storage::ledger& ledger,
                                                       storage::hot_store& hot);
  /// The sums, if they need nothing of the ledger.
  std::optional<storage::heatmap_record> sums_in_memory(const module_id& module);
  bool is_read_pair_by_pair(const module_id& module);
  [[nodiscard]] storage::stored<ok_t> load_row(const module_id& module, storage::ledger& ledger);
  [[nodiscard]] storage::stored<ok_t> read_unread(const module_id& module, storage::ledger& ledger);

  std::vector<lane> lanes_;
  ledger_turns ledger_turns_;
  annotated_mutex mutex_;  // taken after a lane's
  /// Bounded by refusal, not by eviction: an overlay has the only copy of its plays.
  std::map<module_id, module_overlay> modules_ GUARDED_BY(mutex_);
  std::uint32_t round_ GUARDED_BY(mutex_) = 0;
  std::size_t unread_ GUARDED_BY(mutex_) = 0;
  std::map<module_id, touched_pairs> touched_ GUARDED_BY(mutex_);
  std::size_t touched_pairs_ GUARDED_BY(mutex_) = 0;
  bool in_round_ GUARDED_BY(mutex_) = false;
  // Complete rounds for which another gateway counts as there.
  int others_for_rounds_ GUARDED_BY(mutex_) = 0;
  // Plays on their way; used by the checkpointer only.
  std::vector<play_batch> in_flight_;
  std::int64_t sequence_ = 0;
  const std::string writer_;
  std::atomic<std::uint64_t> left_out_{0};
};

}  // namespace watchkeeper::actors
