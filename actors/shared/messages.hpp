#pragma once

#include <caf/allowed_unsafe_message_type.hpp>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "actors/shared/heartbeat_job.hpp"
#include "storage/hot_store.hpp"
#include "storage/limits.hpp"
#include "storage/tiered_store.hpp"

/// What actors send each other. All stay within the process: a message is a shared pointer or a
/// small value, never serialised.
namespace watchkeeper::actors {

/// A verified heartbeat that asks the shard for credit.
struct credit_job {
  heartbeat_job_ptr job;
};

/// Several of them, for one wake-up; in order.
struct credit_jobs {
  std::vector<heartbeat_job_ptr> jobs;
};

/// One batch of one shard, on its way to the hot store and back. While it waits for the writer its
/// shard may add to it; from `close` on it belongs to the writer alone, until it comes back.
struct credit_batch {
  std::uint32_t shard = 0;
  std::size_t count = 0;  // of `requests`
  std::uint64_t sent_at_us = 0;
  std::vector<storage::tiered_request> requests;
  std::vector<storage::applied_credit> results;  // in the order of `requests`, once it is back

  /// The writer's, before anybody may find it waiting.
  void open() {
    std::lock_guard lock(mutex_);
    open_ = true;
  }
  /// The writer's, before it looks at the requests. Returns their number.
  std::size_t close() {
    std::lock_guard lock(mutex_);
    open_ = false;
    return count;
  }
  /// The shard's. False, and `request` untouched, when the batch waits no longer or is full.
  [[nodiscard]] bool join(storage::tiered_request&& request) {
    std::lock_guard lock(mutex_);
    if (!open_ || count >= storage_limits::batch_heartbeats_max) return false;
    requests.push_back(std::move(request));
    ++count;
    return true;
  }
  [[nodiscard]] std::size_t waiting() const {
    std::lock_guard lock(mutex_);
    return count;
  }

 private:
  mutable std::mutex mutex_;
  bool open_ = false;
};
struct batch_stored {
  std::shared_ptr<credit_batch> batch;
};

/// Somebody wants to know a pair's progress. Answers itself with a failure when it is lost.
class progress_query {
 public:
  explicit progress_query(const pair_key& wanted) : key(wanted) {}
  ~progress_query() {
    if (!answered_)
      promise_.set_value(
          storage::storage_failure{storage::storage_error::unavailable, "the query was lost"});
  }
  void answer(storage::stored<std::optional<progress>> found) {
    if (answered_) return;
    answered_ = true;
    promise_.set_value(std::move(found));
  }
  std::future<storage::stored<std::optional<progress>>> future() { return promise_.get_future(); }

  const pair_key key;

 private:
  std::promise<storage::stored<std::optional<progress>>> promise_;
  bool answered_ = false;
};
struct progress_wanted {
  std::shared_ptr<progress_query> query;
};
/// The stores' word on a query that memory could not answer.
struct progress_found {
  std::shared_ptr<progress_query> query;
  std::shared_ptr<storage::stored<std::optional<progress>>> found;
};

/// Everything that was changed before `started_ms` is in the ledger.
struct checkpoint_done {
  unix_ms started_ms = 0;
  unix_ms now_ms = 0;
};

/// The student is erased: forget, and refuse what waits.
struct student_erased {
  student_id student;
  std::shared_ptr<std::promise<void>> forgotten;  // may be null
};

/// About once a second: a shard without traffic looks up from its mailbox too.
struct shard_tick {};

}  // namespace watchkeeper::actors

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(watchkeeper::actors::heartbeat_job_ptr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(watchkeeper::actors::credit_job)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(watchkeeper::actors::credit_jobs)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(watchkeeper::actors::batch_stored)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(watchkeeper::actors::progress_wanted)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(watchkeeper::actors::progress_found)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(watchkeeper::actors::checkpoint_done)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(watchkeeper::actors::student_erased)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(watchkeeper::actors::shard_tick)
