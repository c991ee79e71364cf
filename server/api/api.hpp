#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/log_level.hpp"
#include "crypto/agreement_key.hpp"
#include "net/server.hpp"
#include "net/shared/http.hpp"
#include "server/api/api_limits.hpp"
#include "server/api/documents/stats_document.hpp"
#include "server/api/gateway_port.hpp"
#include "server/api/route_table.hpp"
#include "server/config/configuration.hpp"
#include "server/identity/login_cookie.hpp"
#include "server/live/live_endpoint.hpp"
#include "storage/hot_store.hpp"
#include "storage/ledger.hpp"

namespace watchkeeper::server {

/// The dependencies of the API. The references outlive it.
struct api_dependencies {
  gateway_port& gateway;
  net::response_port& responses;
  live_endpoint& live;
  std::function<std::unique_ptr<storage::ledger>()> make_ledger;        // called on an API thread
  std::function<std::unique_ptr<storage::hot_store>()> make_hot_store;  // likewise
  /// For login_revocations, on its thread; empty: a login ends in this process only.
  std::function<std::unique_ptr<storage::ledger>()> make_login_ledger;
  std::vector<configured_token> tokens;
  const crypto::agreement_key_ring& session_keys;
  cookie_sealer sealer;
  std::int64_t login_ms = 12 * 3'600'000;
  std::function<net::server_statistics()> server_statistics;
  std::function<deferred_statistics()> deferred_heartbeats;
  build_info build;
  std::string event_source;  // of completion events: the deployment's URI
  const time_source& time;
  /// Any thread.
  log_function log;
};

/// The reading and administering calls of docs/protocol.md, section 7.
///
/// A request is authorized on the I/O thread that brings it (one SHA-256). Then its handler runs,
/// at once or on a thread of its class (limit_class), which has its own ledger and hot store. At
/// most api_limits::requests_queued_max of a class wait for a thread; further ones get
/// `overloaded`. Recounts of heatmaps have a thread and a bounded queue of their own. Every
/// submitted request gets exactly one response.
class api {
 public:
  explicit api(api_dependencies with);
  ~api();  // as stop()
  api(const api&) = delete;
  api& operator=(const api&) = delete;

  /// Responds through `responses`, now or later. `match` is that of the request in the route table;
  /// a request without a row gets the problem (404, 405 with `allow`, 400). Any thread; does not
  /// block. Precondition: no endpoint beside the API serves the row.
  void submit(net::http_request&& request, const route_match& match) noexcept;

  /// SIGHUP: from now on these tokens. Any thread.
  void replace_tokens(const std::vector<configured_token>& tokens);

  /// Drops the lists of the students of all modules (a student is erased, here or at another
  /// gateway), or of one (a progress in it was reset). Any thread; does not block.
  void forget_lists(const std::optional<module_id>& module) noexcept;

  /// From now on /readyz responds 503; everything else goes on. Any thread.
  void begin_drain();

  /// Runs what is queued, then ends the threads; later requests get `draining`. Blocks.
  void stop();

 private:
  struct implementation;
  std::unique_ptr<implementation> implementation_;
};

}  // namespace watchkeeper::server
