#include "server/api/resources/summary_cache.hpp"

#include <algorithm>

#include "server/api/api_limits.hpp"
#include "server/api/api_problem.hpp"

namespace watchkeeper::server {

std::shared_ptr<const summary_cache::summaries> summary_cache::get(const read_function& fresh) {
  const auto begun = time_.monotonic_now();
  const auto as_of_ms = time_.wall_now();
  {
    mutex_lock lock(mutex_);
    if (begun < due_at_) return cached();
    if (reading_) {
      if (!cached_)
        read_done_.wait_for(lock.native(), std::chrono::milliseconds(api_limits::overview_wait_ms),
                            [&]() REQUIRES(mutex_) { return !reading_; });
      return cached();
    }
    reading_ = true;
  }
  storage::stored<std::vector<storage::module_summary>> found =
      storage::storage_failure{storage::storage_error::unavailable, "the read did not finish"};
  try {
    found = fresh();
  } catch (const storage_fault& fault) {
    found = fault.failure();
  } catch (...) {  // out of memory
  }
  if (!found) on_failure_(found.error());
  const mutex_lock lock(mutex_);
  note(std::move(found), as_of_ms, begun);
  return cached();
}

void summary_cache::note(storage::stored<std::vector<storage::module_summary>>&& found,
                         wall_ms as_of_ms, mono_ms begun) {
  reading_ = false;
  const auto took_ms = time_.monotonic_now() - begun;
  due_at_ = begun + std::max<std::int64_t>(api_limits::overview_age_max_ms, 10 * took_ms);
  read_done_.notify_all();
  if (found) {
    cached_ = std::make_shared<const summaries>(summaries{std::move(found).value(), as_of_ms});
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
