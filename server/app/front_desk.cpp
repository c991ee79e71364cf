#include "server/app/front_desk.hpp"

#include "domain/limits.hpp"
#include "server/api/api.hpp"
#include "server/heartbeats/heartbeat_endpoint.hpp"

namespace watchkeeper::server {

using endpoint = heartbeat_endpoint;

net::request_sink::body_policy front_desk::policy_of(net::http_method method,
                                                     std::string_view path) noexcept {
  if (path == endpoint::path) return {net::body_mode::whole, endpoint::body_bytes_max};
  if (path == endpoint::stream_path && method == net::http_method::post)
    return {net::body_mode::streamed, 0};
  return {net::body_mode::whole, limits::api_body_bytes_max};
}

void front_desk::on_request(net::http_request&& request) noexcept {
  if (request.method == net::http_method::options && sharing_.is_preflight(request))
    return replies_->respond(request.reply_to, sharing_.preflight(request));
  if (request.path == endpoint::path) return heartbeats_->on_request(std::move(request));
  if (request.path == endpoint::stream_path)
    return heartbeats_->on_stream_opened(std::move(request));
  api_->submit(std::move(request));
}

void front_desk::on_data(const net::reply_address& from, std::string_view bytes,
                         bool last) noexcept {
  heartbeats_->on_stream_data(from, bytes, last);
}

void front_desk::on_gone(const net::reply_address& from) noexcept {
  heartbeats_->on_stream_gone(from);
}

}  // namespace watchkeeper::server
