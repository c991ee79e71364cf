#include "server/api/route_table.hpp"

namespace watchkeeper::server {

const std::vector<route>& all_routes() {
  using enum net::http_method;
  using kind = route::kind;
  static const std::vector<route> routes = {
      {get, "/v1/modules", access::viewer, kind::handled, list_modules, {"cursor", "limit"}},
      {get, "/v1/modules/{module}", access::viewer, kind::handled, get_module, {}},
      {put, "/v1/modules/{module}", access::admin, kind::handled, put_module, {}},
      {del, "/v1/modules/{module}", access::admin, kind::handled, delete_module, {}},
      {get,
       "/v1/modules/{module}/students",
       access::viewer,
       kind::handled,
       list_module_students,
       {"cursor", "limit", "order"}},
      {get, "/v1/modules/{module}/heatmap", access::viewer, kind::handled, get_heatmap, {"bins"}},
      {get, "/v1/devices/{kid}", access::admin, kind::handled, get_device, {}},
      {put, "/v1/devices/{kid}", access::admin, kind::handled, put_device, {}},
      {del, "/v1/devices/{kid}", access::admin, kind::handled, delete_device, {}},
      {put, "/v1/assignments/{student}/{module}", access::admin, kind::handled, put_assignment, {}},
      {del,
       "/v1/assignments/{student}/{module}",
       access::admin,
       kind::handled,
       delete_assignment,
       {}},
      {get,
       "/v1/students/{student}/progress",
       access::viewer,
       kind::handled,
       list_student_progress,
       {"cursor", "limit"}},
      {get,
       "/v1/students/{student}/devices",
       access::admin,
       kind::handled,
       list_student_devices,
       {}},
      {get,
       "/v1/students/{student}/refusals",
       access::viewer,
       kind::handled,
       list_student_refusals,
       {"limit"}},
      {del, "/v1/students/{student}", access::admin, kind::handled, delete_student, {}},
      {get, "/v1/progress/{student}/{module}", access::viewer, kind::handled, get_progress, {}},
      {get,
       "/v1/completions",
       access::viewer,
       kind::handled,
       list_completions,
       {"after", "before", "limit", "order", "student", "module"}},
      {get,
       "/v1/completions.csv",
       access::viewer,
       kind::handled,
       list_completions_csv,
       {"after", "before", "limit", "order", "student", "module"}},
      {get, "/v1/stats", access::operator_role, kind::statistics, nullptr, {"format", "filter"}},
      {get, "/metrics", access::operator_role, kind::metrics, nullptr, {}},
      {get, "/v1/keys", access::anyone, kind::session_keys, nullptr, {}},
      {get, "/v1/live", access::viewer, kind::live, nullptr, {"module"}},
      {get, "/v1/overview", access::viewer, kind::overview, nullptr, {}},
      {post, "/v1/session", access::anyone, kind::login, nullptr, {}},
      {get, "/v1/session", access::anyone, kind::login, nullptr, {}},
      {del, "/v1/session", access::anyone, kind::login, nullptr, {}},
      {get, "/healthz", access::anyone, kind::health, nullptr, {}},
      {get, "/readyz", access::anyone, kind::readiness, nullptr, {}},
  };
  return routes;
}

net::router make_router() {
  net::router made;
  const auto& routes = all_routes();
  for (std::uint32_t i = 0; i < routes.size(); ++i)
    made.add(routes[i].method, routes[i].pattern, i);
  return made;
}

}  // namespace watchkeeper::server
