#include "server/app/cors.hpp"

#include "server/heartbeats/heartbeat_endpoint.hpp"

namespace watchkeeper::server {
namespace {

using net::request_field;

bool is_heartbeat_call(std::string_view path) noexcept {
  return path == heartbeat_endpoint::path || path == heartbeat_endpoint::stream_path;
}

/// What a player's page calls. The other calls are for servers and the console.
bool is_player_call(std::string_view path) noexcept {
  return is_heartbeat_call(path) || path == "/v1/keys" || path.starts_with("/v1/progress/") ||
         (path.starts_with("/v1/students/") && path.ends_with("/progress"));
}

}  // namespace

cors::cors(const std::vector<std::string>& origins, std::int64_t max_age_s)
    : max_age_(std::to_string(max_age_s)) {
  for (const auto& origin : origins) {
    shared_with one{origin, {{"access-control-allow-origin", origin}}};
    if (origin == "*")
      anybody_ = true;
    else
      one.fields.emplace_back("vary", "origin");
    one.fields.emplace_back("access-control-expose-headers", "retry-after, date");
    all_.push_back(std::move(one));
  }
  // A cache must not give the response for one origin to another.
  if (!all_.empty() && !anybody_) strangers_.emplace_back("vary", "origin");
}

const cors::shared_with* cors::find(std::string_view origin) const noexcept {
  if (origin.empty()) return nullptr;
  for (const auto& one : all_)
    if (one.origin == origin || anybody_) return &one;
  return nullptr;
}

const net::header_fields* cors::fields_for(const net::http_request& request) const noexcept {
  if (all_.empty() || !is_player_call(request.path)) return nullptr;
  if (anybody_) return &all_.front().fields;
  const auto* found = find(request.field(request_field::origin));
  return found != nullptr ? &found->fields : &strangers_;
}

bool cors::is_preflight(const net::http_request& request) const noexcept {
  return !all_.empty() && is_player_call(request.path) &&
         !request.field(request_field::access_control_request_method).empty() &&
         find(request.field(request_field::origin)) != nullptr;
}

net::http_response cors::preflight(const net::http_request& request) const {
  net::http_response response;
  response.status = 204;
  response.headers = {
      {"access-control-allow-methods", is_heartbeat_call(request.path) ? "POST" : "GET, HEAD"},
      {"access-control-allow-headers", "authorization, content-type, prefer, if-none-match"},
      {"access-control-max-age", max_age_}};
  return response;
}

}  // namespace watchkeeper::server
