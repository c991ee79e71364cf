#pragma once

#include <functional>
#include <memory>

#include "net/http.hpp"
#include "server/app/cors.hpp"

namespace watchkeeper::server {

class api;
class heartbeat_endpoint;
class static_files;

/// Where every request arrives: heartbeats go to the heartbeat endpoint, files to
/// the folders, all others to the API.
/// It exists before both, since the HTTP/2 server wants a sink and both want its reply port.
class front_desk final : public net::request_sink {
 public:
  explicit front_desk(cors sharing) : sharing_(std::move(sharing)) {}

  /// Called before the server starts; all outlive it.
  void open(net::reply_port& replies, heartbeat_endpoint& heartbeats, static_files& files,
            api& others) noexcept {
    replies_ = &replies;
    heartbeats_ = &heartbeats;
    files_ = &files;
    api_ = &others;
  }

  body_policy policy_of(net::http_method method, std::string_view path) noexcept override;
  const net::header_fields* common_fields(const net::http_request& request) noexcept override {
    return sharing_.fields_for(request);
  }
  void on_request(net::http_request&& request) noexcept override;
  void on_data(const net::reply_address& from, std::string_view bytes, bool last) noexcept override;
  void on_drained(const net::reply_address& to) noexcept override;
  void on_gone(const net::reply_address& from) noexcept override;

 private:
  const cors sharing_;
  net::reply_port* replies_ = nullptr;
  heartbeat_endpoint* heartbeats_ = nullptr;
  static_files* files_ = nullptr;
  api* api_ = nullptr;
};

}  // namespace watchkeeper::server
