#include "server/api/worker_pool.hpp"

#include <utility>

namespace watchkeeper::server {

worker_pool::worker_pool(unsigned threads, std::size_t queued_max,
                         std::function<void(queued_request&&, stores&)> run,
                         stores::ledger_factory make_ledger,
                         stores::hot_store_factory make_hot_store)
    : queued_max_(queued_max),
      run_(std::move(run)),
      make_ledger_(std::move(make_ledger)),
      make_hot_store_(std::move(make_hot_store)) {
  threads_.reserve(threads);
  for (unsigned i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
}

worker_pool::~worker_pool() {
  stop();
}

bool worker_pool::push(queued_request& request) {
  {
    const mutex_lock lock(mutex_);
    if (stopping_ || queue_.size() >= queued_max_) return false;
    queue_.push_back(std::move(request));
  }
  wake_.notify_one();
  return true;
}

void worker_pool::stop() {
  {
    const mutex_lock lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (auto& thread : threads_)
    if (thread.joinable()) thread.join();
}

void worker_pool::work() {
  stores own(make_ledger_, make_hot_store_);
  mutex_lock lock(mutex_);
  while (true) {
    wake_.wait(lock.native(), [this]() REQUIRES(mutex_) { return stopping_ || !queue_.empty(); });
    if (queue_.empty()) return;
    auto next = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    run_(std::move(next), own);
    lock.lock();
  }
}

}  // namespace watchkeeper::server
