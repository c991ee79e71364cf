#include "server/api/resources/summary_cache.hpp"

#include <algorithm>
#include <chrono>

#include "server/api/api_limits.hpp"
#include "server/api/api_problem.hpp"

namespace watchkeeper::server {

using steady = std::chrono::steady_clock;

std::shared_ptr<const summary_cache::summaries> summary_cache::get(const read_function& fresh,
                                                                   unix_ms now_ms) {
  {
    mutex_lock lock(mutex_);
    if (now_ms < due_ms_ && now_ms >= read_at_ms_) return cached();
    if (reading_) {
      if (!cached_)
        read_done_.wait_for(lock.native(), std::chrono::milliseconds(api_limits::overview_wait_ms),
                            [&]() REQUIRES(mutex_) { return !reading_; });
      return cached();
    }
    reading_ = true;
  }
  const auto begun = steady::now();
  storage::stored<std::vector<storage::module_summary>> found =
      storage::storage_failure{storage::storage_error::unavailable, "the read did not finish"};
  try {
    found = fresh();
  } catch (const storage_fault& fault) {
    found = fault.failure();
  } catch (...) {  // out of memory
  }
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(steady::now() - begun);
  if (!found) on_failure_(found.error());
  const mutex_lock lock(mutex_);
  note(std::move(found), now_ms, took.count());
  return cached();
}

void summary_cache::note(storage::stored<std::vector<storage::module_summary>>&& found,
                         unix_ms now_ms, std::int64_t took_ms) {
  reading_ = false;
  read_at_ms_ = now_ms;
  due_ms_ = now_ms + std::max<std::int64_t>(api_limits::overview_age_max_ms, 10 * took_ms);
  read_done_.notify_all();
  if (found) {
    cached_ = std::make_shared<const summaries>(summaries{std::move(found).value(), now_ms});
    failure_.reset();
  } else {
    failure_ = found.error();
  }
}

std::shared_ptr<const summary_cache::summaries> summary_cache::cached() const {
  if (cached_) return cached_;
  throw storage_fault(failure_.value_or(storage::storage_failure{
      storage::storage_error::unavailable, "the first count of the modules has not finished"}));
}

}  // namespace watchkeeper::server
