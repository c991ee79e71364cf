#include "tools/top/top.hpp"

#include <unistd.h>

#include <algorithm>

#include <boost/test/unit_test.hpp>
#include <fstream>

#include "tests/tools/fleet/node_gateway.hpp"
#include "tools/top/frame.hpp"

using namespace watchkeeper::top;
using namespace watchkeeper::fleet::testing;
using nlohmann::json;
using namespace std::chrono_literals;

namespace {

json canned() {
  return json::parse(read_whole(WATCHKEEPER_SOURCE_DIR "/tests/tools/top/stats_full.json"));
}

std::string joined(const std::vector<frame_line>& frame) {
  std::string out;
  for (const auto& line : frame) out += line.text + "\n";
  return out;
}

std::size_t columns_of(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

void check_has(const std::string& text, const std::string& part) {
  BOOST_CHECK_MESSAGE(text.find(part) != std::string::npos, "lacks \"" << part << "\":\n" << text);
}

frame_note note_of(const std::string& failure = {}) {
  return {"https://127.0.0.1:8443", failure, true};
}

}  // namespace

BOOST_AUTO_TEST_SUITE(top_suite)

BOOST_AUTO_TEST_CASE(rates_are_differences_of_two_looks) {
  top_model model;
  const top_model::time_point start{};
  auto stats = canned();
  model.look(stats, start);
  BOOST_CHECK(!model.per_second("/heartbeats/credited"));
  stats["heartbeats"]["credited"] = 1234567 + 2000;
  stats["shards"][1]["batches"] = 901 + 50;
  model.look(stats, start + 2s);
  BOOST_CHECK_EQUAL(model.per_second("/heartbeats/credited").value_or(-1), 1000);
  BOOST_CHECK_EQUAL(model.history().back(), 1000);
  const auto text = joined(draw_frame(model, note_of(), 100, 40));
  check_has(text, "credited 1000.0");
  check_has(text, "25.0");
  // The gateway was started anew: its counters begin again.
  stats["heartbeats"]["credited"] = 5;
  model.look(stats, start + 3s);
  BOOST_CHECK(!model.per_second("/heartbeats/credited"));
}

BOOST_AUTO_TEST_CASE(everything_is_on_the_frame) {
  top_model model;
  model.look(canned(), {});
  const auto frame = draw_frame(model, note_of(), 80, 24);
  const auto text = joined(frame);
  for (const char* part : {"watchkeeper 0.1.0", "up 1 d 02:03:04", "connections 10,000",
                           "sessions 10,002", "memory 312.4 MB", "p50 2.1 ms", "ES256", "p50 92 µs",
                           "failed 3", "redis 7.0.15", "acknowledges: log", "DOWN", "lag 31.00 s",
                           "completions 12", "5,002", "bad-signature 3   stale-token 1", "q quit"})
    check_has(text, part);
  BOOST_CHECK_EQUAL(text.find("EdDSA"), std::string::npos);  // never used
  BOOST_CHECK_EQUAL(text.find("malformed-token"), std::string::npos);
  BOOST_CHECK(std::any_of(frame.begin(), frame.end(), [](const frame_line& line) {
    return line.style == line_style::alert && line.text.starts_with("Ledger");
  }));
}

BOOST_AUTO_TEST_CASE(a_frame_never_exceeds_the_window) {
  top_model model;
  auto stats = canned();
  for (int i = 2; i < 40; ++i) stats["shards"].push_back(stats["shards"][0]);
  model.look(stats, {});
  model.look(stats, top_model::time_point{} + 1s);
  for (std::size_t columns : {1u, 20u, 80u, 200u})
    for (std::size_t rows : {1u, 5u, 17u, 24u, 60u}) {
      const auto frame = draw_frame(model, note_of("no route"), columns, rows);
      BOOST_CHECK_LE(frame.size(), rows);
      for (const auto& line : frame) BOOST_CHECK_LE(columns_of(line.text), columns);
    }
  check_has(joined(draw_frame(model, note_of(), 80, 24)), "more");
  check_has(joined(draw_frame(model, note_of("no route"), 80, 24)),
            "NOT REACHED, trying again: no route");
}

BOOST_AUTO_TEST_CASE(what_is_missing_or_of_another_type_is_unknown) {
  for (
      const char* text :
      {"{}",
       R"({"heartbeats":7,"shards":{},"verification":[],"hot_store":null,"build":{"version":3}})",
       R"({"heartbeats":{"problems":[1],"credited":"x"},"shards":[1,null,{}],"verification":{"A/B":{},"C":1}})"}) {
    top_model model;
    model.look(json::parse(text), {});
    model.look(json::parse(text), top_model::time_point{} + 1s);
    check_has(joined(draw_frame(model, note_of(), 80, 40)), "connections –");
  }
}

BOOST_AUTO_TEST_CASE(no_text_of_the_gateway_steers_the_terminal) {
  top_model model;
  auto stats = canned();
  stats["hot_store"]["description"] = "\033[2Jevil\r\n";
  stats["heartbeats"]["problems"]["\033]0;x\007"] = 9;
  model.look(stats, {});
  const auto text = joined(draw_frame(model, note_of(), 80, 40));
  BOOST_CHECK_EQUAL(text.find('\033'), std::string::npos);
  BOOST_CHECK_EQUAL(text.find('\r'), std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_spark_line_scales_to_its_largest_value) {
  BOOST_CHECK_EQUAL(spark_line({0, 50, 100}, 10), "▁▄█");
  BOOST_CHECK_EQUAL(spark_line({9, 1, 8}, 2), "▁█");
  BOOST_CHECK_EQUAL(spark_line({0, 0}, 10), "▁▁");
  BOOST_CHECK_EQUAL(spark_line({}, 10), "");
}

BOOST_AUTO_TEST_CASE(one_frame_as_plain_text) {
  node_gateway gateway{transport::tls,
                       {{"stats_file", WATCHKEEPER_SOURCE_DIR "/tests/tools/top/stats_full.json"}}};
  top_options options;
  options.url = gateway.url();
  options.ca_file = gateway.ca();
  options.token = "admin";
  options.interval_s = 0.1;
  options.once = true;
  int code = -1;
  const auto text = caught_output(STDOUT_FILENO, [&] { code = run_top(options); });
  BOOST_CHECK_EQUAL(code, 0);
  check_has(text, "watchkeeper 0.1.0");
  check_has(text, "credited 0.0");
  BOOST_CHECK_EQUAL(text.find('\033'), std::string::npos);

  options.token = "wrong";
  const auto complaint = caught_output(STDERR_FILENO, [&] { code = run_top(options); });
  BOOST_CHECK_EQUAL(code, 2);
  check_has(complaint, "does not take the token");
}

BOOST_AUTO_TEST_SUITE_END()
