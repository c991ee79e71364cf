#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <vector>

namespace watchkeeper::fleet {

/// Is notified of what happens to a descriptor. Outlives its registration and the turn it ends in.
class io_handler {
 public:
  virtual ~io_handler() = default;
  /// `events`: the EPOLL… bits. May be spurious.
  virtual void on_io(std::uint32_t events) = 0;
  /// Once a turn after at_turn_end: the place to write what the turn has gathered in one go.
  virtual void on_turn_end() = 0;
};

/// epoll (level-triggered) and timers. One thread. Throws std::system_error from the constructor
/// and from `watch` when the operating system gives no descriptor or no memory.
class event_loop {
 public:
  using clock = std::chrono::steady_clock;
  using time_point = clock::time_point;

  event_loop();
  ~event_loop();
  event_loop(const event_loop&) = delete;
  event_loop& operator=(const event_loop&) = delete;

  void watch(int descriptor, std::uint32_t events, io_handler* handler);
  void rewatch(int descriptor, std::uint32_t events, io_handler* handler) noexcept;
  void forget(int descriptor) noexcept;

  /// Calls `action` in the turn after `when`. Timers cannot be taken back: an action checks whether
  /// it is still wanted.
  void at(time_point when, std::function<void()> action);
  /// A handler that asks in the same turn more than once is called as often: keep a flag.
  void at_turn_end(io_handler* handler) { turn_end_.push_back(handler); }
  /// For a handler that ends before the turn does.
  void forget_turn_end(io_handler* handler) noexcept;

  /// One turn: waits for events, for the next timer or until `until`, and handles what there is.
  void run_once(time_point until);
  /// The time at which the current turn began to handle its events.
  [[nodiscard]] time_point now() const noexcept { return now_; }

 private:
  struct timer {
    time_point when;
    std::uint64_t order;  // of equal times the earlier request goes first
    std::function<void()> action;
  };
  static bool later(const timer& a, const timer& b) noexcept {
    return a.when != b.when ? a.when > b.when : a.order > b.order;
  }

  int epoll_ = -1;
  time_point now_;
  std::uint64_t next_order_ = 0;
  std::vector<timer> timers_;  // a heap, the earliest in front
  std::vector<io_handler*> turn_end_;
  std::vector<io_handler*> turn_end_now_;
};

}  // namespace watchkeeper::fleet
