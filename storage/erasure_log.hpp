#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/thread_safety.hpp"
#include "base/units.hpp"
#include "domain/ids.hpp"
#include "storage/storage_error.hpp"

namespace watchkeeper::storage {

/// That a student was erased: the epochs below `next_epoch` ended at this time.
struct logged_erasure {
  student_id student;
  std::uint32_t next_epoch = 0;
  wall_ms at_ms;
};

/// The erasures of a deployment in a synced file outside of both stores, from which a ledger that
/// came back older gets them again (docs/storage-format.md). Each gateway has a file of its own,
/// and writes into it the erasures that it executes, and those of the others that it hears of.
/// An erasure leaves it after the retention; beyond storage_limits::logged_erasures_max the oldest
/// do. Thread: any; a call that writes blocks for a sync.
class erasure_log {
 public:
  /// Reads the file, or creates it. Lines that cannot be read are left out: see unreadable().
  static stored<std::unique_ptr<erasure_log>> open(std::string path, std::int64_t retention_ms,
                                                   wall_ms now_ms);
  ~erasure_log();
  erasure_log(const erasure_log&) = delete;
  erasure_log& operator=(const erasure_log&) = delete;

  /// On the disk when this returns. Those that the log has, in this epoch or a higher one, are left
  /// out.
  stored<ok_t> add(std::span<const logged_erasure> erasures, wall_ms now_ms);
  /// Once a day: leaves out what is older than the retention. To be called every now and then.
  stored<ok_t> forget_old(wall_ms now_ms);
  /// The last erasure of each student, in any order.
  [[nodiscard]] std::vector<logged_erasure> all() const;
  /// 0: it has none of the student.
  [[nodiscard]] std::uint32_t next_epoch_of(const student_id& student) const;
  /// The lines of the file that could not be read when it was opened.
  [[nodiscard]] std::size_t unreadable() const noexcept { return unreadable_; }

 private:
  struct entry {
    std::uint32_t next_epoch = 0;
    wall_ms at_ms;
  };
  erasure_log(std::string path, std::int64_t retention_ms)
      : path_(std::move(path)), retention_ms_(retention_ms) {}
  /// Adds what the file has.
  stored<ok_t> read() REQUIRES(mutex_);
  void drop_old(wall_ms now_ms) REQUIRES(mutex_);
  stored<ok_t> write_anew(wall_ms now_ms) REQUIRES(mutex_);
  /// Fails also if the file has to be written anew.
  stored<ok_t> append(const std::string& lines) REQUIRES(mutex_);
  [[nodiscard]] bool is_pruning_due(wall_ms now_ms) const REQUIRES(mutex_);

  const std::string path_;
  const std::int64_t retention_ms_;
  std::size_t unreadable_ = 0;
  mutable annotated_mutex mutex_;
  std::unordered_map<student_id, entry> erasures_ GUARDED_BY(mutex_);
  int file_ GUARDED_BY(mutex_) = -1;
  /// What was appended last may be half a line, or not on the disk.
  bool is_torn_ GUARDED_BY(mutex_) = false;
  wall_ms pruned_ms_ GUARDED_BY(mutex_);
};

}  // namespace watchkeeper::storage
