#include "sdk/c/engine.hpp"

#include <boost/test/unit_test.hpp>

#include "sdk/c/buffer_codec.hpp"
#include "tests/sdk/c/support.hpp"

/// What the engine stores and reads again, and a storage that fails or calls back.

using namespace watchkeeper;
using namespace watchkeeper::sdk;
using namespace watchkeeper::sdk::testing;

BOOST_AUTO_TEST_SUITE(engine_suite)

BOOST_FIXTURE_TEST_CASE(a_restart_delivers_what_was_stored_before_what_is_new, device) {
  start();
  for (int i = 0; i < 3; ++i) play();
  on.reset();
  at = 70'000;
  start("s2");
  play();
  on->poll();
  const auto sent = tokens();
  BOOST_REQUIRE_EQUAL(sent.size(), 4);
  BOOST_CHECK_EQUAL(claims_of(sent[0]).sequence, 0);
  BOOST_CHECK_EQUAL(claims_of(sent[2]).interval.to_ms, 30'000);
  BOOST_CHECK_EQUAL(claims_of(sent[3]).session.view(), "s2");
}

BOOST_FIXTURE_TEST_CASE(as_much_is_read_again_as_a_full_buffer_and_a_full_request_are, device) {
  start();
  std::vector<pending_heartbeat> all;
  for (std::size_t i = 0; i < sdk_limits::stored_heartbeats_max + 1; ++i) {
    pending_heartbeat made;
    made.module = *module_id::parse(std::string(64, 'm'));
    made.session = *session_id::parse(std::string(64, 's'));
    made.sequence = limits::sequence_max;
    made.interval = {limits::media_duration_ms_max - 10'000, limits::media_duration_ms_max};
    made.rate_permille = 4000;
    made.ended = {wall_ms{253'402'300'799'000}, {}};
    all.push_back(made);
  }
  const auto one_more = decode_buffer(encode_buffer(options.student, all, {}), options.student);
  BOOST_CHECK_EQUAL(one_more.heartbeats.size(), sdk_limits::stored_heartbeats_max);
  BOOST_CHECK_EQUAL(one_more.damaged, 1);
  all.pop_back();
  const auto text = encode_buffer(*student_id::parse(std::string(64, 'a')), all, {});
  BOOST_CHECK_LE(text.size(), sdk_limits::stored_bytes_max);
  for (std::size_t i = 0, end = 0; i < text.size(); i = end + 1) {
    end = text.find('\n', i);
    BOOST_CHECK_LE(end + 1 - i, sdk_limits::stored_record_bytes_max);
  }
  const auto stored = decode_buffer(encode_buffer(options.student, all, {}), options.student);
  BOOST_CHECK_EQUAL(stored.heartbeats.size(), sdk_limits::stored_heartbeats_max);
  BOOST_CHECK_EQUAL(stored.damaged, 0);
}

BOOST_FIXTURE_TEST_CASE(a_storage_that_cannot_be_written_keeps_all_in_memory_and_is_tried_again,
                        device) {
  start();
  storage.save_fails = true;
  play();
  play();
  BOOST_CHECK(on->storage_failing());
  auto received = events();
  BOOST_REQUIRE_EQUAL(received.size(), 1);  // once
  BOOST_CHECK(received[0].failure == failure_kind::storage_save);
  on->poll();
  BOOST_CHECK_EQUAL(tokens().size(), 2);
  BOOST_CHECK_EQUAL(on->next_due_ms(), sdk_limits::storage_retry_ms);
  storage.save_fails = false;
  clock.pass(sdk_limits::storage_retry_ms);
  on->poll();
  BOOST_CHECK(!on->storage_failing());
  BOOST_CHECK_EQUAL(decode_buffer(storage.content, options.student).heartbeats.size(), 2);
}

BOOST_FIXTURE_TEST_CASE(a_storage_that_cannot_be_read_is_not_written_over, device) {
  start();
  play();
  on.reset();
  const auto before = storage.content;
  storage.load_fails = true;
  start("s2");
  play();
  BOOST_CHECK_EQUAL(storage.content, before);
  storage.load_fails = false;
  clock.pass(sdk_limits::storage_retry_ms);
  on->poll();
  BOOST_CHECK_EQUAL(tokens().size(), 2);  // both of them
  BOOST_CHECK_EQUAL(decode_buffer(storage.content, options.student).heartbeats.size(), 2);
}

BOOST_FIXTURE_TEST_CASE(damaged_records_are_left_out_reported_and_harm_no_other, device) {
  start();
  for (int i = 0; i < 3; ++i) play();
  on.reset();
  storage.content[storage.content.find("10000 20000")] = '9';
  start("s2");
  const auto received = events();
  BOOST_REQUIRE_EQUAL(received.size(), 1);
  BOOST_CHECK(received[0].failure == failure_kind::storage_damaged);
  on->poll();
  BOOST_CHECK_EQUAL(tokens().size(), 2);
}

BOOST_FIXTURE_TEST_CASE(what_is_stored_of_another_student_is_left_alone, device) {
  start();
  play();
  on.reset();
  const auto before = storage.content;
  options.student = *student_id::parse("grace");
  start("s2");
  BOOST_CHECK(on->foreign());
  play();
  on->close();
  BOOST_CHECK_EQUAL(storage.content, before);
}

BOOST_FIXTURE_TEST_CASE(a_storage_that_reports_while_it_saves_is_written_once_more, device) {
  start();
  play();
  on->poll();
  (void)tokens();
  respond(503, problem_text("overloaded"), 60'000);  // so that sending stores nothing
  storage.within_save = [&] {
    storage.within_save = nullptr;
    play();
  };
  play();
  // The older content was written last; the newer is still to be.
  BOOST_CHECK_EQUAL(decode_buffer(storage.content, options.student).heartbeats.size(), 2);
  BOOST_CHECK_EQUAL(on->next_due_ms(), 0);
  on->poll();
  BOOST_CHECK(network.requests.empty());
  BOOST_CHECK_EQUAL(decode_buffer(storage.content, options.student).heartbeats.size(), 3);
}

BOOST_FIXTURE_TEST_CASE(a_storage_that_polls_while_it_loads_is_read_once, device) {
  start();
  for (int i = 0; i < 2; ++i) play();
  on.reset();
  storage.load_fails = true;
  start("s2");
  storage.load_fails = false;
  storage.within_load = [&] { on->poll(); };
  clock.pass(sdk_limits::storage_retry_ms);
  on->poll();
  BOOST_CHECK_EQUAL(tokens().size(), 2);
}

BOOST_AUTO_TEST_SUITE_END()
