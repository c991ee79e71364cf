#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <optional>
#include <thread>
#include <vector>

#include "base/clock.hpp"
#include "base/thread_safety.hpp"
#include "net/shared/http.hpp"
#include "server/api/call.hpp"
#include "server/api/route_table.hpp"

namespace watchkeeper::server {

/// A request that is to be run.
struct queued_request {
  net::http_request request;
  const route* found = nullptr;
  std::vector<std::string> captured;
  identity caller;
  mono_ms queued_at;
  std::optional<recount_needed> rest = std::nullopt;  // all but this is done
};

/// A few threads, each with stores of its own, and one bounded queue before them.
class worker_pool {
 public:
  /// `run` is called for each request that was taken, on one of the threads, and must not throw.
  worker_pool(unsigned threads, std::size_t queued_max,
              std::function<void(queued_request&&, stores&)> run,
              stores::ledger_factory make_ledger, stores::hot_store_factory make_hot_store);
  ~worker_pool();
  worker_pool(const worker_pool&) = delete;
  worker_pool& operator=(const worker_pool&) = delete;

  /// Moves from the request and returns true, or leaves it as it is and returns false, because the
  /// queue is full or the pool stops. Any thread; never blocks for long.
  [[nodiscard]] bool push(queued_request& request);

  /// Takes nothing more, runs what is queued, ends the threads. Blocks. Once or more often.
  void stop();

 private:
  void work();

  const std::size_t queued_max_;
  const std::function<void(queued_request&&, stores&)> run_;
  const stores::ledger_factory make_ledger_;
  const stores::hot_store_factory make_hot_store_;
  annotated_mutex mutex_;
  std::condition_variable wake_;
  std::deque<queued_request> queue_ GUARDED_BY(mutex_);
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace watchkeeper::server
