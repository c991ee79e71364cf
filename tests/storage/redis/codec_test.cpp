// Values that the function library cannot have written: each is `corrupt`, none is counted with.
#include "storage/redis/codec.hpp"

#include <boost/test/unit_test.hpp>
#include <cstdint>
#include <limits>
#include <string>

#include "storage/redis/cas.hpp"

using namespace watchkeeper;
using namespace watchkeeper::storage;

namespace {

constexpr std::int64_t largest = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t smallest = std::numeric_limits<std::int64_t>::min();
constexpr unix_ms now_ms = 1'763'812'345'123;

struct stored_numbers {
  std::uint32_t covered_ms = 9000, duration_ms = 60'000, resume_ms = 9000;
  std::int64_t playtime_ms = 9000, resume_at_ms = now_ms, updated_ms = now_ms, mastered_ms = 0;
  std::uint64_t version = 17;
  std::uint8_t marked = 1;

  [[nodiscard]] std::string bytes() const {
    std::string out;
    byte_writer put(out);
    put.u32(covered_ms);
    put.u32(duration_ms);
    put.u32(resume_ms);
    put.i64(playtime_ms);
    put.i64(resume_at_ms);
    put.i64(updated_ms);
    put.i64(mastered_ms);
    put.u64(version);
    put.u8(marked);
    return out;
  }
};

const stored_numbers unsound[] = {
    {.duration_ms = 0x8000'0000},
    {.resume_ms = 0xffff'ffff},
    {.playtime_ms = -1},
    {.playtime_ms = largest},
    {.playtime_ms = redis_codec::exact_max},
    {.resume_at_ms = smallest},
    {.updated_ms = largest},
    {.mastered_ms = -redis_codec::exact_max},
    {.version = 0},
    {.version = std::uint64_t{1} << 53},
    {.marked = 2},
};

hot_request a_request() {
  hot_request request;
  auto& credit = request.credit;
  credit.student = *student_id::parse("ada");
  credit.module = *module_id::parse("m1");
  credit.session = *session_id::parse("s1");
  credit.sequence = 4;
  credit.interval = {10'000, 12'000};
  credit.played_at_ms = credit.now_ms = now_ms;
  credit.duration_ms = 60'000;
  credit.mastery_covered_ms = 57'000;
  credit.rate_permille = 2200;
  return request;
}

/// A pair with a window of the request's session.
std::string pair_of(const stored_numbers& numbers) {
  auto value = numbers.bytes();
  byte_writer put(value);
  put.u8(1);
  put.u64(redis_codec::session_tag(a_request().credit.session_key()));
  put.u32(3);
  put.u64(1);
  put.u32(static_cast<std::uint32_t>(now_ms / 1000));
  put.u32(0);
  put.u32(9000);
  return value;
}

std::string bucket_of(std::int64_t level_us, std::int64_t refilled_at_ms) {
  std::string bytes;
  byte_writer put(bytes);
  put.i64(level_us);
  put.i64(refilled_at_ms);
  return bytes;
}

bool is_written_by_cas(const std::string& pair, const std::string& bucket) {
  const auto before = redis_cas::from_stored(pair, bucket);
  BOOST_REQUIRE(before);
  const hot_request requests[] = {a_request()};
  const std::uint16_t chain[] = {0};
  applied_credit applied[1];
  return redis_cas::decide(*before, requests, chain, applied).has_value();
}

}  // namespace

BOOST_AUTO_TEST_SUITE(redis_codec_suite)

BOOST_AUTO_TEST_CASE(a_pair_with_numbers_that_nobody_wrote_is_none) {
  BOOST_TEST(redis_codec::decode_pair(pair_of({})).has_value());
  for (const auto& numbers : unsound) {
    BOOST_TEST(!redis_codec::decode_pair(pair_of(numbers)).has_value());
    // A mark is set anew before values are compared.
    if (numbers.marked <= 1)
      BOOST_TEST(!is_written_by_cas(pair_of(numbers), bucket_of(60'000'000, now_ms)));
  }
}

BOOST_AUTO_TEST_CASE(a_bucket_with_such_numbers_is_left_to_redis) {
  BOOST_TEST(is_written_by_cas(pair_of({}), bucket_of(60'000'000, now_ms)));
  for (const auto number : {largest, smallest, redis_codec::exact_max, -redis_codec::exact_max}) {
    BOOST_TEST(!is_written_by_cas(pair_of({}), bucket_of(number, now_ms)));
    BOOST_TEST(!is_written_by_cas(pair_of({}), bucket_of(60'000'000, number)));
  }
}

BOOST_AUTO_TEST_CASE(a_playtime_that_would_grow_beyond_what_is_exact_is_left_to_redis) {
  BOOST_TEST(!is_written_by_cas(pair_of({.playtime_ms = redis_codec::exact_max - 1}),
                                bucket_of(60'000'000, now_ms)));
}

BOOST_AUTO_TEST_CASE(an_outcome_of_a_corrupt_pair_does_not_fail_the_next_one) {
  const auto request = a_request();
  for (const auto& numbers : unsound) {
    const auto reply = std::string(1, '\0') + numbers.bytes() + '\0' + stored_numbers{}.bytes();
    byte_reader in(reply);
    bool corrupt = false;
    const auto first = redis_codec::decode_outcome(in, request, corrupt);
    BOOST_REQUIRE(first);
    BOOST_TEST(corrupt);
    BOOST_TEST(first->state == applied_state::failed);
    const auto second = redis_codec::decode_outcome(in, request, corrupt);
    BOOST_REQUIRE(second);
    BOOST_TEST(!corrupt);
    BOOST_TEST(second->state == applied_state::done);
    BOOST_TEST(second->outcome.now.covered_ms == 9000);
    BOOST_TEST(in.at_end());
  }
}

BOOST_AUTO_TEST_CASE(nobody_is_credited_more_than_was_asked_for) {
  for (const std::uint32_t credited_ms : {1999, 2000, 2001}) {
    auto reply = std::string(1, '\1') + stored_numbers{}.bytes();
    byte_writer(reply).u32(credited_ms);
    byte_reader in(reply);
    bool corrupt = false;
    const auto applied = redis_codec::decode_outcome(in, a_request(), corrupt);
    BOOST_TEST(applied.has_value() == (credited_ms <= 2000));
  }
}

BOOST_AUTO_TEST_SUITE_END()
