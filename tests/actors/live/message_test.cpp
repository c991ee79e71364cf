#include "actors/live/message.hpp"
#include "tests/actors/live/live_world.hpp"

/// The messages between gateways as text.

using namespace watchkeeper;
using namespace watchkeeper::actors;
using namespace watchkeeper::actors::live_testing;

BOOST_AUTO_TEST_SUITE(live)

BOOST_AUTO_TEST_CASE(updates_between_gateways_come_back_as_they_were) {
  live_update update;
  update.student = named("a:b@c");
  update.status = credit_status::limited;
  update.now = {.measured_ms = 1000,
                .duration_ms = 60'000,
                .playtime_ms = 123'456'789'012,
                .resume_ms = 2000,
                .updated_ms = noon_ms,
                .mastered_ms = noon_ms + 1,
                .life = {.epoch = 3, .attempt = 2}};
  update.last = {0, 2500};
  update.fresh.add({0, 500});
  update.fresh.add({1000, 1500});
  update.played = {{0, 2000}, {500, 700}};
  live_updates updates{film, {update, update}};
  const auto text = encode({0xfeedfacecafebeef, updates});
  BOOST_TEST(text ==
             "wk2 feedfacecafebeef updates film\n"
             "a:b@c 3 2 1 1000 60000 123456789012 2000 1763812345123 1763812345124 0 2500 "
             "2 0 500 1000 1500 2 0 2000 500 700\n"
             "a:b@c 3 2 1 1000 60000 123456789012 2000 1763812345123 1763812345124 0 2500 "
             "2 0 500 1000 1500 2 0 2000 500 700\n");
  const auto back = decode_live_message(text);
  BOOST_REQUIRE(back);
  BOOST_TEST(back->gateway == 0xfeedfacecafebeef);
  BOOST_TEST(encode(*back) == text);
  // Cut anywhere, or with any byte changed, it is invalid or another message, but never a crash.
  for (std::size_t i = 0; i < text.size(); ++i) {
    (void)decode_live_message(text.substr(0, i));
    auto changed = text;
    changed[i] = static_cast<char>(changed[i] ^ 0x15);
    (void)decode_live_message(changed);
  }
}

BOOST_AUTO_TEST_CASE(other_messages_between_gateways_come_back_as_they_were) {
  BOOST_TEST(encode(*decode_live_message("wk2 1 interest\nfilm\nother\n")) ==
             "wk2 1 interest\nfilm\nother\n");
  BOOST_TEST(std::holds_alternative<live_gap>(decode_live_message("wk2 1 gap\n")->what));
  const std::string seen = "wk2 2a seen film\namy 3\nbob 0\n";
  BOOST_TEST(encode(*decode_live_message(seen)) == seen);
  const std::string second = "wk2 2a second 1004 5 6 1 2 3 4\nstale-token 1\nbad-signature 3\n";
  const auto decoded = decode_live_message(second);
  BOOST_REQUIRE(decoded);
  const auto& grown = std::get<live_second>(decoded->what).grown;
  BOOST_TEST(grown.by_problem[static_cast<std::size_t>(problem::bad_signature)] == 3u);
  BOOST_TEST(encode(*decode_live_message(encode(*decoded))) == encode(*decoded));
  // A problem of a newer version does not make the rest unreadable.
  BOOST_TEST(decode_live_message("wk2 2a second 1 0 0 0 0 0 0\nnew-thing 1\n").has_value());
  std::string crowd = "wk2 1 seen film\n";
  for (std::size_t i = 0; i < live_message::students_max; ++i) crowd += "amy 1\n";
  BOOST_TEST(decode_live_message(crowd).has_value());
  BOOST_TEST(!decode_live_message(crowd + "amy 1\n"));
}

BOOST_AUTO_TEST_CASE(messages_that_are_none_are_recognized) {
  BOOST_TEST(
      decode_live_message("wk2 1 updates film\namy 1 1 0 0 0 0 0 0 0 0 1 0 0\n").has_value());
  for (const auto* bad : {"wk2 1 seen film\namy\n",
                          "wk2 1 seen film\namy -1\n",
                          "wk2 1 seen\n",
                          "wk2 1 second 0 0 0 0 0 0 0\n",
                          "wk2 1 second 1 0 0 0 0 0\n",
                          "wk2 1 second 1 0 0 0 0 0 0 0\n",
                          "wk2 1 second 1 0 0 0 0 0 0\nstale-token x\n",
                          "",
                          "\n",
                          "wk1 1 gap\n",
                          "wk2 1 gap",
                          "wk2 1 gap\nfilm\n",
                          "wk2 g gap\n",
                          "wk2 1 what\n",
                          "wk2 1 interest\na b\n",
                          "wk2 1 updates\n",
                          "wk2 1 updates film\namy\n",
                          "wk2 1 updates film\namy 0 1 0 0 0 0 0 0 0 0 1 0 0\n",
                          "wk2 1 updates film\namy 1 0 0 0 0 0 0 0 0 0 1 0 0\n",
                          "wk2 1 updates film\namy 1 1 3 0 0 0 0 0 0 0 1 0 0\n",
                          "wk2 1 updates film\namy 1 1 0 0 0 0 0 0 0 1 1 0 0\n",
                          "wk2 1 updates film\namy 1 1 0 0 0 0 0 0 0 0 1 0 65\n",
                          "wk2 1 updates film\namy 1 1 0 0 0 0 0 0 0 0 1 0\n",
                          "wk2 1 updates film\namy 1 1 0 0 0 0 0 0 0 0 1 0 0 7\n"})
    BOOST_TEST(!decode_live_message(bad), bad);
}

BOOST_AUTO_TEST_SUITE_END()
