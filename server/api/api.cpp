#include "server/api/api.hpp"

#include <atomic>
#include <utility>

#include "base/json_writer.hpp"
#include "crypto/es256.hpp"
#include "net/shared/problem_response.hpp"
#include "server/api/api_limits.hpp"
#include "server/api/api_problem.hpp"
#include "server/api/resources/readiness.hpp"
#include "server/api/resources/status_lists.hpp"
#include "server/api/resources/summary_cache.hpp"
#include "server/api/route_table.hpp"
#include "server/api/worker_pool.hpp"
#include "server/identity/authorization.hpp"
#include "server/identity/logins.hpp"

namespace watchkeeper::server {
namespace {

using net::http_response;

/// For an exception that nobody expects: the reason goes to the log only.
http_response internal_error(wall_ms now_ms) {
  http_response response;
  response.status = 500;
  response.content_type = "application/problem+json";
  json_writer(response.body)
      .begin_object()
      .member("type", "about:blank")
      .member("title", "Internal Server Error")
      .member("status", 500)
      .member("detail", "The gateway failed to process the request; its log has the reason")
      .key("server_time")
      .raw(net::numeric_date(now_ms))
      .end_object();
  return response;
}

http_response response_of(const api_problem& thrown, wall_ms now_ms) {
  auto response = problem_response(thrown.what_problem(), thrown.detail(), now_ms);
  if (const auto& more = thrown.more(); !more.name.empty()) {
    std::string member;
    json_writer(member).begin_object().member(more.name, more.value).end_object();
    member.front() = ',';  // in the place of the document's last brace
    response.body.replace(response.body.size() - 1, 1, member);
  }
  return response;
}

}  // namespace

struct api::implementation {
  explicit implementation(api_dependencies given)
      : with(std::move(given)),
        tokens(with.tokens),
        revocations({.make_ledger = with.make_login_ledger,
                     .time = with.time,
                     .log = with.log,
                     .revoked = [this](const login::id_type& id) { with.live.end_login(id); }}),
        console(tokens, revocations, with.sealer, with.login_ms, with.time),
        gate(tokens, console, with.time, with.log),
        ready(with.gateway),
        recounts(1, api_limits::recounts_queued_max, run_queued, with.make_ledger,
                 with.make_hot_store),
        memory(api_limits::memory_threads, api_limits::requests_queued_max, run_queued,
               with.make_ledger, with.make_hot_store),
        reads(api_limits::threads, api_limits::requests_queued_max, run_queued, with.make_ledger,
              with.make_hot_store),
        reports(api_limits::threads, api_limits::requests_queued_max, run_queued, with.make_ledger,
                with.make_hot_store),
        writes(api_limits::threads, api_limits::requests_queued_max, run_queued, with.make_ledger,
               with.make_hot_store) {}

  worker_pool& pool_of(limit_class limits) noexcept {
    switch (limits) {
      case limit_class::api_memory:
        return memory;
      case limit_class::api_reports:
        return reports;
      case limit_class::api_writes:
        return writes;
      default:
        return reads;
    }
  }
  void stop() {
    stopped = true;
    for (auto* pool : {&memory, &reads, &reports, &writes}) pool->stop();
    recounts.stop();
    revocations.stop();
  }

  // The HTTP/2 layer omits the content of a response to HEAD.
  void respond(const net::http_request& request, http_response&& response) noexcept {
    with.responses.respond(request.respond_to, std::move(response));
  }

  void respond_problem(const net::http_request& request, problem what, std::string_view detail) {
    respond(request, problem_response(what, detail, with.time.wall_now()));
  }

  http_response no_route(const route_match& match) const {
    const auto now_ms = with.time.wall_now();
    if (match.why_not == problem::malformed_request)
      return problem_response(match.why_not,
                              "The path has a malformed percent escape, or a segment that is too "
                              "long",
                              now_ms);
    if (match.why_not == problem::not_found)
      return problem_response(match.why_not, "There is no resource at this path", now_ms);
    auto response = problem_response(
        match.why_not, "This resource supports only " + std::string(match.allow), now_ms);
    response.headers.emplace_back("allow", std::string(match.allow));
    return response;
  }

  void admit(net::http_request&& request, const route_match& match) {
    if (match.found == nullptr) return respond(request, no_route(match));
    const auto& found = *match.found;
    auto authorized = gate.authorize(request, found.needs);
    if (auto* rejection = std::get_if<http_response>(&authorized))
      return respond(request, std::move(*rejection));
    auto& caller = std::get<identity>(authorized);
    if (const auto* handler = std::get_if<immediate_handler>(&found.served_by))
      return run_at_once(request, found, *handler, caller);
    // First what borrows the path of the request.
    auto captured = match.captured();
    queued_request queued{std::move(request), &found, std::move(captured), std::move(caller),
                          with.time.monotonic_now()};
    if (pool_of(found.limits).push(queued)) return;
    if (stopped)
      respond_problem(queued.request, problem::draining, "The gateway is stopping");
    else
      respond_problem(queued.request, problem::overloaded, "Too many requests wait already");
  }

  void run_at_once(const net::http_request& request, const route& found, immediate_handler handler,
                   const identity& caller) {
    immediate_call current{request,  found.parameters,     caller,
                           services, with.time.wall_now(), with.time};
    try {
      if (auto response = handler(current)) respond(request, std::move(*response));
    } catch (const api_problem& thrown) {
      respond_problem(request, thrown.what_problem(), thrown.detail());
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
        queued.queued_at = with.time.monotonic_now();
        if (recounts.push(queued)) return;
        // The module is stored; a repeated request recounts.
        response =
            problem_response(stopped ? problem::draining : problem::overloaded,
                             "The module is stored, but its heatmap is not recounted, because "
                             "too many recounts wait; repeat the request later",
                             with.time.wall_now());
      }
    } catch (...) {  // out of memory while saying so
      response = http_response{.status = 503, .content_type = {}, .body = {}, .headers = {}};
    }
    respond(queued.request, std::move(response));
  }

  http_response response_or_problem(const queued_request& queued, stores& own) {
    const auto now_ms = with.time.wall_now();
    try {
      return make_response(queued, own, now_ms);
    } catch (const api_problem& thrown) {
      return response_of(thrown, now_ms);
    } catch (const storage_fault& fault) {
      with.log(log_level::error, "api", "a store failed: " + fault.failure().detail);
      return problem_response(problem::storage_unavailable,
                              "A store is away. Part of the call may have been written; it is safe "
                              "to repeat it",
                              now_ms);
    } catch (const recount_needed&) {
      throw;
    } catch (const std::exception& error) {
      with.log(log_level::error, "api", std::string("a request failed: ") + error.what());
      return internal_error(now_ms);
    }
  }

  http_response make_response(const queued_request& queued, stores& own, wall_ms now_ms) {
    const auto waited_ms = with.time.monotonic_now() - queued.queued_at;
    if (queued.rest && stopped)
      throw api_problem(problem::draining, "The gateway is stopping; repeat the request");
    if (!queued.rest && waited_ms > api_limits::queued_ms_max)
      throw api_problem(problem::overloaded, "The request waited too long for its turn");
    const auto& found = *queued.found;
    query_parameters query(queued.request.query, found.parameters);
    call current{
        queued.request, queued.captured, std::move(query), queued.caller, own,
        with.gateway,   lists_by_status, summaries,        statistics,    with.event_source,
        now_ms,         with.time,       with.log};
    if (queued.rest) return finish_put_module(current, queued.rest->put);
    return std::get<thread_handler>(found.served_by)(current);
  }

  statistics_snapshot snapshot() {
    statistics_snapshot now;
    now.build = with.build;
    now.uptime_s = static_cast<double>(with.time.monotonic_now() - started) / 1000;
    now.server = with.server_statistics();
    now.gateway = with.gateway.statistics();
    now.deferred = with.deferred_heartbeats();
    now.live = with.gateway.live_statistics();
    now.es256 = crypto::es256::name_of(crypto::es256::in_use());
    now.es256_tables = crypto::es256::tables_cached();
    now.resident_bytes = resident_memory_bytes();
    return now;
  }

  const api_dependencies with;
  const mono_ms started = with.time.monotonic_now();
  authenticator tokens;
  login_revocations revocations;
  logins console;
  authorization gate;
  readiness ready;
  api_services services{tokens,         console, ready, with.live, with.session_keys,
                        with.responses, with.log};
  summary_cache summaries{with.time, [this](const storage::storage_failure& failure) {
                            with.log(log_level::warning, "api",
                                     "cannot read the summaries of modules: " + failure.detail);
                          }};
  const std::function<statistics_snapshot()> statistics = [this] { return snapshot(); };
  std::atomic<bool> stopped{false};
  status_lists lists_by_status;
  const std::function<void(queued_request&&, stores&)> run_queued =
      [this](queued_request&& queued, stores& own) { run(std::move(queued), own); };
  // Last: their threads use everything above.
  worker_pool recounts;
  worker_pool memory, reads, reports, writes;
};

api::api(api_dependencies with)
    : implementation_(std::make_unique<implementation>(std::move(with))) {}

api::~api() {
  stop();
}

void api::submit(net::http_request&& request, const route_match& match) noexcept {
  const auto respond_to = request.respond_to;
  try {
    implementation_->admit(std::move(request), match);
  } catch (...) {  // out of memory, and no response yet
    implementation_->with.responses.respond(
        respond_to, {.status = 503, .content_type = {}, .body = {}, .headers = {}});
  }
}

void api::replace_tokens(const std::vector<configured_token>& tokens) {
  implementation_->tokens.replace(tokens);
  implementation_->with.live.end_all();  // clients that may still watch come back
}

void api::forget_lists(const std::optional<module_id>& module) noexcept {
  auto& lists = implementation_->lists_by_status;
  if (module)
    lists.drop(*module);
  else
    lists.drop_all();
}

void api::begin_drain() {
  implementation_->ready.begin_drain();
}

void api::stop() {
  implementation_->stop();
}

}  // namespace watchkeeper::server
