#include "server/api/route_table.hpp"

#include <algorithm>
#include <array>

#include "server/api/api_limits.hpp"
#include "server/config/own_paths.hpp"
#include "server/heartbeats/heartbeat_limits.hpp"

namespace watchkeeper::server {
namespace {

namespace rows {  // its short names are for the table only

using enum net::http_method;
using parameter_names = std::span<const std::string_view>;

constexpr std::string_view page[] = {"cursor", "limit"};
constexpr std::string_view page_in_order[] = {"cursor", "limit", "order"};
constexpr std::string_view limit_only[] = {"limit"};
constexpr std::string_view bins_only[] = {"bins"};
constexpr std::string_view module_only[] = {"module"};
constexpr std::string_view token_only[] = {"token"};
constexpr std::string_view statistics[] = {"format", "filter"};
constexpr std::string_view completions[] = {"after", "before",  "limit",
                                            "order", "student", "module"};

constexpr auto viewer = access::viewer;
constexpr auto admin = access::admin;
constexpr auto anyone = access::anyone;
constexpr auto operators = access::operator_role;

/// A call that runs on an API thread of its class.
constexpr route on_thread(net::http_method method, std::string_view pattern, access needs,
                          thread_handler handler, parameter_names parameters, limit_class limits) {
  return {.method = method,
          .pattern = pattern,
          .needs = needs,
          .served_by = handler,
          .limits = limits,
          .parameters = parameters};
}
constexpr route reads(std::string_view pattern, access needs, thread_handler handler,
                      parameter_names parameters = {}) {
  return on_thread(get, pattern, needs, handler, parameters, limit_class::api_reads);
}
constexpr route reports(std::string_view pattern, access needs, thread_handler handler,
                        parameter_names parameters = {}) {
  return on_thread(get, pattern, needs, handler, parameters, limit_class::api_reports);
}
constexpr route reads_memory(std::string_view pattern, access needs, thread_handler handler,
                             parameter_names parameters = {}) {
  return on_thread(get, pattern, needs, handler, parameters, limit_class::api_memory);
}
constexpr route writes(net::http_method method, std::string_view pattern, access needs,
                       thread_handler handler) {
  return on_thread(method, pattern, needs, handler, {}, limit_class::api_writes);
}
/// A call that runs on the I/O thread, in microseconds.
constexpr route at_once(net::http_method method, std::string_view pattern, access needs,
                        immediate_handler handler) {
  return {.method = method,
          .pattern = pattern,
          .needs = needs,
          .served_by = handler,
          .limits = limit_class::io_thread};
}
constexpr route live_stream(std::string_view pattern, access needs, immediate_handler handler,
                            parameter_names parameters) {
  return {.method = get,
          .pattern = pattern,
          .needs = needs,
          .served_by = handler,
          .limits = limit_class::live_streams,
          .parameters = parameters,
          .body = net::body_mode::streamed};  // so that the endpoint learns when the client goes
}
constexpr route heartbeats(std::string_view pattern, endpoint which, net::body_mode body,
                           parameter_names parameters = {}) {
  return {.method = post,
          .pattern = pattern,
          .needs = anyone,  // the tokens themselves are signed
          .served_by = which,
          .limits = limit_class::heartbeats,
          .parameters = parameters,
          .body = body};
}
constexpr route console_page(std::string_view pattern) {
  return {.method = get,
          .pattern = pattern,
          .needs = anyone,
          .served_by = endpoint::console,
          .limits = limit_class::io_thread};
}
/// A route that the page of a player calls.
constexpr route with_cors(route of) {
  of.cors = true;
  return of;
}

// Heartbeats come first, because most requests are theirs.
constexpr auto table = std::to_array<route>({
    with_cors(
        heartbeats("/v1/heartbeats", endpoint::heartbeats, net::body_mode::whole, token_only)),
    with_cors(
        heartbeats("/v1/heartbeats/stream", endpoint::heartbeat_stream, net::body_mode::streamed)),
    with_cors(at_once(get, "/v1/keys", anyone, get_session_keys)),

    reads("/v1/modules", viewer, list_modules, page),
    reads("/v1/modules/{module}", viewer, get_module),
    writes(put, "/v1/modules/{module}", admin, put_module),
    writes(patch, "/v1/modules/{module}", admin, patch_module),
    writes(del, "/v1/modules/{module}", admin, delete_module),
    reports("/v1/modules/{module}/students", viewer, list_module_students, page_in_order),
    reports("/v1/modules/{module}/heatmap", viewer, get_heatmap, bins_only),

    reads("/v1/devices/{kid}", admin, get_device),
    writes(put, "/v1/devices/{kid}", admin, put_device),
    writes(del, "/v1/devices/{kid}", admin, delete_device),

    writes(put, "/v1/assignments/{student}/{module}", admin, put_assignment),
    writes(del, "/v1/assignments/{student}/{module}", admin, delete_assignment),

    with_cors(reads("/v1/students/{student}/progress", viewer, list_student_progress, page)),
    reads("/v1/students/{student}/devices", admin, list_student_devices),
    reads_memory("/v1/students/{student}/refusals", viewer, list_student_refusals, limit_only),
    writes(del, "/v1/students/{student}", admin, delete_student),
    with_cors(reads("/v1/progress/{student}/{module}", viewer, get_progress)),
    writes(post, "/v1/progress/{student}/{module}/reset", admin, reset_progress),

    reads("/v1/completions", viewer, list_completions, completions),
    reports("/v1/completions.csv", viewer, list_completions_csv, completions),
    reports("/v1/overview", viewer, get_overview),
    live_stream("/v1/live", viewer, open_live_stream, module_only),

    at_once(post, "/v1/session", anyone, post_login),
    at_once(get, "/v1/session", anyone, get_login),
    at_once(del, "/v1/session", anyone, delete_login),

    reads_memory("/v1/stats", operators, get_statistics, statistics),
    reads_memory("/metrics", operators, get_metrics),
    at_once(get, "/healthz", anyone, get_health),
    at_once(get, "/readyz", anyone, get_readiness),

    console_page("/"),
    console_page("/console"),
    console_page("/console/*"),
});

}  // namespace rows

using rows::table;

constexpr std::string_view any_below = "/*";

constexpr bool is_prefix(const route& r) noexcept {
  return r.pattern.ends_with(any_below);
}
constexpr bool is_literal(const route& r) noexcept {
  return !is_prefix(r) && r.pattern.find('{') == std::string_view::npos;
}

static_assert(std::ranges::all_of(table,
                                  [](const route& r) {
                                    return r.pattern == "/" || is_own_path(r.pattern);
                                  }),
              "a [[static]] folder could hide a route: add its first segment to own_segments");
constexpr bool waits_for_thread(limit_class limits) noexcept {
  return limits == limit_class::api_memory || limits == limit_class::api_reads ||
         limits == limit_class::api_reports || limits == limit_class::api_writes;
}
static_assert(std::ranges::all_of(table,
                                  [](const route& r) {
                                    return std::holds_alternative<thread_handler>(r.served_by) ==
                                           waits_for_thread(r.limits);
                                  }),
              "what runs on an API thread waits in its queue");

/// The rows that are no prefixes. Throws std::invalid_argument if a row is there twice.
net::router make_router() {
  net::router made;
  for (std::uint32_t i = 0; i < table.size(); ++i)
    if (!is_prefix(table[i])) made.add(table[i].method, table[i].pattern, i);
  return made;
}

/// "/console/*" has every path that begins with "/console/".
bool is_below(const route& prefix, std::string_view path) noexcept {
  return path.starts_with(prefix.pattern.substr(0, prefix.pattern.size() - 1));
}

}  // namespace

std::size_t body_bytes_max(limit_class limits) noexcept {
  return limits == limit_class::heartbeats ? heartbeat_limits::body_bytes_max
                                           : api_limits::body_bytes_max;
}

std::span<const route> all_routes() noexcept {
  return table;
}

std::vector<std::string> route_match::captured() const {
  std::vector<std::string> all;
  for (std::size_t i = 0; i < segments.captures; ++i) all.emplace_back(segments.captured(i));
  return all;
}

route_match match_route(net::http_method method, std::string_view path) noexcept {
  using enum net::http_method;
  static const net::router router = make_router();
  route_match match;
  for (const auto& row : table) {
    const bool below = is_prefix(row) && is_below(row, path);
    if (below && method != get && method != head) {
      match.why_not = problem::method_not_allowed;
      match.allow = "GET, HEAD";
      return match;
    }
    if (below || (method == row.method && path == row.pattern && is_literal(row))) {
      match.found = &row;
      return match;
    }
  }
  match.segments = router.match(method, path);
  match.allow = match.segments.allow;
  using result = net::router::match_result;
  if (match.segments.what == result::found) match.found = &table[match.segments.id];
  if (match.segments.what == result::method_not_allowed)
    match.why_not = problem::method_not_allowed;
  if (match.segments.what == result::malformed) match.why_not = problem::malformed_request;
  return match;
}

}  // namespace watchkeeper::server
