#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "domain/problem.hpp"
#include "net/router.hpp"
#include "net/shared/http.hpp"
#include "server/api/call.hpp"
#include "server/identity/caller.hpp"

/// The one table of all requests that the gateway serves, except files of [[static]] folders. The
/// dispatcher, the API, CORS and the tests of docs/openapi.yaml read it. To add a REST route, add a
/// row to route_table.cpp and write its handler.
namespace watchkeeper::server {

/// What serves a request that is not an API call.
enum class endpoint : std::uint8_t { heartbeats, heartbeat_stream, console };

/// What bounds the requests of a route, and what happens at the bound.
enum class limit_class : std::uint8_t {
  heartbeats,  // admission of the actors, heartbeat_limits: the problem `overloaded`
  // Calls that wait for a thread, api_limits::requests_queued_max of each class: `overloaded`. Each
  // class has its own threads, so that what waits for a store holds up its own kind alone.
  api_memory,   // of the gateway's memory alone: a store that hangs does not hide the statistics
  api_reads,    // of single rows, or a page of them
  api_reports,  // that are counted or put in order, and may wait for a checkpoint
  api_writes,
  io_thread,     // made at once on the I/O thread: the streams of the connection bound them
  live_streams,  // the subscribers of the live feed: `overloaded`
};
/// The longest body of a request; a longer one is `payload-too-large`.
std::size_t body_bytes_max(limit_class limits) noexcept;

/// One row.
struct route {
  net::http_method method = net::http_method::get;  // a GET route serves HEAD too
  std::string_view pattern;  // "/v1/modules/{module}"; "/*" at the end: all paths below
  access needs = access::anyone;
  std::variant<thread_handler, immediate_handler, endpoint> served_by;
  limit_class limits = limit_class::api_reads;
  std::span<const std::string_view> parameters{};  // that the query may have
  net::body_mode body = net::body_mode::whole;
  bool cors = false;  // a page of a configured origin may call it
};

std::span<const route> all_routes() noexcept;

/// The row for a request, or the problem of a request without one.
struct route_match {
  const route* found = nullptr;
  problem why_not = problem::not_found;  // if not found; or method_not_allowed, malformed_request
  std::string_view allow;                // of method_not_allowed: "GET, HEAD, PUT"
  net::router::matched segments;         // borrows the path of the request

  /// What the pattern captured, percent-decoded. Precondition: found.
  [[nodiscard]] std::vector<std::string> captured() const;
};
/// Any thread; does not allocate. The paths of heartbeats cost one comparison.
route_match match_route(net::http_method method, std::string_view path) noexcept;

}  // namespace watchkeeper::server
