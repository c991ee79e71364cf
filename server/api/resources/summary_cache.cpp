#include "server/api/resources/summary_cache.hpp"

#include <algorithm>
#include <chrono>

#include "server/api/api_limits.hpp"
#include "server/api/refusal.hpp"

namespace watchkeeper::server {

using steady = std::chrono::steady_clock;

std::shared_ptr<const summary_cache::known> summary_cache::get(const look& fresh, unix_ms now_ms) {
  {
    std::unique_lock lock(mutex_);
    if (now_ms < due_ms_ && now_ms >= looked_at_ms_) return held();
    if (looking_) {
      if (!kept_)
        looked_.wait_for(lock, std::chrono::milliseconds(api_limits::overview_wait_ms),
                         [&] { return !looking_; });
      return held();
    }
    looking_ = true;
  }
  const auto begun = steady::now();
  storage::stored<std::vector<storage::module_summary>> found =
      storage::storage_failure{storage::storage_error::unavailable, "the look was not finished"};
  try {
    found = fresh();
  } catch (const storage_fault& fault) {
    found = fault.failure();
  } catch (...) {  // out of memory
  }
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(steady::now() - begun);
  if (!found) on_failure_(found.error());
  const std::lock_guard lock(mutex_);
  note(std::move(found), now_ms, took.count());
  return held();
}

void summary_cache::note(storage::stored<std::vector<storage::module_summary>>&& found,
                         unix_ms now_ms, std::int64_t took_ms) {
  looking_ = false;
  looked_at_ms_ = now_ms;
  due_ms_ = now_ms + std::max<std::int64_t>(api_limits::overview_kept_ms, 10 * took_ms);
  looked_.notify_all();
  if (found) {
    kept_ = std::make_shared<const known>(known{std::move(found).value(), now_ms});
    failure_.reset();
  } else {
    failure_ = found.error();
  }
}

std::shared_ptr<const summary_cache::known> summary_cache::held() const {
  if (kept_) return kept_;
  throw storage_fault(failure_.value_or(storage::storage_failure{
      storage::storage_error::unavailable, "the modules are being counted"}));
}

}  // namespace watchkeeper::server
