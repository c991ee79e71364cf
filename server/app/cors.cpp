#include "server/app/cors.hpp"

#include "server/api/route_table.hpp"

namespace watchkeeper::server {
namespace {

using net::request_field;

net::router shared_routes() {
  net::router shared;
  for (const auto& route : all_routes())
    if (route.cors) shared.add(route.method, route.pattern, 0);
  return shared;
}

}  // namespace

cors::cors(const std::vector<std::string>& origins, std::int64_t max_age_s)
    : shared_(shared_routes()), max_age_(std::to_string(max_age_s)) {
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

bool cors::is_shared(const net::http_request& request) const noexcept {
  return shared_.match(request.method, request.path).what != net::router::match_result::not_found;
}

const net::header_fields* cors::fields_for(const net::http_request& request) const noexcept {
  if (all_.empty() || !is_shared(request)) return nullptr;
  if (anybody_) return &all_.front().fields;
  const auto* found = find(request.field(request_field::origin));
  return found != nullptr ? &found->fields : &strangers_;
}

bool cors::is_preflight(const net::http_request& request) const noexcept {
  return !all_.empty() && is_shared(request) &&
         !request.field(request_field::access_control_request_method).empty() &&
         find(request.field(request_field::origin)) != nullptr;
}

net::http_response cors::preflight(const net::http_request& request) const {
  net::http_response response;
  response.status = 204;
  response.headers = {
      {"access-control-allow-methods",
       std::string(shared_.match(request.method, request.path).allow)},
      {"access-control-allow-headers", "authorization, content-type, prefer, if-none-match"},
      {"access-control-max-age", max_age_}};
  return response;
}

}  // namespace watchkeeper::server
