#include "tools/fleet/event_loop.hpp"

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

namespace watchkeeper::fleet {

event_loop::event_loop() : epoll_(epoll_create1(EPOLL_CLOEXEC)), now_(clock::now()) {
  if (epoll_ < 0) throw std::system_error(errno, std::generic_category(), "epoll_create1");
}

event_loop::~event_loop() {
  close(epoll_);
}

void event_loop::watch(int descriptor, std::uint32_t events, io_handler* handler) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = handler;
  if (epoll_ctl(epoll_, EPOLL_CTL_ADD, descriptor, &event) != 0)
    throw std::system_error(errno, std::generic_category(), "epoll_ctl");
}

void event_loop::rewatch(int descriptor, std::uint32_t events, io_handler* handler) noexcept {
  epoll_event event{};
  event.events = events;
  event.data.ptr = handler;
  epoll_ctl(epoll_, EPOLL_CTL_MOD, descriptor, &event);
}

void event_loop::forget(int descriptor) noexcept {
  epoll_ctl(epoll_, EPOLL_CTL_DEL, descriptor, nullptr);
}

void event_loop::forget_turn_end(io_handler* handler) noexcept {
  std::erase(turn_end_, handler);
  std::replace(turn_end_now_.begin(), turn_end_now_.end(), handler,
               static_cast<io_handler*>(nullptr));
}

void event_loop::at(time_point when, std::function<void()> action) {
  timers_.push_back({when, next_order_++, std::move(action)});
  std::push_heap(timers_.begin(), timers_.end(), later);
}

void event_loop::run_once(time_point until) {
  if (!timers_.empty()) until = std::min(until, timers_.front().when);
  // Rounded up: waking a fraction of a millisecond early would spin until the timer is due.
  const auto wait = std::chrono::ceil<std::chrono::milliseconds>(until - clock::now()).count();
  const int wait_ms = turn_end_.empty() ? static_cast<int>(std::clamp<long>(wait, 0, 1000)) : 0;
  std::array<epoll_event, 512> events;
  const int ready = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), wait_ms);
  now_ = clock::now();
  for (int i = 0; i < ready; ++i)
    static_cast<io_handler*>(events[static_cast<std::size_t>(i)].data.ptr)
        ->on_io(events[static_cast<std::size_t>(i)].events);
  // Only the timers due by now_: one that re-arms itself for the past cannot keep the turn alive.
  const auto order_limit = next_order_;
  while (!timers_.empty() && timers_.front().when <= now_ && timers_.front().order < order_limit) {
    std::pop_heap(timers_.begin(), timers_.end(), later);
    auto action = std::move(timers_.back().action);
    timers_.pop_back();
    action();
  }
  turn_end_now_.swap(turn_end_);
  // By index: a handler may make others forgotten.
  for (std::size_t i = 0; i < turn_end_now_.size(); ++i)
    if (turn_end_now_[i] != nullptr) turn_end_now_[i]->on_turn_end();
  turn_end_now_.clear();
}

}  // namespace watchkeeper::fleet
