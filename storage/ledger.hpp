#pragma once

#include <array>
#include <chrono>
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
#include "storage/ledger_identity.hpp"
#include "storage/limits.hpp"
#include "storage/storage_error.hpp"
#include "storage/trace_removal.hpp"

namespace watchkeeper::storage {

/// The version of the rule that makes a completion (docs/protocol.md section 5, rule 7).
inline constexpr std::int32_t completion_rule_version = 1;

/// How long registry changes, and the ids of erased students, stay readable. A gateway that has not
/// read the changes for that long must drop all of its copies, because it may have missed some.
inline constexpr std::int64_t registry_change_retention_ms = 3'600'000;

/// The mastery of a pair: a row of the outbox, which has exactly one per pair, life and rule
/// version.
struct completion {
  /// Increases in the order in which completions become visible: the highest that the outbox gave
  /// out before plus one, or the unix time in milliseconds if that is more. So what a ledger gives
  /// out after it went back is above what it gave out before.
  std::int64_t sequence = 0;
  student_id student;
  module_id module;
  std::int32_t rule_version = completion_rule_version;
  media_ms covered_ms = 0;
  media_ms duration_ms = 0;
  std::int32_t threshold_centipercent = 9500;
  wall_ms mastered_ms;
  life_number life;
  std::int32_t revision = 1;  // of the module, whose duration and threshold these are
  friend bool operator==(const completion&, const completion&) = default;
};

/// Selects completions; an empty id matches all.
struct completion_filter {
  student_id student;
  module_id module;
};

/// Sums over the pairs of one module.
struct module_summary {
  module_id module;
  std::int64_t students = 0;  // pairs that are checkpointed
  std::int64_t mastered = 0;
  std::int32_t average_centipercent = 0;  // of their completion, 0 … 10000
  friend bool operator==(const module_summary&, const module_summary&) = default;
};

/// A login to the console that was ended by signing out.
struct revoked_login {
  std::array<std::uint8_t, 16> id{};
  wall_ms expires_ms;  // when it would have expired
};

/// A change of the registry by any gateway, after which the others drop their copies.
struct registry_change {
  enum class kind : std::uint8_t {
    module = 0,
    device = 1,
    assignment = 2,
    student_erased = 3,
    progress_reset = 4
  };
  std::int64_t sequence = 0;
  kind what = kind::module;
  std::string key;  // module id · kid in base64url · "student/module" · student id · the same
};

/// A pair as the ledger has it.
struct recorded_pair {
  student_life student;           // with epoch 0 nothing of the pair counts, wherever it is found
  std::optional<progress> state;  // in the student's epoch
  media_ms duration_ms = 0;       // of the module now, removed or not; 0: the ledger has none such
};

/// A pair of a list. `state.duration_ms` is that of the last credit.
struct listed_pair : pair_progress {
  media_ms duration_ms = 0;  // as in recorded_pair
};

/// Whether another store's copy of the pair is of the life that the ledger has, or of a later one,
/// so that the two may be merged. Else it is a remainder of a life that ended.
inline bool is_living(const recorded_pair& row, const progress& copy) noexcept {
  return row.student.epoch > 0 && copy.life.epoch >= row.student.epoch &&
         (!row.state || copy.life >= row.state->life);
}

/// Merges a copy of another store or of a memory into what is shown of the pair, unless the copy is
/// a remainder of a life that ended.
void merge_if_living(recorded_pair& into, const std::optional<progress>& copy);

/// What a checkpoint returns for a pair that it has passed over, because its epoch ended: nothing,
/// in a life that is higher than that of the pair. By watchkeeper::merge it wins over every copy. A
/// pair of a student who is not enrolled, and of whom no erasure is known, is passed over as well:
/// a default-constructed progress, of no life. The student was erased long ago, or this ledger has
/// come back older and lost the enrolment: other stores keep what they have.
inline progress ended_progress(std::uint32_t epoch) noexcept {
  progress none;
  none.life.epoch = epoch;
  return none;
}
/// Whether a state that a checkpoint returned is such a one. Its epoch is the lowest that may live.
inline bool has_ended(const progress& united) noexcept {
  return united.life.attempt == 0 && united.life.epoch > 0;
}
inline bool is_passed_over(const progress& united) noexcept {
  return united.life.attempt == 0;
}

/// A module after it was put.
struct module_put {
  module_record module;
  bool is_new = false;  // there was none, or it had been removed
};

/// One step of judging the pairs of a module by its newest revision.
struct judging_step {
  module_id module;
  std::vector<pair_progress> mastered;  // whom the revision has mastered just now
  std::vector<pair_key> unreadable;     // left as they are
};

/// How far the pairs of a module are judged by its newest revision.
struct judging_progress {
  module_id module;
  std::int32_t revision = 0;
  std::uint64_t done = 0;  // pairs
  /// Pairs when it began. Nothing: it has not begun, or they could not be counted in time.
  std::optional<std::uint64_t> total;
  friend bool operator==(const judging_progress&, const judging_progress&) = default;
};

/// Who resets a pair, and why: for the audit.
struct reset_order {
  std::string_view actor;
  std::string_view reason;
  wall_ms now_ms;
};

/// A student who was erased: the epochs below `next_epoch` have ended.
struct erased_student {
  student_id student;
  std::uint32_t next_epoch = 0;
};

/// When a device is enrolled, and what the hot store knows of its student.
struct enrolment {
  wall_ms now_ms;
  hot_student in_hot_store = {};
};

/// Media time, bin by bin, that is or was added to the heatmap of a module.
struct heatmap_delta {
  module_id module;
  media_ms duration_ms = 0;
  bin_sums ms;  // of heatmap_layout::of(duration_ms)
};

/// The heatmap of a module as the ledger has it.
struct heatmap_record {
  heatmap_bins bins;
  std::uint64_t students = 0;  // who have progress in it
};

/// The result of a recount.
struct heatmap_recount {
  std::uint64_t students = 0;
  std::uint64_t recorded_ms = 0;  // sum of the viewers' bins before
  std::uint64_t counted_ms = 0;   // the same, counted from the coverage of every pair
  std::size_t wrong_bins = 0;
  bool other_duration = false;  // the bins were made for another duration than the catalogue's
  [[nodiscard]] bool right() const noexcept { return wrong_bins == 0 && !other_duration; }
};

template <class T>
struct page {
  std::vector<T> items;
  std::optional<std::string> next;  // cursor of the following page
};

/// The system of record: PostgreSQL or SQLite. It holds the catalogue, the devices, the
/// checkpointed progress, the outbox of completions and the audit trail.
///
/// Thread: one at a time per instance; calls block. An instance connects by itself, and reconnects
/// after a failure. Each call is one transaction: a call that fails changes nothing, except that
/// the effect is unknown after `unavailable`. Writes are idempotent. Paging: an empty cursor
/// starts; `limit` is clamped to 1 … storage_limits::list_items_max; items are ordered by the bytes
/// of their ids. A cursor that is no id yields an empty page.
class ledger {
 public:
  virtual ~ledger() = default;

  /// Applies the missing migrations, and checks that the fixed settings of the deployment (the
  /// number of partitions) match this build; `mismatch` if not. Several gateways may call it at the
  /// same time. For a ledger from before heatmaps, it counts those of all modules.
  virtual stored<ok_t> migrate() = 0;
  /// The newest migration that is applied, and the newest that this build has.
  struct schema_version {
    int applied = 0;
    int newest = 0;
  };
  virtual stored<schema_version> version() = 0;

  // Progress.
  virtual stored<std::vector<recorded_pair>> look_up(std::span<const pair_key> keys) = 0;
  /// The states of look_up().
  stored<std::vector<std::optional<progress>>> read(std::span<const pair_key> keys);
  /// When each student was last credited, in any module; `never`: there was nothing. Reads all rows
  /// of each student: only for those of whom the hot store cannot say.
  virtual stored<std::vector<wall_ms>> last_credits(std::span<const student_id> students) = 0;
  /// Merges each state with its row (watchkeeper::merge, with gaps closed as coverage closes them).
  /// In the same transaction, sets mastered_ms where the merged coverage reaches the threshold of
  /// the module (to `now_ms`, unless the state has its own), and creates the completion of each
  /// mastered pair that has none. Returns the merged states in the order of `pairs`. Takes at most
  /// storage_limits::checkpoint_batch_pairs_max pairs, each once.
  /// Threshold and duration are those of the newest revision of the module; one that was removed,
  /// or that the ledger does not have, masters nothing. A completion names the newest revision by
  /// which the pair is mastered, since the hot store may have mastered it by an earlier one, and
  /// the newest of all if there is none; that of a module that the ledger does not have is created
  /// when the module is put. Passes over pairs of an epoch that ended, and those of a student who
  /// is not enrolled: nothing is written; see ended_progress() for what is returned. A pair of a
  /// higher epoch than the student is in begins it, before any pair is written: the ledger has come
  /// back older, and what it has is of a life that ended since. The same holds for attempts. Adds
  /// the growth of each coverage to the heatmap of its module in the same transaction, and reports
  /// it in `grown` unless that is null, each module at most once.
  virtual stored<std::vector<progress>> checkpoint(std::span<const pair_progress> pairs,
                                                   wall_ms now_ms,
                                                   std::vector<heatmap_delta>* grown) = 0;
  stored<std::vector<progress>> checkpoint(std::span<const pair_progress> pairs, wall_ms now_ms) {
    return checkpoint(pairs, now_ms, nullptr);
  }
  virtual stored<page<listed_pair>> progress_of_student(const student_id& student,
                                                        std::string_view cursor,
                                                        std::size_t limit) = 0;
  virtual stored<page<listed_pair>> progress_of_module(const module_id& module,
                                                       std::string_view cursor,
                                                       std::size_t limit) = 0;
  /// The number of students who have progress in the module.
  virtual stored<std::uint64_t> students_of(const module_id& module) = 0;
  /// Completions after a sequence number, oldest first.
  virtual stored<std::vector<completion>> completions(std::int64_t after_sequence,
                                                      std::size_t limit,
                                                      const completion_filter& filter = {}) = 0;
  /// Completions before a sequence number, newest first.
  virtual stored<std::vector<completion>> newest_completions(
      std::int64_t before_sequence, std::size_t limit, const completion_filter& filter = {}) = 0;
  /// Every module that has a pair, by id. Reads every pair, so it is not for every request.
  virtual stored<std::vector<module_summary>> summarize_modules() = 0;

  // Judging. A module whose revision is new has to have all of its pairs judged by it: whom it
  // masters is mastered, with a completion; who is mastered already stays so, and gets the
  // completion if it is missing. Any number of gateways may take part.
  /// Judges the next pairs, at most `pairs_max`, of some module that no other gateway is judging at
  /// the moment. Nothing: there is none.
  virtual stored<std::optional<judging_step>> judge_next(wall_ms now_ms, std::size_t pairs_max) = 0;
  /// What is not finished, by module; at most `limit`.
  virtual stored<std::vector<judging_progress>> judgings(std::size_t limit) = 0;

  // Heatmaps. The viewers' bins always equal the sum of the coverages of the module's pairs within
  // the module: each student counts once for each millisecond. Their layout is that of the module's
  // duration at the first credit or the last recount; what lies beyond its end does not count. The
  // result is empty if nobody has progress in the module.
  virtual stored<std::optional<heatmap_record>> heatmap_of(const module_id& module) = 0;
  /// Adds plays. `sequence` grows by one with each addition of a `writer`, an id of the process
  /// with 1 to 64 characters. An addition with a number that was used before has no effect, so that
  /// the same writer can repeat it after `unavailable`, within a day. Takes at most
  /// storage_limits::heatmap_play_modules_max elements.
  virtual stored<ok_t> add_plays(std::span<const heatmap_delta> plays, std::string_view writer,
                                 std::int64_t sequence) = 0;
  /// Counts the viewers of a module again, from the coverage of every pair, in bins for the
  /// duration in the catalogue, or else for the longest duration of any pair. Moves plays into
  /// these bins. With `write` false, only reports the difference. Checkpoints of the module wait
  /// meanwhile. Time limit: 10 minutes.
  virtual stored<heatmap_recount> recount_heatmap(const module_id& module, bool write) = 0;
  /// The first module after `after`, in byte order, that has progress or a heatmap. An empty
  /// `after` starts with the first module.
  virtual stored<std::optional<module_id>> next_watched_module(
      const std::optional<module_id>& after) = 0;

  // Catalogue. A removed module keeps its progress and its rules, but masters nobody; it is back
  // when it is put again.
  /// Other rules than before begin a revision, and so does a module that had been removed; another
  /// duration or threshold has all pairs judged. `module.revision` is not used. With `replaces`,
  /// returns nothing and changes nothing unless the module is that, to the last member.
  virtual stored<std::optional<module_put>> put_module(const module_record& module,
                                                       const module_record* replaces) = 0;
  stored<std::optional<module_put>> put_module(const module_record& module) {
    return put_module(module, nullptr);
  }
  virtual stored<std::optional<module_record>> get_module(const module_id& id) = 0;
  virtual stored<bool> remove_module(const module_id& id) = 0;  // false: there was none
  virtual stored<page<module_record>> list_modules(std::string_view cursor, std::size_t limit) = 0;

  // Devices. `put_device` returns the life that the student is in; nothing, and changes nothing, if
  // the kid is enrolled for another student. Who is not enrolled begins an epoch: the highest of
  // `at` in unix seconds, those that were ever given out, and what the hot store and the erasure of
  // the student say. But if the hot store has the student in a living epoch that no erasure has
  // ended, the ledger has come back older, and this epoch goes on. It enrols a revoked
  // device again; `created_ms` stays that of the first enrolment. `epoch` of a record that is given
  // is not used. `devices_of` returns the oldest first, at most storage_limits::list_items_max.
  virtual stored<std::optional<student_life>> put_device(const device_record& device,
                                                         const enrolment& at) = 0;
  virtual stored<student_life> life_of(const student_id& student) = 0;
  virtual stored<std::vector<std::optional<device_record>>> get_devices(
      std::span<const thumbprint> kids) = 0;
  virtual stored<bool> revoke_device(const thumbprint& kid) = 0;  // false: not enrolled
  virtual stored<std::vector<device_record>> devices_of(const student_id& student) = 0;

  // Assignments.
  virtual stored<ok_t> put_assignment(const pair_key& pair, wall_ms now_ms) = 0;
  virtual stored<bool> remove_assignment(const pair_key& pair) = 0;
  virtual stored<bool> is_assigned(const pair_key& pair) = 0;

  /// Begins a new attempt of the pair, with nothing watched: a life above those of its row and of
  /// `known`, which is what the hot store and memory have. Subtracts its coverage from the heatmap,
  /// writes an audit row. Its completion stays. Returns the new state; nothing if the student is
  /// not enrolled, or has no progress in the module.
  virtual stored<std::optional<progress>> reset_progress(const pair_key& pair,
                                                         const std::optional<progress>& known,
                                                         const reset_order& order) = 0;

  /// Ends the student's epoch. Deletes the progress, completions, assignments and devices, and
  /// subtracts the coverage from the viewers of the heatmaps; plays name nobody and stay. Writes an
  /// audit row with the time, the actor, the random id of the erasure, and the number of
  /// rows that were deleted; nothing in it derives from the student's id. Returns false if there
  /// was nothing to delete; the audit row is written in that case, too. Registry changes that name
  /// the student are deleted with the others, after the retention. The next epoch of the student
  /// will be `next_epoch` at least, and what earlier erasures of the student said.
  virtual stored<bool> erase_student(const student_id& student, std::string_view actor,
                                     std::string_view erasure_id, wall_ms now_ms,
                                     std::uint32_t next_epoch) = 0;
  /// The same for an erasure that this ledger has lost, by the log of erasures; but if the student
  /// lives in `next_epoch` or a later one by now, nothing happens, and it returns false.
  virtual stored<bool> repeat_erasure(const student_id& student, std::string_view erasure_id,
                                      wall_ms at_ms, std::uint32_t next_epoch) = 0;

  /// Forgets what is over registry_change_retention_ms, and has its files drop what they still have
  /// of deleted rows, as far as that is done in passing; see trace_removal. Waits for no other
  /// call.
  virtual stored<trace_removal> remove_traces() = 0;

  /// Who was erased within registry_change_retention_ms, enrolled anew or not, for a hot store that
  /// may have lost that.
  virtual stored<std::vector<erased_student>> erased_students() = 0;

  // Logins that were ended. Writing is idempotent, and deletes those that have expired by `now_ms`;
  // reading returns the others, those that expire last first.
  virtual stored<ok_t> revoke_logins(std::span<const revoked_login> ended, wall_ms now_ms) = 0;
  virtual stored<std::vector<revoked_login>> revoked_logins(wall_ms now_ms, std::size_t limit) = 0;

  /// Changes after `after_sequence`, oldest first.
  virtual stored<std::vector<registry_change>> changes(std::int64_t after_sequence,
                                                       std::size_t limit) = 0;

  /// Which ledger it is, and how far it has come. Every checkpoint, registry change, reset, erasure
  /// and revocation of logins counts as a transaction.
  virtual stored<ledger_identity> identity() = 0;
  /// The outbox and the epochs go on above what was given out before this ledger went back.
  virtual stored<ok_t> go_on_above(std::int64_t last_sequence, std::uint32_t highest_epoch) = 0;

  /// Makes a round trip, and describes the store: "PostgreSQL 15.18, synchronous_commit on".
  virtual stored<std::string> health() = 0;
};

/// How long a call waits for PostgreSQL before it is `unavailable`.
struct postgres_time_limits {
  std::chrono::seconds connect{2};
  std::chrono::milliseconds statement{5'000};  // kept by the server
  std::chrono::milliseconds call{7'000};       // for a server that keeps no limit any more
};

/// `url` is any connection string of libpq, usually `postgresql://…`.
std::unique_ptr<ledger> make_postgres_ledger(const std::string& url,
                                             const postgres_time_limits& limits = {});
std::unique_ptr<ledger> make_sqlite_ledger(const std::string& path);

}  // namespace watchkeeper::storage
