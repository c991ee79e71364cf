#include <boost/test/unit_test.hpp>

#include <sys/stat.h>

#include <fstream>

#include "server/identity/identity_limits.hpp"
#include "server/identity/login_cookie.hpp"
#include "server/identity/login_revocations.hpp"
#include "tests/server/api/api_support.hpp"

using namespace watchkeeper;
using namespace watchkeeper::server;
using namespace watchkeeper::server::testing;
using net::http_method;
using net::request_field;

namespace {

constexpr wall_ms now_ms{1'763'812'345'000};

login a_login(wall_ms expires_ms) {
  login made;
  made.id[3] = 7;
  made.token[0] = 9;
  made.expires_ms = expires_ms;
  return made;
}

struct logging_in : api_fixture {
  net::http_response ask(http_method method, const std::string& path, const std::string& body,
                         std::vector<std::pair<request_field, std::string>> fields,
                         const std::string& type = "application/json") {
    net::http_request request;
    request.method = method;
    request.path = path;
    request.body = body;
    request.content_type = type;
    request.others = std::move(fields);
    request.respond_to.connection = ++requests;
    submit(std::move(request));
    return responses.wait_for(requests);
  }
  net::http_response log_in_as(const std::string& who) {
    return ask(http_method::post, "/v1/session", R"({"token":")" + who + R"(-secret"})", {});
  }
  /// "name=value" of the cookie that was set.
  static std::string cookie_of(const net::http_response& response) {
    const auto field = header_of(response, "set-cookie");
    return field.substr(0, field.find(';'));
  }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(console_logins)

BOOST_AUTO_TEST_CASE(a_sealer_accepts_only_its_own_cookies) {
  const cookie_sealer seal(cookie_sealer::key{1});
  const auto sealed = seal.seal(a_login(now_ms + 5000));
  BOOST_TEST(sealed.size() == 96u);
  const auto opened = seal.open(sealed, now_ms);
  BOOST_REQUIRE(opened);
  BOOST_TEST((opened->id == a_login(wall_ms{0}).id && opened->token == a_login(wall_ms{0}).token));
  BOOST_TEST(opened->expires_ms == now_ms + 5000);
  BOOST_TEST(!seal.open(sealed, now_ms + 5000));  // the end is not part of it
  BOOST_TEST(!cookie_sealer(cookie_sealer::key{2}).open(sealed, now_ms));
  for (std::size_t i = 0; i < sealed.size(); ++i) {
    auto forged = sealed;
    forged[i] = forged[i] == 'A' ? 'B' : 'A';
    BOOST_TEST(!seal.open(forged, now_ms), "character " << i);
  }
  BOOST_TEST(!seal.open(sealed.substr(1), now_ms));
  BOOST_TEST(!seal.open(sealed + "A", now_ms));
  BOOST_TEST(!seal.open("", now_ms));
  BOOST_TEST(seal.csrf_of(*opened) == seal.csrf_of(a_login(now_ms + 5000)));
  BOOST_TEST(seal.csrf_of(*opened) != seal.csrf_of(a_login(now_ms + 6000)));
}

BOOST_AUTO_TEST_CASE(the_cookie_is_found_among_others) {
  BOOST_TEST(login_cookie_of("__Host-wk=abc") == "abc");
  BOOST_TEST(login_cookie_of("a=1; __Host-wk=abc; b=2") == "abc");
  BOOST_TEST(login_cookie_of("x__Host-wk=abc") == "");
  BOOST_TEST(login_cookie_of("__Host-wkx=abc") == "");
  BOOST_TEST(login_cookie_of("__Host-wk") == "");
  BOOST_TEST(login_cookie_of("") == "");
}

BOOST_AUTO_TEST_CASE(the_key_is_made_once_and_for_its_owner_only) {
  const temporary_directory directory;
  const auto first = load_cookie_key(directory.path / "data");
  BOOST_REQUIRE(first);
  const auto again = load_cookie_key(directory.path / "data");
  BOOST_REQUIRE(again);
  BOOST_TEST(*first == *again);
  const auto file = directory.path / "data" / "console-cookie.key";
  struct stat about {};
  BOOST_REQUIRE(stat(file.c_str(), &about) == 0);
  BOOST_TEST((about.st_mode & 0777) == 0600u);
  std::ofstream(file, std::ios::trunc) << "short";
  const auto broken = load_cookie_key(directory.path / "data");
  BOOST_REQUIRE(!broken);
  BOOST_TEST(broken.error().find(file.string()) != std::string::npos);
}

BOOST_FIXTURE_TEST_CASE(a_token_becomes_a_cookie_that_reads, logging_in) {
  const auto response = log_in_as("viewer");
  BOOST_TEST(response.status == 200, response.body);
  const auto body = json_of(response);
  BOOST_TEST(body["name"] == "viewer");
  BOOST_TEST(body["role"] == "viewer");
  BOOST_TEST(body["expires_at"] == "2025-11-22T12:52:25.000Z");
  BOOST_TEST(body["csrf"].get<std::string>().size() == 43u);
  const auto field = header_of(response, "set-cookie");
  for (const auto* part :
       {"; HttpOnly", "; Secure", "; SameSite=Strict", "; Path=/", "; Max-Age=3600"})
    BOOST_TEST(field.find(part) != std::string::npos, part);
  BOOST_TEST(field.find("Domain") == std::string::npos);
  const auto cookie = cookie_of(response);
  BOOST_TEST(ask(http_method::get, "/v1/modules", "", {{request_field::cookie, cookie}}).status ==
             200);
  const auto shown = ask(http_method::get, "/v1/session", "", {{request_field::cookie, cookie}});
  BOOST_TEST(shown.status == 200);
  BOOST_TEST(json_of(shown) == body);
  check_problem(ask(http_method::get, "/v1/session", "", {}), 401, "unauthorized");
  // A role is a role: what a viewer may not do is not done with a cookie either.
  check_problem(ask(http_method::get, "/v1/stats", "", {{request_field::cookie, cookie}}), 403,
                "forbidden");
}

BOOST_FIXTURE_TEST_CASE(a_write_needs_more_than_the_cookie, logging_in) {
  const auto response = log_in_as("admin");
  const auto cookie = cookie_of(response);
  const auto csrf = json_of(response)["csrf"].get<std::string>();
  const auto put = [&](std::vector<std::pair<request_field, std::string>> fields) {
    return ask(http_method::put, "/v1/modules/m", R"({"title":"M","duration_ms":1000})",
               std::move(fields));
  };
  check_problem(put({{request_field::cookie, cookie}}), 403, "forbidden");
  check_problem(put({{request_field::cookie, cookie}, {request_field::csrf, csrf + "x"}}), 403,
                "forbidden");
  const auto other = json_of(log_in_as("admin"))["csrf"].get<std::string>();
  check_problem(put({{request_field::cookie, cookie}, {request_field::csrf, other}}), 403,
                "forbidden");
  BOOST_TEST(put({{request_field::cookie, cookie}, {request_field::csrf, csrf}}).status == 201);
}

BOOST_FIXTURE_TEST_CASE(a_login_ends_by_time_by_signing_out_and_with_its_token, logging_in) {
  const auto response = log_in_as("admin");
  const auto cookie = cookie_of(response);
  const auto csrf = json_of(response)["csrf"].get<std::string>();
  const auto reads = [&](const std::string& which) {
    return ask(http_method::get, "/v1/modules", "", {{request_field::cookie, which}}).status;
  };
  check_problem(ask(http_method::del, "/v1/session", "", {{request_field::cookie, cookie}}), 403,
                "forbidden");
  BOOST_TEST(reads(cookie) == 200);
  const auto out = ask(http_method::del, "/v1/session", "",
                       {{request_field::cookie, cookie}, {request_field::csrf, csrf}});
  BOOST_TEST(out.status == 204);
  BOOST_TEST(header_of(out, "set-cookie").find("Max-Age=0") != std::string::npos);
  BOOST_TEST(reads(cookie) == 401);  // also a copy of it
  BOOST_TEST(ask(http_method::del, "/v1/session", "", {}).status == 204);

  const auto later = cookie_of(log_in_as("admin"));
  BOOST_TEST(reads(later) == 200);
  clock.advance(3'600'000);
  BOOST_TEST(reads(later) == 401);

  const auto last = cookie_of(log_in_as("admin"));
  BOOST_TEST(reads(last) == 200);
  made->replace_tokens({token_named("viewer", token_role::viewer)});
  BOOST_TEST(reads(last) == 401);
}

BOOST_FIXTURE_TEST_CASE(a_cookie_outlives_the_process, logging_in) {
  const auto cookie = cookie_of(log_in_as("viewer"));
  made = std::make_unique<api>(dependencies());
  BOOST_TEST(ask(http_method::get, "/v1/modules", "", {{request_field::cookie, cookie}}).status ==
             200);
}

BOOST_FIXTURE_TEST_CASE(signing_out_holds_at_every_gateway_and_after_a_restart, logging_in) {
  const auto connected = [&] {
    auto with = dependencies();
    with.make_login_ledger = [this] { return make_ledger(); };
    return with;
  };
  made = std::make_unique<api>(connected());
  // Another gateway of the deployment: the same key and the same ledger.
  auto elsewhere = std::make_unique<api>(connected());
  const auto read_at = [&](api& which, const std::string& cookie) {
    net::http_request request;
    request.path = "/v1/modules";
    request.others = {{request_field::cookie, cookie}};
    request.respond_to.connection = ++requests;
    submit_to(which, std::move(request));
    return responses.wait_for(requests).status;
  };
  const auto response = log_in_as("admin");
  const auto cookie = cookie_of(response);
  const auto stays = cookie_of(log_in_as("admin"));
  BOOST_TEST(read_at(*elsewhere, cookie) == 200);
  BOOST_TEST(ask(http_method::del, "/v1/session", "",
                 {{request_field::cookie, cookie},
                  {request_field::csrf, json_of(response)["csrf"].get<std::string>()}})
                 .status == 204);
  BOOST_TEST(read_at(*made, cookie) == 401);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (read_at(*elsewhere, cookie) != 401)
    BOOST_REQUIRE(std::chrono::steady_clock::now() < deadline);
  BOOST_TEST(read_at(*elsewhere, stays) == 200);
  elsewhere.reset();
  made = std::make_unique<api>(connected());
  BOOST_TEST(read_at(*made, cookie) == 401);
  BOOST_TEST(read_at(*made, stays) == 200);
}

BOOST_FIXTURE_TEST_CASE(a_logout_waits_for_a_ledger_that_is_away, logging_in) {
  std::atomic<bool> away{false};
  auto with = dependencies();
  with.make_login_ledger = [&, this]() -> std::unique_ptr<storage::ledger> {
    if (away) throw std::runtime_error("no ledger");
    return make_ledger();
  };
  away = true;
  made = std::make_unique<api>(std::move(with));
  const auto response = log_in_as("admin");
  const auto cookie = cookie_of(response);
  BOOST_TEST(ask(http_method::del, "/v1/session", "",
                 {{request_field::cookie, cookie},
                  {request_field::csrf, json_of(response)["csrf"].get<std::string>()}})
                 .status == 204);
  BOOST_TEST(ask(http_method::get, "/v1/session", "", {{request_field::cookie, cookie}}).status ==
             401);
  BOOST_TEST(logged().find("cannot share ended logins") != std::string::npos);
  away = false;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (ledger_store->revoked_logins(now_ms, 10).value().empty())
    BOOST_REQUIRE(std::chrono::steady_clock::now() < deadline);
}

BOOST_FIXTURE_TEST_CASE(a_ledger_that_went_back_is_given_the_logouts_again, logging_in) {
  auto with = dependencies();
  with.make_login_ledger = [this] { return make_ledger(); };
  made = std::make_unique<api>(std::move(with));
  const auto response = log_in_as("admin");
  BOOST_TEST(ask(http_method::del, "/v1/session", "",
                 {{request_field::cookie, cookie_of(response)},
                  {request_field::csrf, json_of(response)["csrf"].get<std::string>()}})
                 .status == 204);
  BOOST_TEST(ledger_store->revoked_logins(now_ms, 10).value().size() == 1u);
  storage::sqlite_database((directory.path / "ledger.db").string(), {})
      .execute(
          "DELETE FROM console_session_end; UPDATE ledger_identity SET ledger_id = zeroblob(16)");
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (ledger_store->revoked_logins(now_ms, 10).value().empty())
    BOOST_REQUIRE(std::chrono::steady_clock::now() < deadline);
}

BOOST_AUTO_TEST_CASE(so_many_ended_logins_are_remembered) {
  const test::manual_clock clock{wall_ms(now_ms)};
  login_revocations ends({.make_ledger = {}, .time = clock, .log = {}});
  const auto numbered = [](std::size_t i) {
    login::id_type id{};
    for (auto& byte : id) byte = static_cast<std::uint8_t>(i), i >>= 8;
    return id;
  };
  for (std::size_t i = 0; i <= identity_limits::revoked_logins_max; ++i)
    ends.revoke(numbered(i), now_ms + 1 + static_cast<std::int64_t>(i), [] {});
  BOOST_TEST(!ends.has(numbered(0)));  // ends soonest by itself
  BOOST_TEST(ends.has(numbered(1)));
  BOOST_TEST(ends.has(numbered(identity_limits::revoked_logins_max)));
}

BOOST_FIXTURE_TEST_CASE(wrong_tokens_are_rejected_slowed_down_and_not_logged, logging_in) {
  check_problem(log_in_as("nobody"), 401, "unauthorized");
  BOOST_TEST(logged().find("wrong token at login") != std::string::npos);
  BOOST_TEST(logged().find("nobody-secret") == std::string::npos);
  check_problem(ask(http_method::post, "/v1/session", "{}", {}), 400, "malformed-request");
  check_problem(ask(http_method::post, "/v1/session", R"({"token":"viewer-secret"})", {}, ""), 415,
                "unsupported-media-type");
  check_problem(
      ask(http_method::post, "/v1/session", R"({"token":"viewer-secret"})", {}, "text/plain"), 415,
      "unsupported-media-type");
  int rejected = 0;
  for (std::int64_t i = 0; i < identity_limits::wrong_tokens.burst + 2; ++i)
    if (const auto response = log_in_as("nobody"); response.status == 429) {
      ++rejected;
      BOOST_TEST(!header_of(response, "retry-after").empty());
    }
  BOOST_TEST(rejected >= 2);
  check_problem(log_in_as("viewer"), 429, "rate-limited");
}

BOOST_AUTO_TEST_SUITE_END()
