#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/clock.hpp"
#include "base/log_level.hpp"
#include "base/units.hpp"
#include "crypto/agreement_key.hpp"
#include "domain/ids.hpp"
#include "net/shared/http.hpp"
#include "server/api/gateway_port.hpp"
#include "server/api/query.hpp"
#include "server/identity/authenticator.hpp"
#include "storage/hot_store.hpp"
#include "storage/ledger.hpp"

namespace watchkeeper::server {

/// The connections of one API thread. Each is opened at its first use.
class stores {
 public:
  using ledger_factory = std::function<std::unique_ptr<storage::ledger>()>;
  using hot_store_factory = std::function<std::unique_ptr<storage::hot_store>()>;
  stores(const ledger_factory& make_ledger, const hot_store_factory& make_hot_store)
      : make_ledger_(make_ledger), make_hot_store_(make_hot_store) {}

  // Throw storage_fault if the store cannot be opened.
  storage::ledger& ledger();
  storage::hot_store& hot();

 private:
  const ledger_factory& make_ledger_;
  const hot_store_factory& make_hot_store_;
  std::unique_ptr<storage::ledger> ledger_;
  std::unique_ptr<storage::hot_store> hot_;
};

class live_endpoint;
class logins;
class readiness;
class status_lists;
class summary_cache;
struct statistics_snapshot;

/// Thrown by a handler that has done all its work except a recount of the module's heatmap. The
/// recount takes time in proportion to the module's students, so it runs on a thread of its own,
/// where `finish_put_module` makes the response.
struct recount_needed {
  storage::module_put put;
};

/// What a handler on an API thread may use for one request. It borrows everything for the time of
/// the call.
struct call {
  const net::http_request& request;
  std::span<const std::string> captured;  // what the pattern captured, percent-decoded
  query_parameters query;
  const identity& caller;
  stores& store;
  gateway_port& gateway;
  status_lists& lists_by_status;
  summary_cache& summaries;
  const std::function<statistics_snapshot()>& statistics;
  const std::string& event_source;
  wall_ms now_ms;  // when the call began
  const time_source& time;
  const log_function& log;

  // What the pattern captured, as an id. Throw api_problem(malformed_request) if it is none.
  [[nodiscard]] module_id module_at(std::size_t index) const;
  [[nodiscard]] student_id student_at(std::size_t index) const;
  [[nodiscard]] thumbprint kid_at(std::size_t index) const;
};

/// The parts of the API that handlers on I/O threads use. The API owns or borrows them.
struct api_services {
  authenticator& tokens;
  logins& console;
  readiness& ready;
  live_endpoint& live;
  const crypto::agreement_key_ring& session_keys;
  net::response_port& responses;
  const log_function& log;
};

/// What a handler on the I/O thread may use for one request. It must not block. It borrows
/// everything for the time of the call.
struct immediate_call {
  const net::http_request& request;
  std::span<const std::string_view> parameters;  // of the route
  const identity& caller;
  api_services& services;
  wall_ms now_ms;  // when the call began
  const time_source& time;

  /// Throws api_problem(malformed_request).
  [[nodiscard]] query_parameters query() const { return {request.query, parameters}; }
};

/// Runs on an API thread. Throws api_problem and storage_fault.
using thread_handler = net::http_response (*)(call&);
/// Runs on the I/O thread. Returns nothing if the response is begun already, or comes later. Throws
/// api_problem.
using immediate_handler = std::optional<net::http_response> (*)(immediate_call&);

// The handlers, by resource.
net::http_response put_module(call& c);
net::http_response patch_module(call& c);
net::http_response finish_put_module(call& c, const storage::module_put& put);
net::http_response get_module(call& c);
net::http_response delete_module(call& c);
net::http_response list_modules(call& c);
net::http_response list_module_students(call& c);
net::http_response list_by_status(call& c, const module_id& module);
net::http_response get_heatmap(call& c);
net::http_response put_device(call& c);
net::http_response get_device(call& c);
net::http_response delete_device(call& c);
net::http_response put_assignment(call& c);
net::http_response delete_assignment(call& c);
net::http_response list_student_progress(call& c);
net::http_response get_progress(call& c);
net::http_response delete_student(call& c);
net::http_response reset_progress(call& c);
net::http_response list_student_devices(call& c);
net::http_response list_student_refusals(call& c);
net::http_response list_completions(call& c);
net::http_response list_completions_csv(call& c);
net::http_response get_overview(call& c);
net::http_response get_statistics(call& c);
net::http_response get_metrics(call& c);
std::optional<net::http_response> open_live_stream(immediate_call& c);
std::optional<net::http_response> get_session_keys(immediate_call& c);
std::optional<net::http_response> get_health(immediate_call& c);
std::optional<net::http_response> get_readiness(immediate_call& c);
// A person's login to the console: POST begins it for the token in the body and sets its cookie,
// GET reads it, DELETE ends it, and responds once the other gateways can learn of that.
std::optional<net::http_response> post_login(immediate_call& c);
std::optional<net::http_response> get_login(immediate_call& c);
std::optional<net::http_response> delete_login(immediate_call& c);

/// 200 (or `status`) with a JSON body.
net::http_response json_response(std::string body, int status = 200);
net::http_response text_response(std::string body, std::string type = "text/plain; charset=utf-8");
net::http_response no_content();

}  // namespace watchkeeper::server
