// What the endpoint defers, for how long, and in which order it passes it on.
#include "server/heartbeats/heartbeat_endpoint.hpp"
#include "server/heartbeats/heartbeat_limits.hpp"
#include "tests/base/manual_clock.hpp"

#include <fmt/format.h>

#include <boost/test/unit_test.hpp>
#include <functional>
#include <map>
#include <string>
#include <vector>

using namespace watchkeeper;
using namespace watchkeeper::server;

namespace {

class collected_statuses final : public net::response_port {
 public:
  void respond(const net::response_address& to, net::http_response&& response) noexcept override {
    status[to.stream] = response.status;
  }
  void begin(const net::response_address&, net::http_response&&) noexcept override {
    if (during_begin) during_begin();
    sent.emplace_back("begin");
  }
  void send(const net::response_address&, std::string&&, bool last) noexcept override {
    sent.emplace_back(last ? "last" : "data");
  }
  void consumed(const net::response_address&, std::size_t) noexcept override {}
  std::map<std::int32_t, int> status;  // by stream
  std::function<void()> during_begin;  // what another thread does meanwhile
  std::vector<std::string> sent;       // of all streams
};

/// An endpoint of one I/O thread, and what it passed on; `report_results` gives those their
/// results.
struct dispatcher {
  collected_statuses responses;
  std::vector<actors::heartbeat_request> passed;
  std::vector<std::size_t> groups;  // how many came together
  test::manual_clock clock;
  bool reports_at_once = false;
  heartbeat_endpoint endpoint{[this](std::span<actors::heartbeat_request> all) {
                                groups.push_back(all.size());
                                for (auto& each : all) passed.push_back(std::move(each));
                                if (reports_at_once)
                                  report_results(passed.size() - all.size(), all.size());
                              },
                              responses, clock, 1};
  std::int32_t last_stream = -1;

  /// A request with tokens of the names; its stream.
  std::int32_t ask(const std::vector<std::string>& tokens, std::uint32_t io_thread = 0) {
    net::http_request request;
    request.method = net::http_method::post;
    request.content_type = "application/jose";
    for (const auto& each : tokens) request.body += (request.body.empty() ? "" : "\n") + each;
    request.respond_to.io_thread = io_thread;
    request.respond_to.stream = last_stream += 2;
    endpoint.on_request(std::move(request));
    return last_stream;
  }
  /// A full request, as after an outage.
  std::int32_t send_several(const std::string& name) {
    return ask(std::vector<std::string>(limits::tokens_per_request_max, name));
  }
  void report_results(std::size_t first, std::size_t count) {
    for (std::size_t i = first; i < first + count; ++i)
      passed.at(i).listener->on_result(passed[i].index, {});
  }
};

constexpr auto full = limits::tokens_per_request_max;
constexpr auto room =
    heartbeat_limits::deferred_heartbeats_in_flight_max / full;  // full requests in flight

}  // namespace

BOOST_AUTO_TEST_SUITE(heartbeat_endpoint_suite)

BOOST_AUTO_TEST_CASE(what_comes_in_a_round_is_passed_on_together_and_in_order) {
  dispatcher d;
  d.ask({"a"});
  d.ask({"b", "c"});
  d.ask({"d"});
  BOOST_TEST(d.passed.empty());
  d.endpoint.on_round_end(0);
  BOOST_REQUIRE_EQUAL(d.passed.size(), 4u);
  BOOST_TEST(d.groups.size() == 1u);
  for (std::size_t i = 0; i < 4; ++i) BOOST_TEST(d.passed[i].token == std::string(1, "abcd"[i]));
  d.endpoint.on_round_end(0);
  BOOST_TEST(d.groups.size() == 1u);
}

BOOST_AUTO_TEST_CASE(the_content_type_has_any_case_and_parameters) {
  const auto status_of = [](const std::string& content_type) {
    dispatcher d;
    net::http_request request;
    request.method = net::http_method::post;
    request.content_type = content_type;
    request.body = "a";
    request.respond_to.stream = 1;
    d.endpoint.on_request(std::move(request));
    d.endpoint.on_round_end(0);
    return d.passed.size() == 1 ? 0 : d.responses.status[1];
  };
  for (const auto* right : {"", "application/jose", "Application/JOSE", "application/jose; a=b",
                            "application/jose\t;a=b", "application/jose "})
    BOOST_TEST(status_of(right) == 0, right);
  for (const auto* wrong : {"application/json", "application/jose+json", "jose", " "})
    BOOST_TEST(status_of(wrong) == 415, wrong);
}

/// The drain waits for every stream, so none may miss its end.
BOOST_AUTO_TEST_CASE(a_stream_that_is_opened_while_the_drain_begins_ends) {
  dispatcher d;
  d.responses.during_begin = [&] { d.endpoint.begin_drain(); };
  net::http_request request;
  request.method = net::http_method::post;
  request.content_type = "application/jose";
  request.respond_to.stream = 1;
  d.endpoint.on_stream_opened(std::move(request));
  BOOST_TEST(d.responses.sent == (std::vector<std::string>{"begin", "last"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_full_round_is_passed_on_before_its_end) {
  dispatcher d;
  for (std::size_t i = 0; i + 1 < heartbeat_endpoint::gathered_max; ++i) d.ask({"a"});
  BOOST_TEST(d.passed.empty());
  d.ask({"a"});
  BOOST_TEST(d.passed.size() == heartbeat_endpoint::gathered_max);
}

BOOST_AUTO_TEST_CASE(requests_of_further_threads_are_passed_on_at_once) {
  dispatcher d;
  d.ask({"a"}, 1);
  BOOST_TEST(d.passed.size() == 1u);
  d.ask({"b", "c"}, 1);
  BOOST_TEST(d.passed.size() == 3u);
}

BOOST_AUTO_TEST_CASE(deferred_heartbeats_wait_and_new_ones_pass) {
  dispatcher d;
  for (std::size_t i = 0; i < room; ++i) d.send_several("early");
  const auto late = d.send_several("late");
  d.ask({"l", "ast"});  // would fit, but not before the one that waits
  d.endpoint.on_round_end(0);
  BOOST_TEST(d.passed.size() == room * full);
  d.ask({"new"});
  d.endpoint.on_round_end(0);
  BOOST_REQUIRE_EQUAL(d.passed.size(), room * full + 1);
  BOOST_TEST(d.passed.back().token == "new");
  // All but one token of a request is not enough.
  d.report_results(0, full - 1);
  d.endpoint.on_round_end(0);
  BOOST_TEST(d.passed.size() == room * full + 1);
  d.report_results(full - 1, 1);
  BOOST_TEST(d.responses.status.contains(1));
  d.endpoint.on_round_end(0);
  BOOST_REQUIRE_EQUAL(d.passed.size(), (room + 1) * full + 1);
  BOOST_TEST(d.passed.back().token == "late");
  BOOST_TEST(!d.responses.status.contains(late));
  // Single ones are not counted, neither when they come nor when they get their results.
  d.report_results(room * full, 1);
  d.endpoint.on_round_end(0);
  BOOST_TEST(d.passed.size() == (room + 1) * full + 1);
  d.report_results(full, full);
  d.endpoint.on_round_end(0);
  BOOST_TEST(d.passed.back().token == "ast");
}

BOOST_AUTO_TEST_CASE(as_many_wait_as_there_is_room_for) {
  dispatcher d;
  const auto waiting = heartbeat_limits::deferred_heartbeats_max / full;
  for (std::size_t i = 0; i < room + waiting; ++i) d.send_several("deferred");
  d.endpoint.on_round_end(0);
  BOOST_TEST(d.passed.size() == room * full);
  // One more is shed: it overtakes nobody, and takes no room of single ones.
  const auto more = d.send_several("one more");
  BOOST_TEST(d.responses.status.at(more) == 503);
  d.endpoint.on_round_end(0);
  BOOST_TEST(d.passed.size() == room * full);
  BOOST_TEST(d.endpoint.statistics().deferred == waiting * full);
  BOOST_TEST(d.endpoint.statistics().shed == full);
  d.ask({"new"});
  d.endpoint.on_round_end(0);
  BOOST_TEST(d.passed.back().token == "new");
  // In the end all others have been passed on, each once, and all have a response.
  for (std::size_t settled = 0; settled < d.passed.size(); d.endpoint.on_round_end(0)) {
    const auto there = d.passed.size();
    d.report_results(settled, there - settled);
    settled = there;
  }
  BOOST_TEST(d.passed.size() == (room + waiting) * full + 1);
  BOOST_TEST(d.responses.status.size() == room + waiting + 2);
  BOOST_TEST(d.endpoint.statistics().deferred == 0u);
}

BOOST_AUTO_TEST_CASE(what_waits_too_long_comes_again) {
  dispatcher d;
  for (std::size_t i = 0; i < room; ++i) d.send_several("early");
  const auto old = d.send_several("old");
  d.clock.advance(1);
  const auto late = d.send_several("late");
  d.clock.step_wall(3'600'000);                             // which counts for nothing
  d.clock.advance(heartbeat_limits::deferred_wait_max_ms);  // of the later one: just not too long
  d.endpoint.on_round_end(0);
  BOOST_TEST(d.responses.status.at(old) == 503);
  BOOST_TEST(!d.responses.status.contains(late));
  BOOST_TEST(d.endpoint.statistics().shed == full);
  BOOST_TEST(d.endpoint.statistics().deferred == full);
  d.report_results(0, room * full);
  d.endpoint.on_round_end(0);
  BOOST_REQUIRE_EQUAL(d.passed.size(), (room + 1) * full);
  BOOST_TEST(d.passed.back().token == "late");
}

BOOST_AUTO_TEST_CASE(the_limit_of_a_round_holds_even_if_results_come_at_once) {
  dispatcher d;
  for (std::size_t i = 0; i < 3 * room; ++i) d.send_several("deferred");
  d.endpoint.on_round_end(0);
  BOOST_TEST(d.passed.size() == room * full);
  d.reports_at_once = true;
  d.report_results(0, room * full);
  d.endpoint.on_round_end(0);
  BOOST_TEST(d.passed.size() == 2 * room * full);
  d.endpoint.on_round_end(0);
  BOOST_TEST(d.passed.size() == 3 * room * full);
  BOOST_TEST(d.responses.status.size() == 3 * room);
}

BOOST_AUTO_TEST_SUITE_END()
