#include <boost/test/unit_test.hpp>

#include "server/api/api_limits.hpp"
#include "server/api/route_table.hpp"
#include "server/identity/authenticator.hpp"
#include "server/identity/identity_limits.hpp"
#include "tests/server/api/api_support.hpp"

using namespace watchkeeper;
using namespace watchkeeper::server;
using namespace watchkeeper::server::testing;
using net::http_method;

namespace {

std::string filled(std::string_view pattern) {
  std::string path(pattern);
  for (const std::string name : {"{module}", "{student}"})
    if (const auto at = path.find(name); at != path.npos) path.replace(at, name.size(), "some-id");
  if (const auto at = path.find("{kid}"); at != path.npos)
    path.replace(at, 5, std::string(43, 'A'));
  return path;
}

net::peer_address address(std::uint8_t last) {
  net::peer_address a;
  a.bytes = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, last};
  return a;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(api_access)

BOOST_FIXTURE_TEST_CASE(every_call_asks_for_its_role, api_fixture) {
  const std::map<std::string, token_role> tokens = {{"viewer", token_role::viewer},
                                                    {"admin", token_role::admin},
                                                    {"operator", token_role::operator_}};
  for (const auto& route : all_routes()) {
    if (route.needs == access::anyone) continue;
    const auto path = filled(route.pattern);
    const auto none = call(route.method, path, "{}", "");
    check_problem(none, 401, "unauthorized");
    BOOST_TEST(header_of(none, "www-authenticate").starts_with("Bearer"));
    for (const auto& [name, role] : tokens) {
      const auto status = call(route.method, path, "{}", name).status;
      if (allows(route.needs, role))
        BOOST_TEST((status != 401 && status != 403), name << ' ' << path << ' ' << status);
      else
        BOOST_TEST(status == 403, name << ' ' << path << ' ' << status);
    }
  }
}

BOOST_AUTO_TEST_CASE(roles_are_as_documented) {
  BOOST_TEST(allows(access::viewer, token_role::viewer));
  BOOST_TEST(allows(access::viewer, token_role::admin));
  BOOST_TEST(!allows(access::viewer, token_role::operator_));
  BOOST_TEST(!allows(access::admin, token_role::viewer));
  BOOST_TEST(allows(access::admin, token_role::admin));
  BOOST_TEST(!allows(access::admin, token_role::operator_));
  BOOST_TEST(!allows(access::operator_role, token_role::viewer));
  BOOST_TEST(!allows(access::operator_role, token_role::admin));
  BOOST_TEST(allows(access::operator_role, token_role::operator_));
}

BOOST_FIXTURE_TEST_CASE(wrong_tokens_are_rejected_and_logged_without_their_text, api_fixture) {
  for (const std::string wrong :
       {"Bearer no-such-token", "Bearer admin-secre", "Bearer admin-secrett", "Bearer"}) {
    const auto number = submit(http_method::get, "/v1/modules", {}, wrong);
    check_problem(responses.wait_for(number), 401, "unauthorized");
  }
  const auto long_one = "Bearer " + std::string(identity_limits::bearer_bytes_max + 1, 'x');
  check_problem(responses.wait_for(submit(http_method::get, "/v1/modules", {}, long_one)), 401,
                "unauthorized");
  BOOST_TEST(logged().find("wrong token from") != std::string::npos);
  BOOST_TEST(logged().find("no-such-token") == std::string::npos);
  // The scheme's name has no case.
  const auto number = submit(http_method::get, "/v1/modules", {}, "bEARER  admin-secret ");
  BOOST_TEST(responses.wait_for(number).status == 200);
}

BOOST_FIXTURE_TEST_CASE(an_address_with_many_wrong_tokens_has_to_wait, api_fixture) {
  for (int i = 0; i < identity_limits::wrong_tokens.burst; ++i)
    (void)responses.wait_for(submit(http_method::get, "/v1/modules", {}, "Bearer wrong"));
  const auto stopped = get("/v1/modules");  // the right token is not compared either
  check_problem(stopped, 429, "rate-limited");
  BOOST_TEST(std::stoi(header_of(stopped, "retry-after")) >= 1);
  clock.step_wall(3'600'000);
  check_problem(get("/v1/modules"), 429, "rate-limited");  // by monotonic time
  clock.advance(10'000);
  BOOST_TEST(get("/v1/modules").status == 200);
}

BOOST_AUTO_TEST_CASE(the_table_of_addresses_is_bounded_and_keeps_the_worst) {
  authenticator tokens({token_named("a", token_role::admin)});
  const auto bad = address(1);
  for (int i = 0; i < identity_limits::wrong_tokens.burst; ++i)
    (void)tokens.identify("Bearer x", bad, mono_ms(1'000'000));
  for (std::uint32_t i = 0; i < 3 * identity_limits::wrong_token_addresses_max; ++i) {
    auto other = address(2);
    other.bytes[12] = static_cast<std::uint8_t>(i >> 16);
    other.bytes[13] = static_cast<std::uint8_t>(i >> 8);
    other.bytes[14] = static_cast<std::uint8_t>(i);
    (void)tokens.identify("Bearer x", other, mono_ms(1'000'000));
  }
  const auto found = tokens.identify("Bearer a-secret", bad, mono_ms(1'000'000));
  BOOST_TEST(std::holds_alternative<authenticator::too_many>(found));
  BOOST_TEST(std::holds_alternative<identity>(
      tokens.identify("Bearer a-secret", address(3), mono_ms(1'000'000))));
}

BOOST_FIXTURE_TEST_CASE(tokens_can_be_replaced, api_fixture) {
  made->replace_tokens({token_named("new", token_role::admin)});
  BOOST_TEST(get("/v1/modules", "admin").status == 401);
  BOOST_TEST(get("/v1/modules", "new").status == 200);
}

BOOST_FIXTURE_TEST_CASE(paths_and_methods, api_fixture) {
  check_problem(get("/v1/nothing"), 404, "not-found");
  check_problem(get("/v1/modules/"), 404, "not-found");
  const auto wrong = call(http_method::post, "/v1/modules/m");
  check_problem(wrong, 405, "method-not-allowed");
  BOOST_TEST(header_of(wrong, "allow") == "GET, HEAD, PUT, PATCH, DELETE");
  check_problem(get("/v1/modules/%zz"), 400, "malformed-request");
  check_problem(get("/v1/modules/a%2Fb"), 400, "malformed-request");
  check_problem(get("/v1/modules/" + std::string(65, 'a')), 400, "malformed-request");
  check_problem(get("/v1/modules?limt=4"), 400, "malformed-request");
  check_problem(get("/v1/modules?limit=0"), 400, "malformed-request");
  check_problem(get("/v1/modules?limit=501"), 400, "malformed-request");
  check_problem(get("/v1/modules?limit=5&limit=6"), 400, "malformed-request");
  check_problem(get("/v1/modules?cursor=%ff"), 400, "malformed-request");
  check_problem(get("/v1/completions?after=-1"), 400, "malformed-request");
  check_problem(get("/v1/completions?after=99999999999999999999"), 400, "malformed-request");
}

BOOST_FIXTURE_TEST_CASE(health_and_readiness_need_no_token, api_fixture) {
  const auto health = get("/healthz", "");
  BOOST_TEST(health.status == 200);
  BOOST_TEST(health.body == "ok");
  gateway.figures.hot.durability = storage::durability_level::log;
  const auto ready = get("/readyz", "");
  BOOST_TEST(ready.status == 200);
  BOOST_TEST(
      json_of(ready) ==
      nlohmann::json::parse(R"({"ready":true,"degraded":false,"durability":"log","reasons":[]})"));
  gateway.figures.hot.degraded = true;
  gateway.figures.hot.durable_enough = false;
  const auto reason = [&] {
    clock.advance(api_limits::readiness_age_max_ms);
    const auto degraded = get("/readyz", "");
    BOOST_TEST(degraded.status == 200);
    return json_of(degraded)["reasons"].at(0).get<std::string>();
  };
  BOOST_TEST(reason() == "the hot store's acknowledgements are less durable than is required");
  gateway.figures.hot.durable_enough = true;
  BOOST_TEST(reason() == "the hot store is away");
  gateway.figures.hot.degraded = false;
  gateway.figures.ledger.catching_up = true;
  BOOST_TEST(reason() == "the ledger went back, and is given what it lacks");
  gateway.figures.ledger.catching_up = false;
  clock.advance(api_limits::readiness_age_max_ms);
  BOOST_TEST(json_of(get("/readyz", ""))["reasons"].empty());
  gateway.is_ready = false;
  BOOST_TEST(get("/readyz", "").status == 200);  // cached for a moment
  clock.step_wall(-3'600'000);
  BOOST_TEST(get("/readyz", "").status == 200);  // by monotonic time
  clock.advance(api_limits::readiness_age_max_ms);
  const auto away = get("/readyz", "");
  BOOST_TEST(away.status == 503);
  BOOST_TEST(json_of(away)["reasons"].at(0) == "the ledger is away");
  gateway.is_ready = true;
  made->begin_drain();
  const auto draining = get("/readyz", "");
  BOOST_TEST(draining.status == 503);
  BOOST_TEST(json_of(draining)["reasons"].at(0) == "draining");
}

namespace {

/// Calls back whenever somebody reads the wall clock.
class observed_clock final : public time_source {
 public:
  [[nodiscard]] mono_us monotonic_now_us() const override { return clock.monotonic_now_us(); }
  [[nodiscard]] wall_ms wall_now() const override {
    if (read) std::exchange(read, {})();
    return clock.wall_now();
  }
  test::manual_clock clock;
  mutable std::function<void()> read;
};

}  // namespace

BOOST_FIXTURE_TEST_CASE(a_token_that_goes_while_a_stream_is_opened_keeps_none, api_fixture) {
  observed_clock observed;
  actors::live_feed watched{{.time = clock,
                             .channel = storage::make_null_live_channel(),
                             .log = [](log_level, const std::string&, const std::string&) {}}};
  watched.start([] { return actors::live_counts{}; });
  live_endpoint streams{watched, responses};
  auto with = dependencies();
  api tested({.gateway = with.gateway,
              .responses = with.responses,
              .live = streams,
              .make_ledger = with.make_ledger,
              .make_hot_store = with.make_hot_store,
              .make_login_ledger = {},
              .tokens = with.tokens,
              .session_keys = with.session_keys,
              .sealer = with.sealer,
              .login_ms = with.login_ms,
              .server_statistics = with.server_statistics,
              .deferred_heartbeats = with.deferred_heartbeats,
              .build = with.build,
              .event_source = with.event_source,
              .time = observed,
              .log = with.log});
  const auto open = [&] {
    net::http_request request;
    request.method = http_method::get;
    request.path = "/v1/live";
    request.authorization = "Bearer viewer-secret";
    request.respond_to.connection = ++requests;
    submit_to(tested, std::move(request));
    return watched.statistics().subscribers;
  };
  BOOST_TEST(open() == 1u);
  // The clock is read after the authorization and before the stream is there.
  observed.read = [&] { tested.replace_tokens({token_named("admin", token_role::admin)}); };
  BOOST_TEST(open() == 0u);
  BOOST_TEST(!observed.read);
}

BOOST_AUTO_TEST_SUITE_END()
