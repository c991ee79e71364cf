#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/clock.hpp"
#include "base/thread_safety.hpp"
#include "storage/ledger.hpp"

namespace watchkeeper::server {

/// The ledger's summaries of all modules. The ledger reads every pair for them, so they are read
/// again only when they are api_limits::overview_age_max_ms old, and ten times as old as the last
/// read took if that is more; after a failure as well. Thread: any. One thread reads at a time; the
/// others get the previous summaries meanwhile.
class summary_cache {
 public:
  struct summaries {
    std::vector<storage::module_summary> modules;
    wall_ms as_of_ms;  // when the read began
  };
  using read_function = std::function<storage::stored<std::vector<storage::module_summary>>()>;
  using failure_function = std::function<void(const storage::storage_failure&)>;

  /// `on_failure` is called for each read that fails, on the thread that reads.
  summary_cache(const time_source& time, failure_function on_failure)
      : time_(time), on_failure_(std::move(on_failure)) {}

  /// Calls `fresh` if a read is due. Throws storage_fault if there are no summaries yet: with the
  /// failure of the last read, or `unavailable` if the first one is not done after
  /// api_limits::overview_wait_ms.
  std::shared_ptr<const summaries> get(const read_function& fresh);

 private:
  [[nodiscard]] std::shared_ptr<const summaries> cached() const REQUIRES(mutex_);
  void note(storage::stored<std::vector<storage::module_summary>>&& found, wall_ms as_of_ms,
            mono_ms begun) REQUIRES(mutex_);

  const time_source& time_;
  const failure_function on_failure_;
  annotated_mutex mutex_;
  std::condition_variable read_done_;
  bool reading_ GUARDED_BY(mutex_) = false;
  std::shared_ptr<const summaries> cached_ GUARDED_BY(mutex_);  // null: no read has succeeded yet
  std::optional<storage::storage_failure> failure_ GUARDED_BY(mutex_);  // of the last read
  mono_ms due_at_ GUARDED_BY(mutex_);
};

}  // namespace watchkeeper::server
