#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "base/units.hpp"
#include "storage/ledger.hpp"

namespace watchkeeper::server {

/// What the ledger last said of every module. It looks at every pair for that, so a look is made at
/// most every api_limits::overview_kept_ms, and every ten times as long as the last one took where
/// that is longer, also where it failed. Thread: any. One looks at a time, and the others are not
/// held up by it: they get what was known before.
class summary_cache {
 public:
  struct known {
    std::vector<storage::module_summary> modules;
    unix_ms as_of_ms = 0;  // when the look began
  };
  using look = std::function<storage::stored<std::vector<storage::module_summary>>()>;
  using failure_function = std::function<void(const storage::storage_failure&)>;

  /// `on_failure` is called for each look that fails, on the thread that looks.
  explicit summary_cache(failure_function on_failure) : on_failure_(std::move(on_failure)) {}

  /// Calls `fresh` where a look is due. Throws storage_fault where nothing was ever known: with the
  /// failure of the last look, or `unavailable` where the first one is not done after
  /// api_limits::overview_wait_ms.
  std::shared_ptr<const known> get(const look& fresh, unix_ms now_ms);

 private:
  [[nodiscard]] std::shared_ptr<const known> held() const;
  void note(storage::stored<std::vector<storage::module_summary>>&& found, unix_ms now_ms,
            std::int64_t took_ms);

  const failure_function on_failure_;
  std::mutex mutex_;
  std::condition_variable looked_;
  bool looking_ = false;                             // guarded by mutex_, as all below
  std::shared_ptr<const known> kept_;                // null: no look has succeeded yet
  std::optional<storage::storage_failure> failure_;  // of the last look
  unix_ms looked_at_ms_ = 0;
  unix_ms due_ms_ = 0;
};

}  // namespace watchkeeper::server
