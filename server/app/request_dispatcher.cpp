#include "server/app/request_dispatcher.hpp"

#include "server/api/api.hpp"
#include "server/api/api_limits.hpp"
#include "server/files/static_files.hpp"
#include "server/heartbeats/heartbeat_endpoint.hpp"
#include "server/heartbeats/heartbeat_limits.hpp"
#include "server/live/live_endpoint.hpp"

namespace watchkeeper::server {

using endpoint = heartbeat_endpoint;

namespace {

/// Never a file's, whatever the configuration says: a folder may be served at "/".
bool is_own_path(std::string_view path) noexcept {
  return path.starts_with("/v1/") || path == "/metrics" || path == "/healthz" ||
         path == "/readyz" || path.starts_with("/console/");
}

}  // namespace

net::request_sink::body_policy request_dispatcher::policy_of(net::http_method method,
                                                             std::string_view path) noexcept {
  if (path == endpoint::path) return {net::body_mode::whole, heartbeat_limits::body_bytes_max};
  if (path == endpoint::stream_path && method == net::http_method::post)
    return {net::body_mode::streamed, 0};
  // Streamed, so that the endpoint is notified when the client has gone.
  if (!is_own_path(path) && files_->accepts(path)) return {net::body_mode::streamed, 0};
  if (path == live_endpoint::path && method == net::http_method::get)
    return {net::body_mode::streamed, 0};
  return {net::body_mode::whole, api_limits::body_bytes_max};
}

void request_dispatcher::on_request(net::http_request&& request) noexcept {
  if (request.method == net::http_method::options && sharing_.is_preflight(request))
    return replies_->respond(request.reply_to, sharing_.preflight(request));
  // "/" leads to the console, unless a folder is served there.
  if (console_pages::serves(request.path) &&
      (is_own_path(request.path) || !files_->accepts(request.path)))
    return show_console(request);
  if (request.path == endpoint::path) return heartbeats_->on_request(std::move(request));
  if (request.path == endpoint::stream_path)
    return heartbeats_->on_stream_opened(std::move(request));
  if (!is_own_path(request.path) && files_->accepts(request.path))
    return files_->on_request(std::move(request));
  api_->submit(std::move(request));
}

void request_dispatcher::show_console(const net::http_request& request) noexcept {
  try {
    replies_->respond(request.reply_to, pages_.respond(request, now_()));
  } catch (...) {  // out of memory
    replies_->respond(request.reply_to,
                      {.status = 503, .content_type = {}, .body = {}, .headers = {}});
  }
}

void request_dispatcher::on_data(const net::reply_address& from, std::string_view bytes,
                                 bool last) noexcept {
  heartbeats_->on_stream_data(from, bytes, last);  // drops what belongs to no stream of its own
}

void request_dispatcher::on_gone(const net::reply_address& from) noexcept {
  heartbeats_->on_stream_gone(from);
  files_->on_gone(from);
  live_->on_gone(from);
}

void request_dispatcher::on_round_end(std::uint32_t io_thread) noexcept {
  heartbeats_->on_round_end(io_thread);
}

void request_dispatcher::on_drained(const net::reply_address& to) noexcept {
  files_->on_drained(to);
}

}  // namespace watchkeeper::server
