#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "actors/shared/ledger_memory.hpp"
#include "actors/shared/registry.hpp"
#include "base/clock.hpp"
#include "storage/ledger.hpp"

namespace watchkeeper::actors {

/// Brings changes of the ledger, by this gateway or another, into the gateway's copy of catalogue,
/// devices and assignments. It reads an entry that is in use again and replaces it in one step. If
/// it only forgot the entry, and the ledger went away just then, devices would fail that could do
/// without the ledger a moment before. While the ledger is away, a change does not count as read.
/// Thread: one.
class registry_follower {
 public:
  struct dependencies {
    storage::ledger& ledger;  // outlives it
    registry& registry_cache;
    std::int64_t last_change = 0;  // changes up to here are in memory
    const time_source& time;
    /// Once for each erasure, unless it returns false: then it is called again with the next
    /// follow().
    std::function<bool(const storage::erased_student&)> student_erased;
    /// The same for each reset of a pair, with the attempt that the ledger has now.
    std::function<bool(const storage::pair_progress&)> progress_reset;
    /// After an erasure: those of the last hour. Until it succeeds, the change does not count as
    /// read. Empty: nobody needs them.
    std::function<storage::stored<ok_t>(std::span<const storage::erased_student>)> erased = {};
    /// Says when the ledger went back: then the copies, and the number of the last change, are
    /// worth nothing. Null: it never does.
    const ledger_memory* memory = nullptr;
  };
  explicit registry_follower(dependencies deps) : deps_(std::move(deps)) {}

  /// Reads the changes since the last call. A failure is the ledger's. The next call begins where
  /// this one stopped.
  storage::stored<ok_t> follow();

  // Of one call.
  static constexpr std::size_t changes_per_question = 500;
  static constexpr int questions_max = 20;
  /// Modules and assignments that are read again, each with a call; further ones are forgotten.
  static constexpr std::size_t read_alone_max = 64;

 private:
  /// From the first change that is still there; the copies are worth nothing.
  void begin_anew();
  /// The erasures of the last hour if one is among the changes. The copies in the registry of who
  /// was erased are gone afterwards, also if it fails.
  storage::stored<std::vector<storage::erased_student>> read_erasures(
      std::span<const storage::registry_change> changes);
  /// False: an erasure or a reset has to wait, so these changes do not count as read.
  storage::stored<bool> apply(std::span<const storage::registry_change> changes);
  /// False: it has to wait.
  bool take_reset(const pair_key& pair);
  storage::stored<ok_t> renew_devices(const std::vector<thumbprint>& changed);
  storage::stored<ok_t> renew_module(const module_id& id);
  storage::stored<ok_t> renew_assignment(const pair_key& pair);

  dependencies deps_;
  std::optional<mono_ms> followed_at_;  // when the changes were last read
  std::int64_t forgotten_up_to_ = 0;    // erasures and resets up to this change are done
  std::size_t read_alone_ = 0;          // in this call
  std::uint64_t memory_changes_ = 0;    // of deps_.memory, with which it began anew
  bool are_copies_outdated_ = false;    // since then
};

}  // namespace watchkeeper::actors
