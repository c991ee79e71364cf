#include "server/app/request_dispatcher.hpp"

#include "server/api/api.hpp"
#include "server/api/api_limits.hpp"
#include "server/api/route_table.hpp"
#include "server/config/own_paths.hpp"
#include "server/files/static_files.hpp"
#include "server/heartbeats/heartbeat_endpoint.hpp"
#include "server/live/live_endpoint.hpp"

namespace watchkeeper::server {

bool request_dispatcher::is_file(std::string_view path) const noexcept {
  return !is_own_path(path) && files_->accepts(path);
}

net::request_sink::body_policy request_dispatcher::policy_of(net::http_method method,
                                                             std::string_view path) noexcept {
  // Streamed, so that the files are notified when the client has gone.
  if (is_file(path)) return {net::body_mode::streamed, 0};
  const auto match = match_route(method, path);
  if (match.found == nullptr) return {net::body_mode::whole, api_limits::body_bytes_max};
  if (match.found->body == net::body_mode::streamed) return {net::body_mode::streamed, 0};
  return {net::body_mode::whole, body_bytes_max(match.found->limits)};
}

void request_dispatcher::on_request(net::http_request&& request) noexcept {
  if (request.method == net::http_method::options && sharing_.is_preflight(request))
    return responses_->respond(request.respond_to, sharing_.preflight(request));
  if (is_file(request.path)) return files_->on_request(std::move(request));
  const auto match = match_route(request.method, request.path);
  const auto* which =
      match.found != nullptr ? std::get_if<endpoint>(&match.found->served_by) : nullptr;
  if (which == nullptr) return api_->submit(std::move(request), match);
  switch (*which) {
    case endpoint::heartbeats:
      return heartbeats_->on_request(std::move(request));
    case endpoint::heartbeat_stream:
      return heartbeats_->on_stream_opened(std::move(request));
    case endpoint::console:
      return show_console(request);
  }
}

void request_dispatcher::show_console(const net::http_request& request) noexcept {
  try {
    responses_->respond(request.respond_to, pages_.respond(request, time_.wall_now()));
  } catch (...) {  // out of memory
    responses_->respond(request.respond_to,
                        {.status = 503, .content_type = {}, .body = {}, .headers = {}});
  }
}

void request_dispatcher::on_data(const net::response_address& from, std::string_view bytes,
                                 bool last) noexcept {
  heartbeats_->on_stream_data(from, bytes, last);  // drops what belongs to no stream of its own
}

void request_dispatcher::on_gone(const net::response_address& from) noexcept {
  heartbeats_->on_stream_gone(from);
  files_->on_gone(from);
  live_->on_gone(from);
}

void request_dispatcher::on_round_end(std::uint32_t io_thread) noexcept {
  heartbeats_->on_round_end(io_thread);
}

void request_dispatcher::on_drained(const net::response_address& to) noexcept {
  files_->on_drained(to);
}

}  // namespace watchkeeper::server
