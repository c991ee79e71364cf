// watchkeeper device SDK for C++17: watchkeeper.h with ownership and std::function.
// The thread rules of watchkeeper.h apply. Callbacks must not throw.
#ifndef WATCHKEEPER_HPP
#define WATCHKEEPER_HPP

#include <watchkeeper.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

namespace watchkeeper_sdk {

/// The reason why a client could not be created.
class error : public std::runtime_error {
 public:
  error(wk_result code, const std::string& sentence) : std::runtime_error(sentence), code_(code) {}
  [[nodiscard]] wk_result code() const noexcept { return code_; }

 private:
  wk_result code_;
};

/// Events for the app. Leave out those that you do not need.
struct callbacks {
  std::function<void(const wk_progress&)> on_progress;
  std::function<void(const wk_drop* drops, std::size_t count)> on_drop;
  std::function<void(wk_failure, const char* text)> on_failure;
};

/// All defaults.
inline wk_options default_options() {
  wk_options made;
  wk_options_init(&made);
  return made;
}

/// One device. Movable; one thread at a time. A function returns false if its function in
/// watchkeeper.h returns an error.
class client {
 public:
  /// `handlers` replaces `options.callbacks`. Throws error.
  explicit client(wk_options options, callbacks handlers = {})
      : callbacks_(std::make_unique<callbacks>(std::move(handlers))) {
    options.callbacks = {callbacks_.get(), progress, drop, failure};
    char text[256];
    wk_result result = WK_OK;
    handle_.reset(wk_client_create(&options, &result, text, sizeof text));
    if (!handle_) throw error(result, text);
  }

  bool open(const std::string& module) {
    return good(wk_client_open(get(), module.c_str(), nullptr));
  }
  bool open(const std::string& module, const std::string& session) {
    return good(wk_client_open(get(), module.c_str(), session.c_str()));
  }
  bool play(std::int64_t at_ms) { return good(wk_client_play(get(), at_ms)); }
  bool pause(std::int64_t at_ms) { return good(wk_client_pause(get(), at_ms)); }
  bool position(std::int64_t at_ms) { return good(wk_client_position(get(), at_ms)); }
  bool seeking(std::int64_t at_ms) { return good(wk_client_seeking(get(), at_ms)); }
  bool seeked(std::int64_t to_ms) { return good(wk_client_seeked(get(), to_ms)); }
  bool rate(std::int64_t at_ms, double rate) { return good(wk_client_rate(get(), at_ms, rate)); }
  bool stalled(std::int64_t at_ms) { return good(wk_client_stalled(get(), at_ms)); }
  bool resumed(std::int64_t at_ms) { return good(wk_client_resumed(get(), at_ms)); }
  bool background(std::int64_t at_ms) { return good(wk_client_background(get(), at_ms)); }
  bool foreground(std::int64_t at_ms) { return good(wk_client_foreground(get(), at_ms)); }
  bool ended(std::int64_t at_ms) { return good(wk_client_ended(get(), at_ms)); }

  bool poll() { return good(wk_client_poll(get())); }
  bool flush() { return good(wk_client_flush(get())); }
  bool wait(std::int64_t timeout_ms) { return good(wk_client_wait(get(), timeout_ms)); }
  [[nodiscard]] std::int64_t next_due_ms() { return wk_client_next_due_ms(get()); }

  [[nodiscard]] wk_status status() {
    wk_status made;
    wk_client_status(get(), &made);
    return made;
  }
  [[nodiscard]] wk_identity identity() {
    wk_identity made;
    wk_client_identity(get(), &made);
    return made;
  }
  /// For every other function of watchkeeper.h.
  [[nodiscard]] wk_client* get() const noexcept { return handle_.get(); }

 private:
  static bool good(wk_result result) noexcept { return result == WK_OK; }
  static void progress(void* user, const wk_progress* of) {
    if (auto& call = static_cast<callbacks*>(user)->on_progress) call(*of);
  }
  static void drop(void* user, const wk_drop* drops, std::size_t count) {
    if (auto& call = static_cast<callbacks*>(user)->on_drop) call(drops, count);
  }
  static void failure(void* user, wk_failure which, const char* text) {
    if (auto& call = static_cast<callbacks*>(user)->on_failure) call(which, text);
  }
  struct closer {
    void operator()(wk_client* handle) const noexcept { wk_client_destroy(handle); }
  };

  std::unique_ptr<callbacks> callbacks_;  // outlives the handle, whose end may still call one
  std::unique_ptr<wk_client, closer> handle_;
};

}  // namespace watchkeeper_sdk

#endif
