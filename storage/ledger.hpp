#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "domain/device.hpp"
#include "domain/heatmap_bins.hpp"
#include "domain/ids.hpp"
#include "domain/module.hpp"
#include "domain/progress.hpp"
#include "storage/hot_store.hpp"
#include "storage/limits.hpp"
#include "storage/storage_error.hpp"

namespace watchkeeper::storage {

/// The version of the rule that makes a completion (docs/protocol.md section 5, rule 7).
inline constexpr std::int32_t completion_rule_version = 1;

/// How long registry changes, and the ids of erased students, stay readable. Who has not asked for
/// changes for that long must forget every copy, for it may have missed some.
inline constexpr std::int64_t registry_change_retention_ms = 3'600'000;

/// The fact that a pair was mastered: one row of the outbox, there exactly once for each pair and
/// rule version.
struct completion {
  std::int64_t sequence = 0;  // increases in the order in which completions become visible
  student_id student;
  module_id module;
  std::int32_t rule_version = completion_rule_version;
  media_ms covered_ms = 0;
  media_ms duration_ms = 0;
  std::int32_t threshold_centipercent = 9500;
  unix_ms mastered_ms = 0;
  friend bool operator==(const completion&, const completion&) = default;
};

/// Which completions are wanted; an empty id is all.
struct completion_filter {
  student_id student;
  module_id module;
};

/// The pairs of one module, summed up.
struct module_summary {
  module_id module;
  std::int64_t students = 0;  // pairs that are checkpointed
  std::int64_t mastered = 0;
  std::int32_t average_centipercent = 0;  // of their completion, 0 … 10000
  friend bool operator==(const module_summary&, const module_summary&) = default;
};

/// A console session that somebody signed out of.
struct revoked_login {
  std::array<std::uint8_t, 16> id{};
  unix_ms expires_ms = 0;  // when it would have ended by itself
};

/// What another gateway changed in the registry, so that this one forgets its copy.
struct registry_change {
  enum class kind : std::uint8_t { module = 0, device = 1, assignment = 2, student_erased = 3 };
  std::int64_t sequence = 0;
  kind what = kind::module;
  std::string key;  // module id · kid in base64url · "student/module" · student id
};

/// Media time of one module, bin by bin, that is added to its heatmap or was.
struct heatmap_delta {
  module_id module;
  media_ms duration_ms = 0;
  bin_sums ms;  // of heatmap_layout::of(duration_ms)
};

/// What the ledger knows of a module's viewers.
struct heatmap_record {
  heatmap_bins bins;
  std::uint64_t students = 0;  // who have progress in it
};

/// What a recount found.
struct heatmap_recount {
  std::uint64_t students = 0;
  std::uint64_t recorded_ms = 0;  // sum of the viewers' bins before
  std::uint64_t counted_ms = 0;   // and as counted from every pair's coverage
  std::size_t wrong_bins = 0;
  bool other_duration = false;  // the bins were of another duration than the catalogue's
  [[nodiscard]] bool right() const noexcept { return wrong_bins == 0 && !other_duration; }
};

template <class T>
struct page {
  std::vector<T> items;
  std::optional<std::string> next;  // cursor of the following page
};

/// The system of record: PostgreSQL or SQLite. Holds the catalogue, the devices, what was
/// checkpointed of each pair, the outbox of completions and the audit trail.
///
/// Thread: each instance is used by one thread at a time and blocks; it connects by itself and
/// again after a failure. Calls are transactions: a failure as a whole changes nothing, save that
/// of `unavailable` the effect is unknown. Writes are idempotent. Paging: an empty cursor starts;
/// `limit` is brought into 1 … storage_limits::list_items_max; items come in the byte order of
/// their ids. A cursor that no page gave (it is no id) yields an empty page.
class ledger {
 public:
  virtual ~ledger() = default;

  /// Applies the migrations that are missing and checks that the deployment's fixed settings
  /// (number of partitions) are this build's: `mismatch` if not. Several gateways may call it at
  /// once. A ledger from before heatmaps has those of all modules counted.
  virtual stored<ok_t> migrate() = 0;
  /// The newest migration that is applied, and the newest this build knows.
  struct schema_version {
    int applied = 0;
    int known = 0;
  };
  virtual stored<schema_version> version() = 0;

  // Progress.
  virtual stored<std::vector<std::optional<progress>>> read(std::span<const pair_key> keys) = 0;
  /// Unites each state with the row (watchkeeper::merge, gaps closed as coverage closes them) and,
  /// in the same transaction, sets mastered_ms where the united coverage reaches the module's
  /// threshold
  /// (`now_ms`, unless the state brings its own), and creates the completion of each mastered pair
  /// that has none. Gives the united states in the order of `pairs`. At most
  /// storage_limits::checkpoint_batch_pairs_max pairs, each once.
  /// The threshold and the duration are the catalogue's; of a module it does not hold, 95.00 % of
  /// the state's own duration (a duration of 0 masters nothing).
  /// Pairs of a student who was erased within registry_change_retention_ms, and has enrolled no
  /// device since, are passed over: nothing is written, an empty state comes back.
  /// What each coverage grew by is added to the heatmap of its module in the same transaction;
  /// `grown`, if given, is told what that was, a module at most once.
  virtual stored<std::vector<progress>> checkpoint(std::span<const pair_progress> pairs,
                                                   unix_ms now_ms,
                                                   std::vector<heatmap_delta>* grown) = 0;
  stored<std::vector<progress>> checkpoint(std::span<const pair_progress> pairs, unix_ms now_ms) {
    return checkpoint(pairs, now_ms, nullptr);
  }
  virtual stored<page<pair_progress>> progress_of_student(const student_id& student,
                                                          std::string_view cursor,
                                                          std::size_t limit) = 0;
  virtual stored<page<pair_progress>> progress_of_module(const module_id& module,
                                                         std::string_view cursor,
                                                         std::size_t limit) = 0;
  /// How many students have progress in the module.
  virtual stored<std::uint64_t> students_of(const module_id& module) = 0;
  /// Those after a sequence number, the oldest first.
  virtual stored<std::vector<completion>> completions(std::int64_t after_sequence,
                                                      std::size_t limit,
                                                      const completion_filter& wanted = {}) = 0;
  /// Those before a sequence number, the newest first.
  virtual stored<std::vector<completion>> newest_completions(
      std::int64_t before_sequence, std::size_t limit, const completion_filter& wanted = {}) = 0;
  /// Every module that has a pair, by id. Looks at every pair: not for each request.
  virtual stored<std::vector<module_summary>> summarize_modules() = 0;

  // Heatmaps. The viewers' bins are, at every moment, what the coverages of the module's pairs
  // give: each student counts once for each millisecond. Their layout is that of the module's
  // duration when they were begun or last recounted; what lies behind its end counts in the last
  // bin. Nothing: nobody has progress in the module.
  virtual stored<std::optional<heatmap_record>> heatmap_of(const module_id& module) = 0;
  /// Adds plays. `sequence` grows by one with each addition of a `writer` (an id of the process, 1
  /// to 64 characters): one that was made already is not made again, so that it may be repeated
  /// after `unavailable`, by the same writer and within a day. At most
  /// storage_limits::heatmap_play_modules_max.
  virtual stored<ok_t> add_plays(std::span<const heatmap_delta> plays, std::string_view writer,
                                 std::int64_t sequence) = 0;
  /// Counts a module's viewers anew from every pair's coverage, in the bins of the catalogue's
  /// duration (of a module that it does not hold: of the longest that a pair knows). Plays are
  /// brought into these bins. `write` false: only says what is wrong; nothing changes. Checkpoints
  /// of the module wait meanwhile; limit 10 minutes.
  virtual stored<heatmap_recount> recount_heatmap(const module_id& module, bool write) = 0;
  /// The first module after `after` (byte order; nothing: the first of all) that has progress or a
  /// heatmap.
  virtual stored<std::optional<module_id>> next_watched_module(
      const std::optional<module_id>& after) = 0;

  // Catalogue. A module that is removed keeps its progress; put again, it is back.
  virtual stored<ok_t> put_module(const module_record& module) = 0;
  virtual stored<std::optional<module_record>> get_module(const module_id& id) = 0;
  virtual stored<bool> remove_module(const module_id& id) = 0;  // false: there was none
  virtual stored<page<module_record>> list_modules(std::string_view cursor, std::size_t limit) = 0;

  // Devices. `put_device`: true when done; false when the kid is enrolled for another student (then
  // nothing changes). Putting a revoked device again enrols it again; `created_ms` stays the first.
  // `devices_of`: oldest first, at most storage_limits::list_items_max.
  virtual stored<bool> put_device(const device_record& device) = 0;
  virtual stored<std::vector<std::optional<device_record>>> get_devices(
      std::span<const thumbprint> kids) = 0;
  virtual stored<bool> revoke_device(const thumbprint& kid) = 0;  // false: not enrolled
  virtual stored<std::vector<device_record>> devices_of(const student_id& student) = 0;

  // Assignments.
  virtual stored<ok_t> put_assignment(const pair_key& pair, unix_ms now_ms) = 0;
  virtual stored<bool> remove_assignment(const pair_key& pair) = 0;
  virtual stored<bool> is_assigned(const pair_key& pair) = 0;

  /// Deletes progress, completions, assignments and devices of the student, takes what the student
  /// saw off the heatmaps' viewers (plays name nobody, and stay); leaves an audit row
  /// that says when and by whom, with a SHA-256 of the id and not the id, and how many rows went.
  /// False: nothing was there (the audit row and the refusal of late checkpoints are made all the
  /// same). The registry changes that name the student go with the others, after the retention.
  virtual stored<bool> erase_student(const student_id& student, std::string_view actor,
                                     std::string_view student_digest_hex, unix_ms now_ms) = 0;

  // Console sessions that were ended. Writing is idempotent, and forgets those that would have
  // ended by themselves by `now_ms`; reading gives those that would not, the longest first.
  virtual stored<ok_t> revoke_logins(std::span<const revoked_login> ended, unix_ms now_ms) = 0;
  virtual stored<std::vector<revoked_login>> revoked_logins(unix_ms now_ms, std::size_t limit) = 0;

  /// Changes after `after_sequence`, oldest first; `last_change` where to start.
  virtual stored<std::vector<registry_change>> changes(std::int64_t after_sequence,
                                                       std::size_t limit) = 0;
  virtual stored<std::int64_t> last_change() = 0;

  /// A round trip; "PostgreSQL 15.18, synchronous_commit on".
  virtual stored<std::string> health() = 0;
};

/// Any connection string libpq takes, `postgresql://…` usually.
/// Time limits: 2 s to connect, 5 s a statement.
std::unique_ptr<ledger> make_postgres_ledger(const std::string& url);
std::unique_ptr<ledger> make_sqlite_ledger(const std::string& path);

}  // namespace watchkeeper::storage
