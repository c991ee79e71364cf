#pragma once

#include <array>
#include <atomic>
#include <functional>

#include "actors/shared/heartbeat.hpp"
#include "base/clock.hpp"
#include "domain/limits.hpp"
#include "net/shared/http.hpp"

namespace watchkeeper::server {

/// The response to one request, which waits for a result of each token. The thread that brings the
/// last result writes it.
class pending_response final : public actors::heartbeat_listener {
 public:
  pending_response(net::response_port& responses, const net::response_address& to,
                   std::size_t tokens, bool minimal, const time_source& time)
      : responses_(responses),
        to_(to),
        tokens_(tokens),
        minimal_(minimal),
        time_(time),
        left_(tokens) {}
  /// The request's tokens are subtracted from `in_flight` before the response is written. To be
  /// called before the actors get a token. The endpoint, which outlives every request, owns it.
  void count_down(std::atomic<std::size_t>& in_flight) noexcept { in_flight_ = &in_flight; }

  void on_result(std::size_t index, const actors::heartbeat_result& result) noexcept override;

 private:
  void finish() noexcept;

  net::response_port& responses_;
  net::response_address to_;
  std::size_t tokens_;
  bool minimal_;
  const time_source& time_;
  std::atomic<std::size_t> left_;
  std::atomic<std::size_t>* in_flight_ = nullptr;
  actors::heartbeat_result first_;  // one token is the rule: no allocation for it
  std::unique_ptr<std::array<actors::heartbeat_result, limits::tokens_per_request_max>> all_ =
      tokens_ > 1
          ? std::make_unique<std::array<actors::heartbeat_result, limits::tokens_per_request_max>>()
          : nullptr;
};

}  // namespace watchkeeper::server
