#include "server/api/api.hpp"

#include <atomic>
#include <chrono>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/base64url.hpp"
#include "base/entity_tag.hpp"
#include "crypto/es256.hpp"
#include "net/router.hpp"
#include "net/shared/problem_response.hpp"
#include "server/api/api_limits.hpp"
#include "server/api/api_problem.hpp"
#include "server/api/documents/json_body.hpp"
#include "server/api/resources/login.hpp"
#include "server/api/resources/overview.hpp"
#include "server/api/resources/readiness.hpp"
#include "server/api/resources/status_lists.hpp"
#include "server/api/route_table.hpp"
#include "server/api/worker_pool.hpp"
#include "server/identity/authorization.hpp"
#include "server/keys/key_file.hpp"

namespace watchkeeper::server {
namespace {

using net::http_response;
using steady = std::chrono::steady_clock;

/// For what must not happen: nothing of the reason leaves the process.
http_response internal_error(unix_ms now_ms) {
  http_response response;
  response.status = 500;
  response.content_type = "application/problem+json";
  response.body =
      R"({"type":"about:blank","title":"Internal Server Error","status":500,)"
      R"("detail":"The request failed inside the gateway; its log says why.","server_time":)" +
      net::numeric_date(now_ms) + '}';
  return response;
}

http_response text_response(std::string body, std::string type = "text/plain; charset=utf-8") {
  http_response response;
  response.content_type = std::move(type);
  response.body = std::move(body);
  return response;
}

/// A matter of microseconds, so it is done on the I/O thread.
http_response session_keys_response(const agreement_keys& keys, const net::http_request& request) {
  http_response response;
  const auto tag = '"' + (keys.empty() ? std::string("none") : keys.front().kid().text()) + '"';
  response.headers = {{"cache-control", "public, max-age=300"}, {"etag", tag}};
  if (names_tag(request.field(net::request_field::if_none_match), tag)) {
    response.status = 304;
    return response;
  }
  response.content_type = "application/jwk-set+json";
  response.body = announced_key_set(keys);
  return response;
}

}  // namespace

struct api::implementation {
  explicit implementation(api_dependencies given)
      : with(std::move(given)),
        tokens(with.tokens),
        revocations({.make_ledger = with.make_login_ledger,
                     .now = with.now,
                     .log = with.log,
                     .revoked = [this](const login::id_type& id) { with.live.end_login(id); }}),
        console(tokens, revocations, with.sealer, with.login_ms),
        gate(tokens, console, with.log),
        ready(with.gateway),
        recounts(
            1, api_limits::recounts_queued_max,
            [this](queued_request&& queued, stores& own) { run(std::move(queued), own); },
            with.make_ledger, with.make_hot_store),
        pool(
            api_limits::threads, api_limits::requests_queued_max,
            [this](queued_request&& queued, stores& own) { run(std::move(queued), own); },
            with.make_ledger, with.make_hot_store) {}

  // The content of an answer to HEAD is left out by the HTTP/2 layer.
  void respond(const net::http_request& request, http_response&& response) noexcept {
    with.replies.respond(request.reply_to, std::move(response));
  }

  void respond_problem(const net::http_request& request, problem what, std::string_view detail) {
    respond(request, problem_response(what, detail, with.now()));
  }

  void admit(net::http_request&& request) {
    const auto matched = routes.match(request.method, request.path);
    switch (matched.what) {
      case net::router::verdict::not_found:
        return respond_problem(request, problem::not_found, "There is no such resource");
      case net::router::verdict::malformed:
        return respond_problem(request, problem::malformed_request,
                               "The path has a bad percent escape, or a segment that is too long");
      case net::router::verdict::method_not_allowed: {
        auto response = problem_response(problem::method_not_allowed,
                                         "The resource does not have this method", with.now());
        response.headers.emplace_back("allow", std::string(matched.allow));
        return respond(request, std::move(response));
      }
      case net::router::verdict::found:
        break;
    }
    const auto& found = all_routes()[matched.id];
    auto authorized = gate.authorize(request, found.needs, with.now());
    if (auto* rejection = std::get_if<http_response>(&authorized))
      return respond(request, std::move(*rejection));
    auto& caller = std::get<identity>(authorized);
    if (found.how == route::kind::health) return respond(request, text_response("ok"));
    if (found.how == route::kind::session_keys)
      return respond(request, session_keys_response(*with.session_keys.all(), request));
    if (found.how == route::kind::login && request.method == net::http_method::del)
      return delete_login(console, request, with.now(),
                          [this, to = request.reply_to](http_response&& response) {
                            with.replies.respond(to, std::move(response));
                          });
    if (found.how == route::kind::login) return respond(request, login_response(request));
    if (found.how == route::kind::live) return open_live(request, found, caller);
    if (found.how == route::kind::readiness) return respond(request, ready.respond(with.now()));

    queued_request queued{std::move(request), &found, {}, std::move(caller), steady::now()};
    // `matched` borrows the path, which has been moved with the request: short strings move by
    // copy.
    const auto again = routes.match(queued.request.method, queued.request.path);
    for (std::size_t i = 0; i < again.captures; ++i)
      queued.captured.emplace_back(again.captured(i));
    if (pool.push(std::move(queued))) return;
    // Not taken, so `queued` is as it was. NOLINTBEGIN(bugprone-use-after-move)
    if (stopped)
      respond_problem(queued.request, problem::draining, "The gateway is stopping");
    else
      respond_problem(queued.request, problem::overloaded, "Too many requests wait already");
    // NOLINTEND(bugprone-use-after-move)
  }

  void open_live(const net::http_request& request, const route& found, const identity& caller) {
    try {
      const query_parameters query(request.query, found.parameters);
      std::optional<module_id> module;
      if (const auto text = query.find("module")) {
        module = module_id::parse(*text);
        if (!module)
          throw api_problem(
              problem::malformed_request,
              "The query parameter module must be an id: 1 to 64 characters of A-Z a-z "
              "0-9 . _ ~ : @ -");
      }
      if (!with.live.open(request, module, caller.expires_ms, caller.login_id))
        return respond_problem(request, problem::overloaded, "Too many watch already");
      // Ended in between: whoever ended the streams of the login did not see this one.
      if (caller.login_id && console.is_revoked(*caller.login_id))
        with.live.end_login(*caller.login_id);
    } catch (const api_problem& thrown) {
      respond_problem(request, thrown.what_problem(), thrown.detail());
    }
  }

  http_response login_response(const net::http_request& request) {
    const auto now_ms = with.now();
    try {
      return request.method == net::http_method::post
                 ? post_login(console, request, now_ms, with.log)
                 : get_login(console, request, now_ms);
    } catch (const api_problem& thrown) {
      return problem_response(thrown.what_problem(), thrown.detail(), now_ms);
    }
  }

  /// On an API thread.
  void run(queued_request&& queued, stores& own) noexcept {
    http_response response;
    try {
      try {
        response = response_or_problem(queued, own);
      } catch (const recount_needed& rest) {
        queued.rest = rest;
        queued.queued_at = steady::now();
        // Not taken: `queued` is as it was. The module is put; a repeated request finds what is
        // left to do.
        if (recounts.push(std::move(queued))) return;
        response = problem_response(stopped ? problem::draining : problem::overloaded,
                                    "The module is stored, but too many heatmaps wait to be "
                                    "counted in new bins: repeat the request later",
                                    with.now());
      }
    } catch (...) {  // out of memory while saying so
      response = http_response{.status = 503, .content_type = {}, .body = {}, .headers = {}};
    }
    // NOLINTNEXTLINE(bugprone-use-after-move): moved only if it was taken, as above
    respond(queued.request, std::move(response));
  }

  http_response response_or_problem(const queued_request& queued, stores& own) {
    const auto now_ms = with.now();
    try {
      return make_response(queued, own, now_ms);
    } catch (const api_problem& thrown) {
      return problem_response(thrown.what_problem(), thrown.detail(), now_ms);
    } catch (const storage_fault& fault) {
      with.log(log_level::error, "api", "storage: " + fault.failure().detail);
      return problem_response(problem::storage_unavailable,
                              "A store could not be reached; whether something was written is not "
                              "known. The call may be repeated",
                              now_ms);
    } catch (const recount_needed&) {
      throw;
    } catch (const std::exception& error) {
      with.log(log_level::error, "api", std::string("a request failed: ") + error.what());
      return internal_error(now_ms);
    }
  }

  http_response make_response(const queued_request& queued, stores& own, unix_ms now_ms) {
    const auto waited = steady::now() - queued.queued_at;
    if (queued.rest && stopped)
      throw api_problem(problem::draining, "The gateway is stopping; repeat the request");
    if (!queued.rest && waited > std::chrono::milliseconds(api_limits::queued_ms_max))
      throw api_problem(problem::overloaded, "The request waited too long for its turn");
    const auto& found = *queued.found;
    query_parameters query(queued.request.query, found.parameters);
    if (found.how == route::kind::metrics)
      return text_response(metrics_text(snapshot()), "text/plain; version=0.0.4; charset=utf-8");
    if (found.how == route::kind::statistics) return statistics(query);
    if (found.how == route::kind::overview) return summary.respond(own, with.gateway, now_ms);
    call current{queued.request, queued.captured, std::move(query),  queued.caller, own,
                 with.gateway,   lists_by_status, with.event_source, now_ms,        with.now,
                 with.log};
    return queued.rest ? finish_put_module(current, queued.rest->is_new) : found.run(current);
  }

  http_response statistics(const query_parameters& query) {
    const auto format = query.find("format").value_or("json");
    if (format != "json" && format != "text")
      throw api_problem(problem::malformed_request,
                        "The query parameter format must be json or text");
    const auto document =
        stats_document(snapshot(), query.find("filter").value_or(std::string_view{}));
    return format == "text" ? text_response(stats_text(document)) : json_response(dump(document));
  }

  statistics_snapshot snapshot() {
    statistics_snapshot now;
    now.build = with.build;
    now.uptime_s = std::chrono::duration<double>(steady::now() - started).count();
    now.server = with.server_statistics();
    now.gateway = with.gateway.statistics();
    now.deferred = with.deferred_heartbeats();
    now.live = with.gateway.live_statistics();
    now.es256 = crypto::es256::name_of(crypto::es256::in_use());
    now.es256_tables = crypto::es256::tables_kept();
    now.resident_bytes = resident_memory_bytes();
    return now;
  }

  const api_dependencies with;
  const net::router routes = make_router();
  const steady::time_point started = steady::now();
  authenticator tokens;
  login_revocations revocations;
  logins console;
  authorization gate;
  readiness ready;
  overview summary{[this](const storage::storage_failure& failure) {
    with.log(log_level::warning, "api", "the modules could not be counted: " + failure.detail);
  }};
  std::atomic<bool> stopped{false};
  status_lists lists_by_status;
  worker_pool recounts;
  worker_pool pool;  // last: its threads use everything above
};

api::api(api_dependencies with)
    : implementation_(std::make_unique<implementation>(std::move(with))) {}

api::~api() {
  stop();
}

bool api::accepts(net::http_method method, std::string_view path) const noexcept {
  return implementation_->routes.match(method, path).what != net::router::verdict::not_found;
}

void api::submit(net::http_request&& request) noexcept {
  const auto reply_to = request.reply_to;
  try {
    implementation_->admit(std::move(request));
  } catch (...) {  // out of memory: nothing has been answered yet
    implementation_->with.replies.respond(
        reply_to, {.status = 503, .content_type = {}, .body = {}, .headers = {}});
  }
}

void api::replace_tokens(const std::vector<configured_token>& tokens) {
  implementation_->tokens.replace(tokens);
  implementation_->with.live.end_all();  // whoever may still watch comes back
}

void api::forget_lists() noexcept {
  implementation_->lists_by_status.drop_all();
}

void api::begin_drain() {
  implementation_->ready.begin_drain();
}

void api::stop() {
  implementation_->stopped = true;
  implementation_->pool.stop();
  implementation_->recounts.stop();
  implementation_->revocations.stop();
}

}  // namespace watchkeeper::server
