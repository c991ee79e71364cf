#pragma once

#include <caf/allowed_unsafe_message_type.hpp>
#include <future>
#include <memory>
#include <optional>
#include <vector>

#include "actors/shared/heartbeat_job.hpp"
#include "base/clock.hpp"
#include "base/thread_safety.hpp"
#include "storage/hot_store.hpp"
#include "storage/limits.hpp"
#include "storage/tiered_store.hpp"

/// What actors send each other. A message is a shared pointer or a small value. It never leaves the
/// process and is never serialised.
namespace watchkeeper::actors {

/// A verified heartbeat that asks the shard for credit.
struct credit_job {
  heartbeat_job_ptr job;
};

/// Several of them in order, for one wake-up.
struct credit_jobs {
  std::vector<heartbeat_job_ptr> jobs;
};

/// One batch of one shard, on its way to the hot store and back. While it waits for the writer, its
/// shard may add to it. From `close` on it belongs to the writer alone, until it comes back. What
/// needs a row of the ledger goes once more, by way of the row loader, as a batch that is closed.
struct credit_batch {
  std::uint32_t shard = 0;
  std::size_t count = 0;  // of `requests`
  mono_us sent_at;
  std::vector<storage::tiered_request> requests;
  std::vector<storage::applied_credit> results;  // in the order of `requests`, once it is back
  /// Of the requests, once they have been read; `results` then has what the hot store said first.
  std::shared_ptr<const storage::ledger_rows> rows;

  /// Called by the writer, before the batch is in its queue.
  void open() {
    const mutex_lock lock(mutex_);
    open_ = true;
  }
  /// Called by the writer, before it reads the requests. Returns their number.
  std::size_t close() {
    const mutex_lock lock(mutex_);
    open_ = false;
    return count;
  }
  /// Called by the shard. Returns false, and leaves `request` untouched, if the writer has taken
  /// the batch, or the batch is full.
  [[nodiscard]] bool join(storage::tiered_request&& request) {
    const mutex_lock lock(mutex_);
    if (!open_ || count >= storage_limits::batch_heartbeats_max) return false;
    requests.push_back(std::move(request));
    ++count;
    return true;
  }
  [[nodiscard]] std::size_t waiting() const {
    const mutex_lock lock(mutex_);
    return count;
  }

 private:
  mutable annotated_mutex mutex_;
  bool open_ GUARDED_BY(mutex_) = false;
};
struct batch_stored {
  std::shared_ptr<credit_batch> batch;
};

/// A question for the progress of a pair. If it is lost, its destructor replies with a failure.
class progress_query {
 public:
  explicit progress_query(const pair_key& pair) : key(pair) {}
  ~progress_query() {
    if (!replied_)
      promise_.set_value(
          storage::storage_failure{storage::storage_error::unavailable, "the query was lost"});
  }
  /// Only the first call has an effect.
  void reply(storage::stored<std::optional<progress>> found) {
    if (replied_) return;
    replied_ = true;
    promise_.set_value(std::move(found));
  }
  std::future<storage::stored<std::optional<progress>>> future() { return promise_.get_future(); }

  const pair_key key;

 private:
  std::promise<storage::stored<std::optional<progress>>> promise_;
  bool replied_ = false;
};
struct progress_lookup {
  std::shared_ptr<progress_query> query;
};
/// What the stores have for a query that the shard's memory could not serve.
struct progress_found {
  std::shared_ptr<progress_query> query;
  std::shared_ptr<storage::stored<std::optional<progress>>> found;
};

/// Every change from before `started` is in the ledger.
struct checkpoint_done {
  mono_ms started;
  mono_ms now;
};

/// The student is erased: forget what memory has of the epochs that have ended.
struct student_erased {
  storage::erased_student erased;
  std::shared_ptr<std::promise<void>> forgotten;  // may be null
};

/// The pair was reset: memory may have an attempt that has ended.
struct progress_reset {
  pair_key pair;
  life_number begun;  // the new attempt
};

/// Sent about once a second, so that a shard without traffic does its periodic work too.
struct shard_tick {};

}  // namespace watchkeeper::actors

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(watchkeeper::actors::heartbeat_job_ptr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(watchkeeper::actors::credit_job)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(watchkeeper::actors::credit_jobs)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(watchkeeper::actors::batch_stored)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(watchkeeper::actors::progress_lookup)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(watchkeeper::actors::progress_found)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(watchkeeper::actors::checkpoint_done)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(watchkeeper::actors::student_erased)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(watchkeeper::actors::progress_reset)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(watchkeeper::actors::shard_tick)
