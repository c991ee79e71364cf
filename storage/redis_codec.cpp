#include "storage/redis_codec.hpp"

#include <cassert>

namespace watchkeeper::redis_codec {

namespace {

// The function counts in doubles.
constexpr std::int64_t exact_max = std::int64_t{1} << 53;
[[maybe_unused]] bool is_exact(std::int64_t v) {
  return v > -exact_max && v < exact_max;
}

// What the function replies in the place of a credit_status.
constexpr std::uint8_t reply_pair_missing = 4;
constexpr std::uint8_t reply_corrupt = 5;

// Numbers that are written in watchkeeper.lua.
static_assert(static_cast<int>(credit_status::credited) == 0);
static_assert(static_cast<int>(credit_status::limited) == 1);
static_assert(static_cast<int>(credit_status::duplicate) == 2);
static_assert(static_cast<int>(credit_status::rejected) == 3);
static_assert(static_cast<int>(problem::unknown_device) == 4);
static_assert(static_cast<int>(problem::stale_token) == 6);
static_assert(static_cast<int>(problem::session_mismatch) == 11);
static_assert(static_cast<int>(problem::implausible_interval) == 14);
static_assert(limits::gap_closed_ms == 250);
static_assert(limits::coverage_intervals_max == 1024);
static_assert(limits::bucket_capacity_us == 120'000'000 && limits::bucket_start_us == 60'000'000);
static_assert(limits::session_ttl_ms == 3'600'000 && limits::student_ttl_ms == 86'400'000);
static_assert(limits::replay_window_numbers == 64);

struct pair_numbers {
  media_ms covered_ms = 0;
  media_ms duration_ms = 0;
  media_ms resume_ms = 0;
  std::int64_t playtime_ms = 0;
  unix_ms resume_at_ms = 0;
  unix_ms updated_ms = 0;
  unix_ms mastered_ms = 0;
  std::uint64_t version = 0;
};

std::optional<pair_numbers> decode_numbers(byte_reader& in) {
  pair_numbers read;
  read.covered_ms = in.media();
  read.duration_ms = in.media();
  read.resume_ms = in.media();
  read.playtime_ms = in.i64();
  read.resume_at_ms = in.i64();
  read.updated_ms = in.i64();
  read.mastered_ms = in.i64();
  read.version = in.u64();
  const auto marked = in.u8();
  if (!in.good() || read.playtime_ms < 0 || read.version == 0 || marked > 1) return std::nullopt;
  return read;
}

}  // namespace

std::string encode_numbers(const progress& state, std::uint64_t version) {
  assert(is_exact(state.playtime_ms) && is_exact(state.resume_at_ms) && is_exact(state.updated_ms));
  std::string out;
  byte_writer put(out);
  put.u32(static_cast<std::uint32_t>(state.covered.covered_ms()));
  put.u32(static_cast<std::uint32_t>(state.duration_ms));
  put.u32(static_cast<std::uint32_t>(state.resume_ms));
  put.i64(state.playtime_ms);
  put.i64(state.resume_at_ms);
  put.i64(state.updated_ms);
  put.i64(state.mastered_ms);
  put.u64(version);
  put.u8(0);
  assert(out.size() == numbers_bytes);
  return out;
}

std::optional<versioned_progress> decode_pair(std::string_view covered, std::string_view numbers) {
  auto decoded = coverage::decode(covered);
  byte_reader in(numbers);
  const auto read = decode_numbers(in);
  if (!decoded || !read || !in.at_end() || read->covered_ms != decoded->covered_ms())
    return std::nullopt;
  versioned_progress pair;
  pair.state.covered = std::move(*decoded);
  pair.state.duration_ms = read->duration_ms;
  pair.state.playtime_ms = read->playtime_ms;
  pair.state.resume_ms = read->resume_ms;
  pair.state.resume_at_ms = read->resume_at_ms;
  pair.state.updated_ms = read->updated_ms;
  pair.state.mastered_ms = read->mastered_ms;
  pair.version = read->version;
  return pair;
}

void encode_request(const hot_request& request, std::string& out) {
  const auto& credit = request.credit;
  assert(credit.interval.from_ms >= 0 && credit.interval.from_ms < credit.interval.to_ms);
  assert(is_exact(credit.played_at_ms) && is_exact(credit.now_ms));
  byte_writer put(out);
  put.u8(request.want_coverage ? 1 : 0);
  put.u32(credit.sequence);
  put.u32(static_cast<std::uint32_t>(credit.interval.from_ms));
  put.u32(static_cast<std::uint32_t>(credit.interval.to_ms));
  put.i64(credit.played_at_ms);
  put.i64(credit.now_ms);
  put.u32(static_cast<std::uint32_t>(credit.duration_ms));
  put.u32(static_cast<std::uint32_t>(credit.mastery_covered_ms));
  put.u32(static_cast<std::uint32_t>(credit.rate_permille));
  put.u8(static_cast<std::uint8_t>(credit.module.view().size()));
  put.bytes(credit.module.view());
}

std::optional<applied_credit> decode_outcome(byte_reader& in, bool want_coverage, bool& corrupt) {
  corrupt = false;
  applied_credit answer;
  const auto status = in.u8();
  const auto why = in.u8();
  const auto newly = in.u8();
  const auto credited_ms = in.media();
  if (!in.good() || status > reply_corrupt || why >= problem_count || newly > 1)
    return std::nullopt;
  if (status == reply_corrupt) {
    corrupt = true;
    return answer;  // failed
  }
  if (status == reply_pair_missing) {
    answer.how = applied_credit::state::pair_missing;
    return answer;
  }
  answer.how = applied_credit::state::done;
  auto& outcome = answer.outcome;
  outcome.status = static_cast<credit_status>(status);
  outcome.why = static_cast<problem>(why);
  outcome.newly_mastered = newly == 1;
  outcome.credited_ms = credited_ms;
  if ((outcome.status == credit_status::rejected) != (outcome.why != problem::none))
    return std::nullopt;
  if (outcome.status != credit_status::rejected) {
    const auto numbers = decode_numbers(in);
    if (!numbers) return std::nullopt;
    outcome.now = {numbers->covered_ms, numbers->duration_ms, numbers->playtime_ms,
                   numbers->resume_ms,  numbers->updated_ms,  numbers->mastered_ms};
  }
  if (want_coverage) {
    const auto size = in.u32();
    const auto bytes = in.bytes(size);
    if (!in.good()) return std::nullopt;
    answer.covered = coverage::decode(bytes);
    // The pair's own bytes, unlike the rest of the reply, are whatever lies in Redis.
    if (!answer.covered || (outcome.status != credit_status::rejected &&
                            answer.covered->covered_ms() != outcome.now.covered_ms)) {
      corrupt = true;
      answer = {};
    }
  }
  if (!in.good()) return std::nullopt;
  return answer;
}

}  // namespace watchkeeper::redis_codec
