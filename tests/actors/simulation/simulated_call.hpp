#pragma once

#include <chrono>
#include <coroutine>
#include <future>
#include <utility>

namespace watchkeeper::actors::testing {

/// A call of the API as a coroutine: it stops where the product's thread waits, and where other
/// threads may come in between, until the simulation gives it a turn.
class [[nodiscard]] simulated_call {
 public:
  struct promise_type;
  using handle = std::coroutine_handle<promise_type>;

  /// To be awaited. It ends when `is_over` says so; if that is null, at the next turn.
  struct pause {
    const void* what = nullptr;
    bool (*is_over)(const void*) = nullptr;

    [[nodiscard]] bool await_ready() const noexcept { return false; }
    void await_suspend(handle waiting) const noexcept { waiting.promise().at = *this; }
    void await_resume() const noexcept {}
  };
  struct promise_type {
    pause at;
    simulated_call get_return_object() { return simulated_call(handle::from_promise(*this)); }
    std::suspend_always initial_suspend() const noexcept { return {}; }
    std::suspend_always final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    void unhandled_exception() const { throw; }  // to go_on()
  };

  simulated_call(simulated_call&& other) noexcept : call_(std::exchange(other.call_, {})) {}
  ~simulated_call() {
    if (call_) call_.destroy();
  }

  [[nodiscard]] bool is_done() const { return call_.done(); }
  [[nodiscard]] bool waits() const {
    const auto& at = call_.promise().at;
    return at.is_over && !at.is_over(at.what);
  }
  void go_on() { call_.resume(); }

 private:
  explicit simulated_call(handle call) : call_(call) {}
  handle call_;
};

/// Lets others come in between.
inline simulated_call::pause others() noexcept {
  return {};
}
/// Waits as the product's thread waits for the future, which outlives the pause.
template <class T>
simulated_call::pause until(const std::future<T>& coming) noexcept {
  return {&coming, [](const void* what) {
            return static_cast<const std::future<T>*>(what)->wait_for(std::chrono::seconds(0)) ==
                   std::future_status::ready;
          }};
}

}  // namespace watchkeeper::actors::testing
