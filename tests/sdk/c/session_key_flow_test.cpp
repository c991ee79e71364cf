// Session keys between an engine and a gateway's side that is written here, out of the protocol.

#include <boost/test/unit_test.hpp>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/base64url.hpp"
#include "sdk/c/token_writer.hpp"
#include "tests/sdk/c/support.hpp"

using namespace watchkeeper;
using namespace watchkeeper::sdk;
using namespace watchkeeper::sdk::testing;

namespace {

std::string decoded(std::string_view text) {
  std::string out(text.size(), '\0');
  out.resize(
      base64url::decode(text, std::span{reinterpret_cast<std::uint8_t*>(out.data()), out.size()})
          .value_or(0));
  return out;
}

struct keyed_device : device {
  software_key gateway = software_key::generate();
  std::optional<session_mac_key> gateway_mac_key;
  std::string alg, epk_x;
  std::string used_session;  // another run used its numbers

  keyed_device() { options.session_keys = true; }

  std::string keys() {
    const auto point = gateway.public_key().raw();
    return R"({"keys":[{"kty":"EC","crv":"P-256","use":"enc","kid":")" + gateway.kid_text() +
           R"(","x":")" + base64url::encode(point.first(32)) + R"(","y":")" +
           base64url::encode(point.subspan(32)) + R"("}]})";
  }
  void respond_with_keys(int status, const std::string& body) {
    on->poll();
    const auto asked = request();
    BOOST_REQUIRE(asked);
    BOOST_REQUIRE_EQUAL(asked->path, "/v1/keys");
    last_id = asked->id;
    respond(status, body);
  }
  /// What the gateway does with a token; the problem's name, or "".
  std::string receive(const std::string& token) {
    const auto dot = token.rfind('.');
    const auto input = token.substr(0, dot);
    const auto header = nlohmann::json::parse(decoded(input.substr(0, input.find('.'))));
    const auto claims = nlohmann::json::parse(decoded(input.substr(input.find('.') + 1)));
    alg = header["alg"];
    if (claims["sid"] == used_session) return "sequence-reused";
    if (alg == "HS256") {
      BOOST_CHECK_EQUAL(header["kid"].get<std::string>(),
                        key.key.kid_text() + "." + claims["sid"].get<std::string>());
      if (!gateway_mac_key) return "session-key-unknown";
      return base64url::encode(hmac_sha256(*gateway_mac_key, input)) == token.substr(dot + 1)
                 ? ""
                 : "bad-signature";
    }
    if (!claims.contains("epk")) return "";
    BOOST_CHECK_EQUAL(claims["skid"].get<std::string>(), gateway.kid_text());
    epk_x = claims["epk"]["x"];
    std::array<std::uint8_t, 64> point;
    BOOST_REQUIRE(base64url::decode(epk_x, std::span{point}.first(32)));
    BOOST_REQUIRE(
        base64url::decode(claims["epk"]["y"].get<std::string>(), std::span{point}.last(32)));
    shared_secret z;
    BOOST_REQUIRE(agree_with(gateway.private_scalar(), point, z));
    gateway_mac_key = derive_session_key(z, input);
    return "";
  }
  /// One turn: sends, lets the gateway judge each token, and responds. The algorithms, in order.
  std::string turn() {
    on->poll();
    const auto sent = tokens();
    std::string algorithms, results;
    for (const auto& token : sent) {
      const auto problem = receive(token);
      algorithms += alg + (token == sent.back() ? "" : " ");
      results +=
          (results.empty() ? "" : ",") +
          result_of(token, problem.empty() ? credited
                                           : R"("status":"rejected","problem":")" + problem + '"');
    }
    if (!sent.empty()) respond(200, R"({"results":[)" + results + "]}");
    return algorithms;
  }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(session_key_flow_suite)

BOOST_AUTO_TEST_CASE(the_published_vectors_come_out) {
  std::ifstream file{WATCHKEEPER_SOURCE_DIR "/sdk/vectors/session-key.json"};
  const auto document = nlohmann::json::parse(file);
  std::size_t macs = 0;
  for (const auto& vector : document["vectors"]) {
    const auto bytes = [](const nlohmann::json& text, std::span<std::uint8_t> into) {
      BOOST_REQUIRE(base64url::decode(text.get<std::string>(), into) == into.size());
    };
    std::array<std::uint8_t, 64> peer;
    std::array<std::uint8_t, 32> scalar, expected;
    shared_secret z;
    bytes(vector["gateway"]["x"], std::span{peer}.first(32));
    bytes(vector["gateway"]["y"], std::span{peer}.last(32));
    bytes(vector["ephemeral"]["d"], scalar);
    BOOST_REQUIRE(agree_with(scalar, peer, z));
    bytes(vector["z"], expected);
    BOOST_CHECK(z == expected);
    const auto first = vector["first_token"].get<std::string>();
    const auto key = derive_session_key(z, std::string_view{first}.substr(0, first.rfind('.')));
    bytes(vector["key"], expected);
    BOOST_CHECK(key == expected);
    for (const auto& each : vector["tokens"]) {
      const auto token = each["token"].get<std::string>();
      const auto header = decoded(std::string_view{token}.substr(0, token.find('.')));
      if (each["result"] != "accept" || header.find("HS256") == std::string::npos) continue;
      const auto input = token.substr(0, token.rfind('.'));
      BOOST_CHECK_EQUAL(finish_token(input, hmac_sha256(key, input)), token);
      ++macs;
    }
  }
  BOOST_CHECK_GE(macs, 2);
}

BOOST_FIXTURE_TEST_CASE(one_signature_a_session_then_macs, keyed_device) {
  start();
  play();
  respond_with_keys(200, keys());
  BOOST_CHECK_EQUAL(turn(), "ES256");
  BOOST_CHECK(on->has_session_key());
  for (int i = 0; i < 3; ++i) {
    play();
    BOOST_CHECK_EQUAL(turn(), "HS256");
  }
  BOOST_CHECK(on->buffer().empty());
  BOOST_CHECK_EQUAL(on->counts().acknowledged, 4);
  // Another session: another pair; the gateway's key is not asked for again.
  const auto before = epk_x;
  open("s2");
  play();
  BOOST_CHECK_EQUAL(turn(), "ES256");
  BOOST_CHECK_NE(epk_x, before);
}

BOOST_FIXTURE_TEST_CASE(a_gateway_that_lost_the_key_gets_the_same_epk_and_the_app_notices_nothing,
                        keyed_device) {
  start();
  play();
  respond_with_keys(200, keys());
  turn();
  const auto before = epk_x;
  gateway_mac_key.reset();  // restarted
  play();
  BOOST_CHECK_EQUAL(turn(), "HS256");
  BOOST_CHECK_EQUAL(on->next_due_ms(), 0);  // at once
  BOOST_CHECK_EQUAL(turn(), "ES256");
  BOOST_CHECK_EQUAL(epk_x, before);
  play();
  BOOST_CHECK_EQUAL(turn(), "HS256");
  BOOST_CHECK(on->buffer().empty());
  BOOST_CHECK_EQUAL(on->counts().dropped, 0);
}

BOOST_FIXTURE_TEST_CASE(a_lost_response_leaves_both_sides_with_one_key, keyed_device) {
  start();
  play();
  respond_with_keys(200, keys());
  on->poll();
  BOOST_CHECK_EQUAL(receive(tokens()[0]), "");
  on->on_failure(last_id, true, "lost");
  BOOST_CHECK(!on->has_session_key());
  BOOST_CHECK_EQUAL(turn(), "ES256");
  play();
  BOOST_CHECK_EQUAL(turn(), "HS256");
  BOOST_CHECK(on->buffer().empty());
}

BOOST_FIXTURE_TEST_CASE(a_gateway_with_another_key_is_signed_for_by_the_device, keyed_device) {
  start();
  play();
  respond_with_keys(200, keys());
  turn();
  (*gateway_mac_key)[0] ^= 1;  // bad-signature for every MAC
  play();
  BOOST_CHECK_EQUAL(turn(), "HS256");
  BOOST_CHECK_EQUAL(turn(), "ES256");
  BOOST_CHECK(on->buffer().empty());
  BOOST_CHECK_EQUAL(on->counts().dropped, 0);
}

BOOST_FIXTURE_TEST_CASE(a_gateway_that_never_keeps_keys_is_given_up_on, keyed_device) {
  start();
  int macs = 0;
  int asked_anew = 0;
  for (int i = 0; i < 20; ++i) {
    play();
    for (int turns = 0; turns < 4 && !on->buffer().empty(); ++turns) {
      on->poll();
      if (!network.requests.empty() && network.requests.front().path == "/v1/keys") {
        const auto asked = request();
        last_id = asked->id;
        // Once keys were lost, those of a cache are not good enough.
        BOOST_CHECK_EQUAL(asked->cache_control, macs == 0 ? "" : "no-cache");
        if (macs != 0) ++asked_anew;
        respond(200, keys());
      }
      if (turn() == "HS256") ++macs;
      gateway_mac_key.reset();
    }
    BOOST_CHECK(on->buffer().empty());
  }
  BOOST_CHECK_EQUAL(macs, sdk_limits::session_key_losses_max);
  BOOST_CHECK_EQUAL(asked_anew, 1);
  BOOST_CHECK_EQUAL(on->counts().acknowledged, 20);
}

BOOST_FIXTURE_TEST_CASE(without_keys_there_are_device_signatures_and_no_second_question_for_an_hour,
                        keyed_device) {
  for (const auto& [status, body] :
       {std::pair{404, std::string{}}, std::pair{200, std::string{"<html>"}},
        std::pair{302, std::string{}}, std::pair{200, std::string(70'000, 'x')}}) {
    start("s9");
    play();
    respond_with_keys(status, body);
    BOOST_CHECK_EQUAL(turn(), "ES256");
    play();
    BOOST_CHECK_EQUAL(turn(), "ES256");
    BOOST_CHECK(on->buffer().empty());
    clock.pass(sdk_limits::keys_retry_ms);
    play();
    respond_with_keys(200, keys());
    BOOST_CHECK_EQUAL(turn(), "ES256");
    play();
    BOOST_CHECK_EQUAL(turn(), "HS256");
    gateway_mac_key.reset();
  }
}

BOOST_FIXTURE_TEST_CASE(heartbeats_do_not_wait_for_a_question_for_keys_that_never_arrives,
                        keyed_device) {
  start();
  int delivered = 0;
  for (int i = 0; i < 12; ++i) {
    play();
    on->poll();
    const auto asked = request();
    if (!asked) continue;  // a cooldown
    if (asked->path == "/v1/keys") {
      on->on_failure(asked->id, true, "connection reset");
      continue;
    }
    last_id = asked->id;
    std::vector<std::string> sent;
    std::istringstream lines{asked->body};
    for (std::string line; std::getline(lines, line);) sent.push_back(line);
    delivered += static_cast<int>(sent.size());
    respond(200, response_to(sent, credited));
  }
  BOOST_CHECK_GE(delivered, 8);
  BOOST_CHECK_EQUAL(on->counts().dropped, 0);
}

BOOST_FIXTURE_TEST_CASE(of_a_batch_one_token_offers_the_key, keyed_device) {
  start();
  for (int i = 0; i < 3; ++i) play();
  respond_with_keys(200, keys());
  on->poll();
  const auto sent = tokens();
  BOOST_REQUIRE_EQUAL(sent.size(), 3);
  int offers = 0;
  for (const auto& token : sent) {
    epk_x.clear();
    receive(token);
    offers += epk_x.empty() ? 0 : 1;
  }
  BOOST_CHECK_EQUAL(offers, 1);
}

BOOST_FIXTURE_TEST_CASE(a_session_opened_while_a_key_is_agreed_on_gets_one_of_its_own,
                        keyed_device) {
  start();
  play();
  agreement.within = [&] {
    agreement.within = nullptr;
    open("s2");
  };
  respond_with_keys(200, keys());
  BOOST_CHECK_EQUAL(turn(), "ES256");  // of "s1", whose key nobody needs any more
  BOOST_CHECK(!on->has_session_key());
  play();
  BOOST_CHECK_EQUAL(turn(), "ES256");
  BOOST_CHECK(on->has_session_key());
  play();
  BOOST_CHECK_EQUAL(turn(), "HS256");
  BOOST_CHECK(on->buffer().empty());
}

BOOST_FIXTURE_TEST_CASE(an_offer_whose_pair_went_while_it_was_signed_makes_no_key, keyed_device) {
  start();
  for (int i = 0; i < 2; ++i) play();
  key.within = [&] {  // the token that offers the pair; the next one of the request makes another
    key.within = nullptr;
    open("s1");
  };
  respond_with_keys(200, keys());
  BOOST_CHECK_EQUAL(turn(), "ES256 ES256");
  BOOST_CHECK(!on->has_session_key());
  play();
  BOOST_CHECK_EQUAL(turn(), "ES256");
  play();
  BOOST_CHECK_EQUAL(turn(), "HS256");
  BOOST_CHECK(on->buffer().empty());
  BOOST_CHECK_EQUAL(on->counts().device_signatures, 3);
}

BOOST_FIXTURE_TEST_CASE(a_renewed_session_agrees_on_a_key_of_its_own, keyed_device) {
  start();
  play();
  respond_with_keys(200, keys());
  BOOST_CHECK_EQUAL(turn(), "ES256");
  play();
  BOOST_CHECK_EQUAL(turn(), "HS256");
  const auto first_epk_x = epk_x;
  used_session = "s1";
  play();
  BOOST_CHECK_EQUAL(turn(), "HS256");
  BOOST_CHECK(!on->has_session_key());
  BOOST_CHECK_EQUAL(turn(), "ES256");
  BOOST_CHECK_NE(epk_x, first_epk_x);
  BOOST_CHECK(on->has_session_key());
  play();
  BOOST_CHECK_EQUAL(turn(), "HS256");
  BOOST_CHECK(on->buffer().empty());
  BOOST_CHECK_EQUAL(on->counts().dropped, 0);
}

BOOST_AUTO_TEST_SUITE_END()
