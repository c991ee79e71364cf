// Values that no gateway can have written: each is `corrupt`, and nothing is decided with it.
#include "storage/redis/codec.hpp"

#include <boost/test/unit_test.hpp>
#include <cstdint>
#include <limits>
#include <string>

#include "storage/byte_codec.hpp"
#include "storage/redis/cas.hpp"

using namespace watchkeeper;
using namespace watchkeeper::storage;

namespace {

constexpr std::int64_t largest = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t smallest = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t beyond = std::int64_t{1} << 53;
constexpr wall_ms now_ms{1'763'812'345'123};

struct stored_head {
  std::uint8_t format = redis_codec::format_byte, marked = 1;
  std::uint64_t nonce = 17;

  void put(byte_writer& out) const {
    out.u8(format);
    out.u8(marked);
    out.u64(nonce);
  }
};

struct stored_pair {
  stored_head head;
  std::uint32_t epoch = 1, attempt = 1;
  std::uint64_t compared_in = 7;
  std::int64_t begins_ms = 0;
  std::uint32_t covered_ms = 9000, duration_ms = 60'000, resume_ms = 9000;
  std::int64_t playtime_ms = 9000, resume_at_ms = now_ms.value(), updated_ms = now_ms.value(),
               mastered_ms = 0;

  /// With a window of the request's session.
  [[nodiscard]] std::string bytes() const;
};

hot_request a_request() {
  hot_request request;
  auto& credit = request.credit;
  credit.student = *student_id::parse("ada");
  credit.module = *module_id::parse("m1");
  credit.session = *session_id::parse("s1");
  credit.sequence = 4;
  credit.epoch = 1;
  credit.interval = {10'000, 12'000};
  credit.played_at_ms = credit.now_ms = now_ms;
  credit.duration_ms = 60'000;
  credit.mastery_measured_ms = 57'000;
  credit.max_rate_permille = 2000;
  return request;
}

std::string stored_pair::bytes() const {
  std::string out;
  byte_writer put(out);
  head.put(put);
  if (head.format != redis_codec::format_byte_3) {
    put.u32(epoch);
    put.u32(attempt);
    put.u64(compared_in);
    put.i64(begins_ms);
  }
  put.u32(covered_ms);
  put.u32(duration_ms);
  put.u32(resume_ms);
  put.i64(playtime_ms);
  put.i64(resume_at_ms);
  put.i64(updated_ms);
  put.i64(mastered_ms);
  put.u8(1);
  put.u64(redis_codec::session_tag(a_request().credit.session_key()));
  put.u32(3);
  put.u64(1);
  put.u32(static_cast<std::uint32_t>(to_unix_s(now_ms)));
  put.u32(0);
  put.u32(9000);
  return out;
}

std::string student_of(std::int64_t level_us, std::int64_t refilled_at_ms,
                       const stored_head& head = {.marked = 0}) {
  std::string bytes;
  byte_writer put(bytes);
  head.put(put);
  if (head.format != redis_codec::format_byte_3) put.u32(1);
  put.i64(level_us);
  put.i64(refilled_at_ms);
  return bytes;
}

const stored_pair unsound[] = {
    {.head = {.format = 0x82}}, {.head = {.marked = 2}},      {.head = {.nonce = 0}},
    {.covered_ms = 9001},       {.duration_ms = 0x8000'0000}, {.resume_ms = 0xffff'ffff},
    {.playtime_ms = -1},        {.playtime_ms = largest},     {.playtime_ms = beyond},
    {.begins_ms = largest},     {.resume_at_ms = smallest},   {.updated_ms = largest},
    {.mastered_ms = -beyond},
};

struct decided {
  redis_cas::decision decision;
  applied_credit applied;
};

decided decide(std::string_view student, std::string_view pair) {
  redis_cas::student_values before{.student = student};
  before.pairs.emplace_back(*module_id::parse("m1"), pair);
  const hot_request requests[] = {a_request()};
  const std::uint16_t chain[] = {0};
  decided made;
  made.decision =
      redis_cas::decide(before, {.requests = requests, .chain = chain, .incarnation = 7},
                        std::span(&made.applied, 1), [] { return std::uint64_t{99}; });
  return made;
}

using kind = redis_cas::decision::kind;

}  // namespace

BOOST_AUTO_TEST_SUITE(redis_codec_suite)

BOOST_AUTO_TEST_CASE(a_sound_pair_is_read_and_credited) {
  const auto pair = redis_codec::decode_pair(stored_pair{}.bytes());
  BOOST_REQUIRE(pair);
  BOOST_TEST(redis_codec::encode(*pair) == stored_pair{}.bytes());
  const auto made = decide(student_of(60'000'000, now_ms.value()), stored_pair{}.bytes());
  BOOST_REQUIRE(made.decision.what == kind::write);
  BOOST_TEST(made.applied.outcome.credited_ms == 2000);
  const auto after = redis_codec::decode_pair(made.decision.pairs.at(0).after);
  BOOST_REQUIRE(after);
  BOOST_TEST(after->nonce == 99u);
  BOOST_TEST(after->state.covered.covered_ms() == 11'000);
}

BOOST_AUTO_TEST_CASE(a_pair_with_numbers_that_nobody_wrote_is_none) {
  for (const auto& pair : unsound) {
    BOOST_TEST(!redis_codec::decode_pair(pair.bytes()).has_value());
    BOOST_TEST((decide(student_of(60'000'000, now_ms.value()), pair.bytes()).decision.what ==
                kind::corrupt));
  }
}

BOOST_AUTO_TEST_CASE(a_bucket_with_such_numbers_is_corrupt) {
  for (const auto number : {largest, smallest, beyond, -beyond}) {
    BOOST_TEST((decide(student_of(number, now_ms.value()), stored_pair{}.bytes()).decision.what ==
                kind::corrupt));
    BOOST_TEST((decide(student_of(60'000'000, number), stored_pair{}.bytes()).decision.what ==
                kind::corrupt));
  }
  for (const auto& student : {student_of(1, now_ms.value(), {.format = 0x82}),
                              student_of(1, now_ms.value(), {.nonce = 0}),
                              student_of(1, now_ms.value()) + "x", std::string("three")})
    BOOST_TEST((decide(student, stored_pair{}.bytes()).decision.what == kind::corrupt));
}

BOOST_AUTO_TEST_CASE(a_value_of_format_3_is_of_the_first_life) {
  const stored_head head{.format = redis_codec::format_byte_3};
  const auto pair = redis_codec::decode_pair(stored_pair{.head = head}.bytes());
  BOOST_REQUIRE(pair);
  BOOST_TEST(pair->state.life.epoch == 1u);
  BOOST_TEST(pair->state.life.attempt == 1u);
  BOOST_TEST(pair->compared_in == 0u);
  BOOST_TEST(pair->state.covered.covered_ms() == 9000);
  BOOST_TEST(redis_codec::encode(*pair) == stored_pair{.compared_in = 0}.bytes());
  const auto student =
      redis_codec::decode_student(student_of(5, 6, {.format = redis_codec::format_byte_3}));
  BOOST_REQUIRE(student);
  BOOST_TEST(student->epoch == 1u);
  BOOST_TEST(redis_codec::decode_student("erased")->epoch == 2u);
  BOOST_TEST(redis_codec::nonce_of("erased").size() == redis_codec::nonce_bytes);
}

BOOST_AUTO_TEST_CASE(a_value_of_format_2_is_no_pair) {
  // It began with covered_ms, whose first bit is never set.
  std::string before(86, '\0');
  BOOST_TEST(!redis_codec::decode_pair(before).has_value());
  BOOST_TEST(!redis_codec::decode_student(std::string(16, '\0')).has_value());
}

BOOST_AUTO_TEST_CASE(a_session_with_no_window_in_its_pair_is_asked_for) {
  auto other = stored_pair{}.bytes();
  other[79] = static_cast<char>(other[79] + 1);  // the tag of another session
  const auto made = decide(student_of(60'000'000, now_ms.value()), other);
  BOOST_TEST((made.decision.what == kind::needs_sessions));
}

BOOST_AUTO_TEST_SUITE_END()
