#pragma once

#include <functional>
#include <memory>

#include "base/clock.hpp"
#include "net/shared/http.hpp"
#include "server/app/cors.hpp"
#include "server/console/console_pages.hpp"

namespace watchkeeper::server {

class api;
class heartbeat_endpoint;
class static_files;
class live_endpoint;

/// Gives every request to what serves it: a [[static]] folder, or the endpoint of its row in the
/// route table. The API gets all others, also those without a row.
/// It exists before the endpoints: the HTTP/2 server needs a sink, and they need the response port.
class request_dispatcher final : public net::request_sink {
 public:
  request_dispatcher(cors sharing, const time_source& time)
      : sharing_(std::move(sharing)), time_(time) {}

  /// Called before the server starts; all outlive it.
  void open(net::response_port& responses, heartbeat_endpoint& heartbeats, static_files& files,
            live_endpoint& live, api& others) noexcept {
    responses_ = &responses;
    heartbeats_ = &heartbeats;
    files_ = &files;
    live_ = &live;
    api_ = &others;
  }

  body_policy policy_of(net::http_method method, std::string_view path) noexcept override;
  const net::header_fields* common_fields(const net::http_request& request) noexcept override {
    return sharing_.fields_for(request);
  }
  void on_request(net::http_request&& request) noexcept override;
  void on_data(const net::response_address& from, std::string_view bytes,
               bool last) noexcept override;
  void on_drained(const net::response_address& to) noexcept override;
  void on_gone(const net::response_address& from) noexcept override;
  void on_round_end(std::uint32_t io_thread) noexcept override;

 private:
  /// Whether a [[static]] folder serves the path.
  [[nodiscard]] bool is_file(std::string_view path) const noexcept;
  void show_console(const net::http_request& request) noexcept;

  const cors sharing_;
  const time_source& time_;
  const console_pages pages_;
  net::response_port* responses_ = nullptr;
  heartbeat_endpoint* heartbeats_ = nullptr;
  static_files* files_ = nullptr;
  live_endpoint* live_ = nullptr;
  api* api_ = nullptr;
};

}  // namespace watchkeeper::server
