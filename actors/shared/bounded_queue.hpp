#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <utility>
#include <vector>

#include "base/thread_safety.hpp"

namespace watchkeeper::actors {

/// The queue in front of a thread that blocks on a store. Many producers, and one consumer, which
/// takes all items at once.
template <class T>
class bounded_queue {
 public:
  explicit bounded_queue(std::size_t items_max) : items_max_(items_max) {}

  /// False, and `item` untouched, when the queue is full or closed.
  [[nodiscard]] bool push(T&& item) {
    bool was_empty = false;
    {
      const mutex_lock lock(mutex_);
      if (closed_ || items_.size() >= items_max_) return false;
      was_empty = items_.empty();
      items_.push_back(std::move(item));
    }
    if (was_empty) ready_.notify_one();  // else the consumer is awake already
    return true;
  }

  /// Waits for an item, until the time limit or the end. Returns nothing at the time limit, and
  /// once the queue is closed and empty.
  [[nodiscard]] std::vector<T> take_all(std::chrono::microseconds wait,
                                        std::size_t items_max = SIZE_MAX) {
    mutex_lock lock(mutex_);
    // A wait of zero length would still sleep for the timer's slack of 50 µs.
    if (wait.count() > 0)
      ready_.wait_for(lock.native(), wait,
                      [&]() REQUIRES(mutex_) { return closed_ || !items_.empty(); });
    std::vector<T> taken;
    const auto count = std::min(items_max, items_.size());
    taken.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
      taken.push_back(std::move(items_.front()));
      items_.pop_front();
    }
    return taken;
  }

  /// Changes the items that wait, in order. The producers wait meanwhile.
  template <class Change>
  void visit(Change change) {
    const mutex_lock lock(mutex_);
    for (auto& item : items_) change(item);
  }

  /// No item comes in any more. The items that are in the queue can still be taken.
  void close() {
    {
      const mutex_lock lock(mutex_);
      closed_ = true;
    }
    ready_.notify_all();
  }
  [[nodiscard]] bool finished() const {
    const mutex_lock lock(mutex_);
    return closed_ && items_.empty();
  }
  [[nodiscard]] bool closed() const {
    const mutex_lock lock(mutex_);
    return closed_;
  }
  [[nodiscard]] std::size_t size() const {
    const mutex_lock lock(mutex_);
    return items_.size();
  }

 private:
  mutable annotated_mutex mutex_;
  std::condition_variable ready_;
  std::deque<T> items_ GUARDED_BY(mutex_);
  const std::size_t items_max_;
  bool closed_ GUARDED_BY(mutex_) = false;
};

}  // namespace watchkeeper::actors
