// /v1/stats and /metrics.
#include "server/api/api_problem.hpp"
#include "server/api/call.hpp"
#include "server/api/documents/stats_document.hpp"

namespace watchkeeper::server {

net::http_response get_statistics(call& c) {
  const auto format = c.query.find("format").value_or("json");
  if (format != "json" && format != "text")
    throw api_problem(problem::malformed_request,
                      "The query parameter format must be json or text");
  const auto document =
      stats_document(c.statistics(), c.query.find("filter").value_or(std::string_view{}));
  return format == "text" ? text_response(stats_text(document)) : json_response(document);
}

net::http_response get_metrics(call& c) {
  return text_response(metrics_text(c.statistics()), "text/plain; version=0.0.4; charset=utf-8");
}

}  // namespace watchkeeper::server
