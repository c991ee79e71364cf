#include <boost/test/unit_test.hpp>

#include "storage/completion_event.hpp"

namespace watchkeeper::storage {

BOOST_AUTO_TEST_SUITE(completion_events)

namespace {
completion some_completion() {
  completion event;
  event.student = student_id::parse("s-1@school.example").value();
  event.module = module_id::parse("safety:2025").value();
  event.covered_ms = 570'900;
  event.duration_ms = 600'000;
  event.mastered_ms = wall_ms{1'763'812'345'007};
  event.life = life_before_lives;
  return event;
}
}  // namespace

BOOST_AUTO_TEST_CASE(golden) {
  std::string text;
  json_writer out(text);
  write_completion_event(out, some_completion(), "https://watch.example/\"a\\b\n");
  BOOST_TEST(
      text ==
      R"({"specversion":"1.0","id":"35a3e9ce-36ac-5992-91d4-489ba80688eb",)"
      R"("source":"https://watch.example/\"a\\b\n",)"
      R"("type":"org.watchkeeper.module.mastered.v1",)"
      R"("subject":"s-1@school.example/safety:2025","time":"2025-11-22T11:52:25.007Z",)"
      R"("datacontenttype":"application/json","data":{"student":"s-1@school.example",)"
      R"("module":"safety:2025","seconds_watched":570,"completion_percentage":95.15,)"
      R"("mastered_at":"2025-11-22T11:52:25.007Z","threshold":95.00,"attempt":1,"revision":1}})");
}

BOOST_AUTO_TEST_CASE(the_id_is_of_student_module_rule_version_and_life_alone) {
  auto event = some_completion();
  const auto id = completion_event_id(event);
  event.sequence = 9;
  event.mastered_ms += 1;
  event.covered_ms += 1;
  event.threshold_centipercent = 1;
  BOOST_TEST(completion_event_id(event) == id);
  event.rule_version = 2;
  BOOST_TEST(completion_event_id(event) != id);
  event.rule_version = 1;
  event.life = {1, 2};
  const auto of_second_attempt = completion_event_id(event);
  BOOST_TEST(of_second_attempt != id);
  event.life = {2, 1};
  BOOST_TEST(completion_event_id(event) != id);
  BOOST_TEST(completion_event_id(event) != of_second_attempt);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace watchkeeper::storage
