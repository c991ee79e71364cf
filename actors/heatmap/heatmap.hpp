#pragma once

#include <array>
#include <atomic>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "actors/heatmap/overlay.hpp"
#include "actors/shared/actor_limits.hpp"
#include "actors/shared/watch_observer.hpp"
#include "storage/hot_store.hpp"
#include "storage/ledger.hpp"

namespace watchkeeper::actors {

/// A module's heatmap as of now.
struct heatmap_view {
  heatmap_bins bins;  // play_ms is nowhere below viewer_ms
  std::uint64_t students = 0;
};

/// The heatmaps while they change: what the ledger has, and on top of it what was credited since
/// the last checkpoint. Also gathers the plays, which the checkpointer brings to the ledger.
///
/// A heartbeat is put into the lane of its student's shard (one short lock that only this shard and
/// a reader take), and from there into the overlay, 128 at a time or when somebody looks.
///
/// Of what a checkpoint writes: a heartbeat that was told before its partition's turn is in the
/// ledger when the round is complete; one told after it is not; one told while the partition was
/// being written may be either. Since a checkpoint says by what the heatmaps grew, those are told
/// apart by their sum: with one gateway at the stores what is shown is exact at every moment.
///
/// Several gateways tell each other who had a heartbeat (live_feed). While another one is heard of,
/// sums are not trusted: what is shown is the ledger's heatmap, and of each pair that may have
/// something that is not in it (credited by whichever gateway since this one's last complete
/// checkpoint began) what the hot store's coverage has beyond the ledger's. A message that is late
/// or lost makes it late, never wrong, and nothing counts twice. The others' plays are there when
/// they have written them.
class heatmap final : public watch_observer {
 public:
  /// Pairs that are remembered to be looked up, of all modules; others are seen with the next
  /// checkpoint.
  static constexpr std::size_t touched_pairs_max = 200'000;
  /// Of one module, for one reader.
  static constexpr std::size_t looked_up_max = 20'000;

  /// As many lanes as there are shards. `shared`: other gateways may be at the stores.
  explicit heatmap(std::size_t lanes, bool shared = false);
  ~heatmap() override;
  heatmap(const heatmap&) = delete;
  heatmap& operator=(const heatmap&) = delete;

  void settled(const settled_heartbeat& heartbeat) noexcept override;
  void refused(const refused_heartbeat&) noexcept override {}

  // The checkpointer's side; its thread. A round goes over all partitions.
  void round_begins();
  void partition_begins(partition_index partition);
  void partition_ends(partition_index partition);
  /// Complete: everything that was told before the round is in the ledger. Reads again, with
  /// `behind`, the modules that somebody looks at. Otherwise the next round has it all.
  void round_ends(bool complete, storage::ledger& behind);
  /// Writes all plays that were told. Nothing: done, or nothing to do. A failure keeps what was not
  /// written.
  std::optional<storage::storage_failure> flush_plays(storage::ledger& behind);
  /// What is written to the ledger, and told to `grown`, is not read from it in between: held
  /// around both.
  [[nodiscard]] std::unique_lock<std::mutex> ledger_turn() {
    return std::unique_lock(ledger_turn_);
  }
  /// A transaction added this to the ledger's heatmaps. Any thread.
  void grown(const std::vector<storage::heatmap_delta>& deltas) noexcept;

  /// Another gateway settled heartbeats of these; of nobody: it is there. Any thread.
  void seen_elsewhere(const module_id& module, std::span<const student_id> students) noexcept;

  /// Reads what is missing with `behind` and `hot`, the caller's own. Any thread but an actor's;
  /// waits for a batch of a checkpoint at most. `duration_ms` is the catalogue's, for a module that
  /// nobody has watched yet.
  storage::stored<heatmap_view> read(const module_id& module, media_ms duration_ms,
                                     storage::ledger& behind, storage::hot_store& hot);
  /// The ledger has changed otherwise (an erasure, a recount): what was read of it is forgotten.
  void forget_rows();

  /// Heartbeats that are in no overlay, and whose plays are lost: more modules at once than
  /// actor_limits::heatmap_modules_max.
  [[nodiscard]] std::uint64_t left_out() const noexcept { return left_out_; }

 private:
  /// One shard's.
  struct lane {
    std::mutex mutex;
    std::vector<heatmap_event> events;
    // Of the partitions of this lane.
    std::array<std::uint32_t, limits::partitions> round{};
    std::array<bool, limits::partitions> open{};
  };
  struct play_batch {
    std::int64_t sequence = 0;
    std::vector<storage::heatmap_delta> plays;
  };

  lane& lane_of(partition_index partition) { return lanes_[partition % lanes_.size()]; }
  void drain();
  void drain(lane& from);
  void apply(const std::vector<heatmap_event>& events);
  module_overlay* overlay_of(const module_id& module, const heatmap_layout& layout);
  void gather_plays();
  void settle_touched(bool complete);
  void touch(const module_id& module, const student_id& student, bool since);
  std::vector<pair_key> touched_in(const module_id& module);
  storage::stored<storage::heatmap_record> read_pairs(const module_id& module, media_ms duration_ms,
                                                      storage::ledger& behind,
                                                      storage::hot_store& hot);
  storage::stored<storage::heatmap_record> read_sums(const module_id& module,
                                                     storage::ledger& behind);
  std::optional<storage::storage_failure> load_row(const module_id& module,
                                                   storage::ledger& behind);
  std::optional<storage::storage_failure> read_unread(const module_id& module,
                                                      storage::ledger& behind);

  std::vector<lane> lanes_;
  std::mutex ledger_turn_;
  std::mutex mutex_;  // what follows; taken after ledger_turn_ and after a lane's
  std::map<module_id, module_overlay> modules_;
  std::uint32_t round_ = 0;
  std::size_t unread_ = 0;
  // Pairs that may not be in the ledger; true: touched since the round began.
  const bool shared_;
  std::map<module_id, boost::unordered_flat_map<student_id, bool, std::hash<student_id>>> touched_;
  std::size_t touched_pairs_ = 0;
  bool in_round_ = false;
  int others_for_rounds_ = 0;  // so many complete rounds more others are reckoned with
  // Plays on their way; touched by the checkpointer only.
  std::vector<play_batch> in_flight_;
  std::int64_t sequence_ = 0;
  const std::string writer_;
  std::atomic<std::uint64_t> left_out_{0};
};

}  // namespace watchkeeper::actors
