#pragma once

#include <functional>
#include <memory>

#include "net/http.hpp"

namespace watchkeeper::server {

class api;
class heartbeat_endpoint;

/// Where every request arrives: heartbeats go to the heartbeat endpoint, all others to the API.
/// It exists before both, since the HTTP/2 server wants a sink and both want its reply port.
class front_desk final : public net::request_sink {
 public:
  /// Called before the server starts; both outlive it.
  void open(heartbeat_endpoint& heartbeats, api& others) noexcept {
    heartbeats_ = &heartbeats;
    api_ = &others;
  }

  body_policy policy_of(net::http_method method, std::string_view path) noexcept override;
  void on_request(net::http_request&& request) noexcept override;
  void on_data(const net::reply_address& from, std::string_view bytes, bool last) noexcept override;
  void on_gone(const net::reply_address& from) noexcept override;

 private:
  heartbeat_endpoint* heartbeats_ = nullptr;
  api* api_ = nullptr;
};

}  // namespace watchkeeper::server
