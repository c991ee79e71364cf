#pragma once

#include <functional>
#include <set>
#include <string>

#include "actors/shared/probes.hpp"
#include "base/clock.hpp"
#include "base/log_level.hpp"
#include "storage/trace_removal.hpp"

namespace watchkeeper::actors {

/// Decides when the files of a store are to drop what they still have of erased students: after an
/// erasure, and once more when what the store keeps of it for a while has gone too. Several
/// erasures share a removal, and between two removals is a pause. Thread: the watcher's.
class trace_remover {
 public:
  struct dependencies {
    trace_probe& probe;
    const time_source& time;
    log_function log;
    std::string component;      // of the log
    std::int64_t kept_ms = 0;   // what the store keeps of an erasure, and for how long
    std::int64_t pause_ms = 0;  // from the beginning of a removal to that of the next
  };
  using step_of_store = std::function<storage::stored<storage::trace_removal>()>;

  /// Whoever starts again and again asks for no removal each time.
  static constexpr std::int64_t pause_at_start_ms = 60'000;
  /// A store that refuses is asked again after this, or after its pause if that is longer.
  static constexpr std::int64_t pause_after_refusal_ms = 3'600'000;
  /// Erasures within this time share their second removal.
  static constexpr std::int64_t grain_ms = 600'000;

  explicit trace_remover(dependencies deps) : deps_(std::move(deps)) {}

  /// The store has erased a student.
  void erased() { add(deps_.time.monotonic_now(), deps_.time.monotonic_now()); }
  /// The same, by an earlier process: whether it removed the traces is unknown.
  void erased_before(wall_ms at_ms);
  /// To be called once a second.
  void step(const step_of_store& remove);

 private:
  void add(mono_ms erased_at, mono_ms due_at);
  /// What is due at this time is part of a removal that has begun.
  void take_due(mono_ms now);
  void failed(const storage::storage_failure& why, mono_ms now);
  void succeeded();
  [[nodiscard]] bool is_due(mono_ms now) const { return !due_.empty() && *due_.begin() <= now; }

  dependencies deps_;
  std::set<mono_ms> due_;  // bounded: one now, and one for each grain of what is kept
  bool is_running_ = false;
  bool is_refused_ = false;
  mono_ms not_before_{};
};

}  // namespace watchkeeper::actors
