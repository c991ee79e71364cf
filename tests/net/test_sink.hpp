#pragma once

#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "net/shared/http.hpp"
#include "tests/base/manual_clock.hpp"
#include "tests/net/wait_max.hpp"

namespace watchkeeper::net::test {

using watchkeeper::test::manual_clock;

/// Responds by path:
///   /echo           the body, at once, on the I/O thread
///   /describe       the request's fields, one a line
///   /shared…        as others, and each response has the common field `x-common`
///   /status/NNN     that status, body "status"
///   /big            1 MiB
///   /hold           nothing, until release() responds to all of them
///   /round          when its round ends, how many requests waited for that
///   /busy           at once, and keeps the I/O thread until let_go(), for wait_max at most
///   /late           at once, and moves the clock by more than a round lasts
///   /stream         (streamed) the body comes back as it arrives, consumed at once
///   /stall          (streamed) begins a response, consumes nothing until consume_stalled()
///   /pull           (streamed) 1 MiB in chunks of 64 KiB, each when it is asked for
///   /turns          (streamed) as /stream, but all that is not the end is sent by another thread
///   /flood          (streamed) begins a response and sends 64 KiB chunks, 8 of them
/// Thread: any; a mutex guards all.
class test_sink : public request_sink {
 public:
  /// Borrows the clock.
  explicit test_sink(manual_clock& clock) : clock_(clock) {}
  response_port* port = nullptr;  // set before the first request
  std::size_t body_bytes_max = 64 * 1024;

  body_policy policy_of(http_method method, std::string_view path) noexcept override;
  const header_fields* common_fields(const http_request& request) noexcept override;
  void on_request(http_request&& request) noexcept override;
  void on_data(const response_address& from, std::string_view bytes, bool last) noexcept override;
  void on_drained(const response_address& to) noexcept override;
  void on_gone(const response_address& from) noexcept override;
  void on_round_end(std::uint32_t io_thread) noexcept override;
  std::size_t pulled();

  /// Waits for `count` pending requests to /hold; false after wait_max.
  bool wait_pending(std::size_t count);
  bool wait_busy();
  std::size_t rounds();
  bool wait_rounds(std::size_t count);
  void let_go();
  bool wait_gone(std::size_t count);
  bool wait_stalled_bytes(std::size_t count);
  std::vector<response_address> pending();
  void release();
  void consume_stalled();
  std::size_t stalled_bytes();

 private:
  bool is_pulled(const response_address& from);
  template <class Condition>
  bool wait(Condition condition) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, wait_max, condition);
  }
  manual_clock& clock_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<response_address> pending_;
  std::vector<response_address> of_this_round_;
  std::map<std::uint64_t, std::map<std::int32_t, std::string>> streams_;  // path by stream
  std::size_t gone_ = 0;
  std::size_t pulled_ = 0;
  std::size_t rounds_ = 0;
  std::size_t stalled_bytes_ = 0;
  std::optional<response_address> stalled_;
  bool busy_ = false;
};

}  // namespace watchkeeper::net::test
