#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <utility>

namespace watchkeeper::actors {

/// An order of calls: who has the turn calls the ledger, and until the turn ends nobody else who
/// needs one does. It guards no member. A turn lasts as long as a call of the ledger, so there is a
/// way to wait that ends. (std::timed_mutex has one too, but ThreadSanitizer does not know its
/// calls.) Thread: any.
class ledger_turns {
 public:
  /// A turn; it ends with this object, on any thread.
  class turn {
   public:
    explicit turn(ledger_turns& of) : of_(&of) {}
    turn(turn&& other) noexcept : of_(std::exchange(other.of_, nullptr)) {}
    turn& operator=(turn&&) = delete;
    ~turn() {
      if (of_) of_->end();
    }

   private:
    ledger_turns* of_;
  };

  /// Waits for as long as it takes.
  [[nodiscard]] turn take() {
    std::unique_lock lock(mutex_);
    ended_.wait(lock, [&] { return !taken_; });
    taken_ = true;
    return turn(*this);
  }
  /// Null if others have had the turn for all of `wait_max`.
  [[nodiscard]] std::optional<turn> take_within(std::chrono::milliseconds wait_max) {
    std::unique_lock lock(mutex_);
    if (!ended_.wait_for(lock, wait_max, [&] { return !taken_; })) return std::nullopt;
    taken_ = true;
    return turn(*this);
  }

 private:
  void end() {
    {
      const std::lock_guard lock(mutex_);
      taken_ = false;
    }
    ended_.notify_one();
  }

  std::mutex mutex_;
  std::condition_variable ended_;
  bool taken_ = false;
};

}  // namespace watchkeeper::actors
