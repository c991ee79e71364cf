#include "sdk/c/engine.hpp"

#include <boost/test/unit_test.hpp>
#include <functional>

#include "tests/sdk/c/support.hpp"

/// When the engine asks for a response with progress, and when an empty one is enough.

using namespace watchkeeper;
using namespace watchkeeper::sdk;
using namespace watchkeeper::sdk::testing;

namespace {

/// Whether each heartbeat asked for a response with progress: `f`, or for an empty one: `.`.
struct asking_device : device {
  std::string asked;
  std::string said = credited;
  void beat(const std::function<void()>& before_sending = [] {}) {
    play();
    before_sending();
    on->poll();
    const auto made = request();
    BOOST_REQUIRE(made);
    last_id = made->id;
    asked += made->prefer.empty() ? 'f' : '.';
    if (made->prefer.empty())
      respond(200, response_to(lines_of(made->body), said));
    else
      respond(204, "");
    BOOST_CHECK(on->buffer().empty());
  }
  void beats(int count) {
    for (int i = 0; i < count; ++i) beat();
  }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(engine_suite)

BOOST_FIXTURE_TEST_CASE(every_second_response_is_a_full_one_unless_said_otherwise, asking_device) {
  start();
  beats(6);
  BOOST_CHECK_EQUAL(asked, "f.f.f.");
  BOOST_CHECK_EQUAL(on->counts().acknowledged, 6);
  int received = 0;
  for (const auto& each : events()) received += each.what == event::kind::progress;
  BOOST_CHECK_EQUAL(received, 3);
  for (const auto& [every, expected] :
       {std::pair{1, "ffffff"}, std::pair{3, "f..f.."}, std::pair{1000, "f....."}}) {
    options.full_response_every = every;
    asked.clear();
    start();
    beats(6);
    BOOST_CHECK_EQUAL(asked, expected);
  }
}

BOOST_FIXTURE_TEST_CASE(where_the_app_needs_the_progress_the_response_is_a_full_one,
                        asking_device) {
  options.full_response_every = 1000;
  start();
  beats(2);
  beat([&] { on->want_progress(); });
  beats(1);
  // A break that is reported while a full response is in flight is not forgotten when it comes.
  on->want_progress();
  play();
  on->poll();
  const auto sent = tokens();
  on->want_progress();
  respond(200, response_to(sent, credited));
  beats(2);
  BOOST_CHECK_EQUAL(asked, "f.f.f.");
  asked.clear();
  on->flush();
  beats(2);
  open("s2");
  beats(2);
  BOOST_CHECK_EQUAL(asked, "f.f.");
}

BOOST_FIXTURE_TEST_CASE(where_the_state_may_change_each_response_is_a_full_one, asking_device) {
  const auto standing = [](const char* percentage, const char* state) {
    return std::string{R"("status":"credited","credited_ms":10000,"seconds_watched":10,)"} +
           R"("completion_percentage":)" + percentage + R"(,"state":")" + state +
           R"(","resume_ms":10000)";
  };
  options.full_response_every = 1000;
  start();
  said = standing("89.99", "IN_PROGRESS");
  beats(3);
  BOOST_CHECK_EQUAL(asked, "f..");
  asked.clear();
  said = standing("90.00", "IN_PROGRESS");
  on->want_progress();
  beats(3);
  said = standing("95.00", "MASTERED");
  beats(3);
  BOOST_CHECK_EQUAL(asked, "ffff..");
}

BOOST_FIXTURE_TEST_CASE(what_was_cut_lost_or_late_gets_a_full_response, asking_device) {
  options.full_response_every = 1000;
  start();
  beats(2);
  // The gateway cuts: it says so although an empty response would have done.
  play();
  on->poll();
  respond(200, response_to(tokens(),
                           R"("status":"limited","credited_ms":10,"seconds_watched":10,)"
                           R"("completion_percentage":1,"state":"IN_PROGRESS","resume_ms":1)"));
  beats(2);
  BOOST_CHECK_EQUAL(asked, "f.f.");
  play();
  on->poll();
  tokens();
  on->on_failure(last_id, true, "connection lost");
  play();
  clock.pass(60'000);
  on->poll();
  auto made = request();
  BOOST_REQUIRE(made);
  BOOST_CHECK(made->prefer.empty());
  last_id = made->id;
  respond(200, response_to(lines_of(made->body), credited));
}

BOOST_FIXTURE_TEST_CASE(an_empty_response_that_was_not_asked_for_says_nothing, device) {
  start();
  play();
  on->poll();
  tokens();
  respond(204, "");
  BOOST_CHECK_EQUAL(on->buffer().size(), 1);
  BOOST_CHECK(on->buffer().heartbeats().front().in_doubt);
  BOOST_CHECK_EQUAL(on->counts().acknowledged, 0);
  const auto received = events();
  BOOST_REQUIRE_EQUAL(received.size(), 1);
  BOOST_CHECK(received[0].failure == failure_kind::response);
}

BOOST_AUTO_TEST_SUITE_END()
