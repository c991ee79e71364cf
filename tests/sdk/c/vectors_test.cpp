// The vectors of sdk/vectors, which all SDKs run; its README describes the fields.

#include <boost/test/unit_test.hpp>
#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "sdk/c/cooldown.hpp"
#include "sdk/c/heartbeat_response.hpp"
#include "sdk/c/http2/session.hpp"
#include "sdk/c/interval_cutter.hpp"
#include "sdk/c/server_clock.hpp"

using namespace watchkeeper;
using namespace watchkeeper::sdk;
using nlohmann::json;

namespace {

json read_vectors(const std::string& name) {
  std::ifstream in{std::string{WATCHKEEPER_SOURCE_DIR} + "/sdk/vectors/" + name};
  return json::parse(in);
}

std::optional<std::int64_t> retry_after_ms(const json& text) {
  if (!text.is_string()) return std::nullopt;
  const auto seconds = http2::read_retry_after(text.get_ref<const std::string&>());
  return seconds ? std::optional{*seconds * 1000} : std::nullopt;
}

/// As the vectors call it.
std::string name_of(result_kind kind) {
  switch (kind) {
    case result_kind::accepted:
      return "done";
    case result_kind::retry:
    case result_kind::in_doubt:
      return "later";
    case result_kind::retry_alone:
      return "alone";
    case result_kind::set_clock:
      return "clock";
    case result_kind::enrol:
      return "enrol";
    case result_kind::sign_by_device:
      return "device-key";
    case result_kind::renew_session:
      return "new-session";
    case result_kind::rejected:
      return "drop";
  }
  return "unknown";
}

/// Where the response does not bring the gateway's time, the engine has nothing to correct with.
std::string what_follows(const token_result& result, bool has_time) {
  if (result.kind != result_kind::set_clock || has_time) return name_of(result.kind);
  return correct_clock(result.problem, {}, {}, 0) == clock_correction::retry_later ? "later"
                                                                                   : "drop";
}

std::string body_of(const json& body) {
  if (body.is_null()) return {};
  return body.is_string() ? body.get<std::string>() : body.dump();
}

wall_ms wall_of(const json& number) {
  return wall_ms(number.get<std::int64_t>());
}

server_clock clock_after(const json& responses) {
  server_clock made;
  for (const auto& each : responses) {
    const mono_ms received{each["received_mono_ms"].get<std::int64_t>()};
    const mono_ms sent{each["sent_mono_ms"].get<std::int64_t>()};
    made.learn(wall_of(each["server_time_ms"]), received - sent, {{}, received});
  }
  return made;
}

instant instant_of(const json& at) {
  return {wall_of(at["wall_ms"]), mono_ms(at["mono_ms"].get<std::int64_t>())};
}

}  // namespace

BOOST_AUTO_TEST_SUITE(vectors_suite)

BOOST_AUTO_TEST_CASE(what_a_response_means) {
  for (const auto document = read_vectors("responses.json");
       const auto& vector : document["responses"])
    BOOST_TEST_CONTEXT(vector["name"]) {
      std::vector<sent_token> sent;
      for (const auto& token : vector["tokens"])
        sent.push_back({*session_id::parse(token["sid"].get<std::string>()), token["sn"],
                        token["key"] == "session"});
      http_response response;
      response.status = vector["status"];
      response.body = body_of(vector["body"]);
      const auto read = read_heartbeat_response(response, sent, vector["minimal"]);

      const auto& expected = vector["expect"];
      BOOST_REQUIRE_EQUAL(read.results.size(), expected["tokens"].size());
      bool alone = false, pauses = read.pause;
      for (std::size_t i = 0; i < read.results.size(); ++i) {
        const auto& token = expected["tokens"][i];
        const auto then = what_follows(read.results[i], read.server_time_ms.has_value());
        BOOST_CHECK_EQUAL(then, token["then"].get<std::string>());
        pauses = pauses || then == "later";
        if (token["then"] == "drop")
          BOOST_CHECK_EQUAL(read.results[i].problem, token["problem"].get<std::string>());
        alone = alone || token["then"] == "alone";
      }
      BOOST_CHECK_EQUAL(read.one_by_one, alone);
      const bool enrols = expected["tokens"][0]["then"] == "enrol";
      if (!enrols) BOOST_CHECK_EQUAL(pauses, !expected["pause_ms"].is_null());
      if (pauses) {
        cooldown pause{sdk_limits::backoff_base_ms, sdk_limits::backoff_cap_ms};
        pause.failed(mono_ms{0}, retry_after_ms(vector["headers"].value("retry-after", json{})), 0);
        BOOST_CHECK_EQUAL(pause.left_ms(mono_ms{0}), expected["pause_ms"].get<std::int64_t>());
      }
      BOOST_CHECK_EQUAL(read.server_time_ms.value_or(never).value(),
                        expected["server_time_ms"].is_null()
                            ? 0
                            : expected["server_time_ms"].get<std::int64_t>());
    }
}

BOOST_AUTO_TEST_CASE(how_long_a_pause_is) {
  for (const auto document = read_vectors("responses.json");
       const auto& vector : document["pauses"])
    BOOST_TEST_CONTEXT(vector["name"]) {
      const auto pause_ms = [&](auto random_of) {
        cooldown pause{sdk_limits::backoff_base_ms, sdk_limits::backoff_cap_ms};
        for (int i = 0; i < vector["failures"].get<int>(); ++i)
          pause.failed(mono_ms{0}, std::nullopt, 0);
        pause.failed(mono_ms{0}, retry_after_ms(vector["retry_after"]),
                     random_of(pause.failures()));
        return pause.left_ms(mono_ms{0});
      };
      BOOST_CHECK_EQUAL(pause_ms([](unsigned) { return 0; }), vector["least_ms"]);
      // The largest random number of the range: the pause is taken modulo one more.
      const auto range_ms =
          vector["most_ms"].get<std::uint64_t>() - vector["least_ms"].get<std::uint64_t>();
      BOOST_CHECK_EQUAL(pause_ms([&](unsigned) { return range_ms; }), vector["most_ms"]);
      BOOST_CHECK_EQUAL(pause_ms([&](unsigned) { return range_ms + 1; }), vector["least_ms"]);
    }
}

BOOST_AUTO_TEST_CASE(the_time_of_the_gateway) {
  for (const auto document = read_vectors("clock.json"); const auto& vector : document["learn"])
    BOOST_TEST_CONTEXT(vector["name"])
  BOOST_CHECK_EQUAL(clock_after(vector["responses"]).at(instant_of(vector["now"])).value(),
                    vector["now_ms"]);
}

BOOST_AUTO_TEST_CASE(the_date_of_a_heartbeat) {
  for (const auto document = read_vectors("clock.json"); const auto& vector : document["dating"])
    BOOST_TEST_CONTEXT(vector["name"]) {
      const auto& ended = vector["ended"];
      pending_heartbeat of;
      of.ended = instant_of(ended);
      if (ended["run"] == "earlier") {
        of.ended_by =
            ended["server_ms"].is_null() ? end_time::stored_device : end_time::stored_server;
        if (!ended["server_ms"].is_null()) of.ended.wall = wall_of(ended["server_ms"]);
      }
      BOOST_CHECK_EQUAL(
          clock_after(vector["responses"]).issued_at(of, instant_of(vector["now"])).value(),
          vector["iat_ms"]);
    }
}

BOOST_AUTO_TEST_CASE(corrections_of_the_clock) {
  for (const auto document = read_vectors("clock.json");
       const auto& vector : document["corrections"])
    BOOST_TEST_CONTEXT(vector["name"]) {
      const auto made =
          correct_clock(vector["problem"].get<std::string>(), wall_of(vector["sent_iat_ms"]),
                        wall_of(vector["new_iat_ms"]), vector["corrections"]);
      const auto* then = made == clock_correction::sign_again    ? "now"
                         : made == clock_correction::retry_later ? "later"
                                                                 : "drop";
      BOOST_CHECK_EQUAL(then, vector["then"].get<std::string>());
    }
}

BOOST_AUTO_TEST_CASE(the_slack_of_a_position) {
  for (const auto document = read_vectors("clock.json"); const auto& vector : document["slack"])
    BOOST_TEST_CONTEXT(vector["name"]) {
      interval_cutter cutter;
      std::vector<std::pair<media_ms, media_ms>> played;
      const auto take = [&] {
        while (const auto piece = cutter.next()) {
          const auto [from, to] = piece->interval;
          if (!played.empty() && played.back().second == from)
            played.back().second = to;
          else
            played.emplace_back(from, to);
        }
      };
      mono_ms now;
      double at = 0;
      cutter.rate(0, static_cast<std::int32_t>(vector["rate"].get<double>() * 1000), mono_ms{0});
      cutter.play(0, mono_ms{0});
      for (const auto& step : vector["steps"])
        for (int i = 0; i < step["count"].get<int>(); ++i) {
          now += step["clock_ms"].get<std::int64_t>();
          at += step["media_ms"].get<double>();
          cutter.position(static_cast<media_ms>(at), now);
          take();
        }
      cutter.pause(static_cast<media_ms>(at), now);
      take();
      BOOST_CHECK_EQUAL(json(played), vector["played"]);
    }
}

BOOST_AUTO_TEST_SUITE_END()
