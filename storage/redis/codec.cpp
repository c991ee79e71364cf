#include "storage/redis/codec.hpp"
#include "storage/limits.hpp"
#include "storage/redis/redis_limits.hpp"

#include <array>
#include <cassert>
#include <cstring>

namespace watchkeeper::storage::redis_codec {

namespace {

// What the function replies in the place of a credit_status.
constexpr std::uint8_t reply_pair_missing = 4;
constexpr std::uint8_t reply_corrupt = 5;
constexpr std::uint8_t reply_mastered = 6;  // added to credited or limited

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
static_assert(storage_limits::session_ttl_ms == 3'600'000 &&
              storage_limits::student_ttl_ms == 86'400'000);
static_assert(limits::replay_window_numbers == 64);
static_assert(limits::partitions <= 256 && redis_limits::function_heartbeats_max * 2 < 256,
              "a place and a partition are one byte each");
static_assert(problem_count < 256);

struct pair_numbers {
  std::uint32_t covered_ms = 0;
  std::uint32_t duration_ms = 0;
  std::uint32_t resume_ms = 0;
  std::int64_t playtime_ms = 0;
  unix_ms resume_at_ms = 0;
  unix_ms updated_ms = 0;
  unix_ms mastered_ms = 0;
  std::uint64_t version = 0;
  std::uint8_t marked = 0;

  /// Whether the function library can have written them: what it cannot might overflow here.
  [[nodiscard]] bool sound() const noexcept {
    constexpr std::uint32_t media_max = 0x7fff'ffff;
    return covered_ms <= media_max && duration_ms <= media_max && resume_ms <= media_max &&
           playtime_ms >= 0 && is_exact(playtime_ms) && is_exact(resume_at_ms) &&
           is_exact(updated_ms) && is_exact(mastered_ms) && version > 0 &&
           version < static_cast<std::uint64_t>(exact_max) && marked <= 1;
  }
};

pair_numbers decode_numbers(byte_reader& in) {
  pair_numbers read;
  read.covered_ms = in.u32();
  read.duration_ms = in.u32();
  read.resume_ms = in.u32();
  read.playtime_ms = in.i64();
  read.resume_at_ms = in.i64();
  read.updated_ms = in.i64();
  read.mastered_ms = in.i64();
  read.version = in.u64();
  read.marked = in.u8();
  return read;
}

}  // namespace

std::string encode_numbers(const progress& state, std::uint64_t version) {
  assert(is_exact(state.playtime_ms) && is_exact(state.resume_at_ms) &&
         is_exact(state.updated_ms) && is_exact(state.mastered_ms));
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

std::optional<versioned_progress> decode_pair(std::string_view value) {
  byte_reader in(value);
  const auto read = decode_numbers(in);
  const std::size_t windows = in.u8();
  in.bytes(windows * window_bytes);
  if (!in.good() || !read.sound() || windows > windows_max) return std::nullopt;
  auto decoded = coverage::decode(in.rest());
  if (!decoded || static_cast<media_ms>(read.covered_ms) != decoded->covered_ms())
    return std::nullopt;
  versioned_progress pair;
  pair.state.covered = std::move(*decoded);
  pair.state.duration_ms = static_cast<media_ms>(read.duration_ms);
  pair.state.playtime_ms = read.playtime_ms;
  pair.state.resume_ms = static_cast<media_ms>(read.resume_ms);
  pair.state.resume_at_ms = read.resume_at_ms;
  pair.state.updated_ms = read.updated_ms;
  pair.state.mastered_ms = read.mastered_ms;
  pair.version = read.version;
  return pair;
}

std::uint64_t session_tag(const session_key_id& session) noexcept {
  std::array<char, sizeof(thumbprint::bytes) + limits::id_chars_max> text;
  const auto sid = session.session.view();
  std::memcpy(text.data(), session.device.bytes.data(), session.device.bytes.size());
  std::memcpy(text.data() + session.device.bytes.size(), sid.data(), sid.size());
  return stable_hash({text.data(), session.device.bytes.size() + sid.size()}) >> 11;
}

void encode_request(const hot_request& request, const key_places& places, std::string& out) {
  const auto& credit = request.credit;
  assert(credit.interval.from_ms >= 0 && credit.interval.from_ms < credit.interval.to_ms);
  assert(is_exact(credit.played_at_ms) && is_exact(credit.now_ms));
  byte_writer put(out);
  put.u8(request.want_coverage ? 1 : 0);
  put.u8(static_cast<std::uint8_t>(places.partition));
  put.u8(static_cast<std::uint8_t>(places.student));
  put.u8(static_cast<std::uint8_t>(places.pair));
  put.u32(credit.sequence);
  put.u32(static_cast<std::uint32_t>(credit.interval.from_ms));
  put.u32(static_cast<std::uint32_t>(credit.interval.to_ms));
  put.i64(credit.played_at_ms);
  put.i64(credit.now_ms);
  put.u32(static_cast<std::uint32_t>(credit.duration_ms));
  put.u32(static_cast<std::uint32_t>(credit.mastery_covered_ms));
  put.u32(static_cast<std::uint32_t>(credit.rate_permille));
  put.u64(session_tag(credit.session_key()));
}

std::optional<applied_credit> decode_outcome(byte_reader& in, const hot_request& request,
                                             bool& corrupt) {
  corrupt = false;
  applied_credit applied;
  auto status = in.u8();
  const bool mastered = status >= reply_mastered;
  if (mastered) status -= reply_mastered;
  if (!in.good() || status > (mastered ? 1 : reply_corrupt)) return std::nullopt;
  if (status == reply_corrupt) {
    corrupt = true;
    return applied;  // failed
  }
  if (status == reply_pair_missing) {
    applied.state = applied_state::pair_missing;
    return applied;
  }
  applied.state = applied_state::done;
  auto& outcome = applied.outcome;
  outcome.status = static_cast<credit_status>(status);
  outcome.newly_mastered = mastered;
  if (outcome.status == credit_status::rejected) {
    const auto why = in.u8();
    if (why == 0 || why >= problem_count) return std::nullopt;
    outcome.why = static_cast<problem>(why);
  } else {
    const auto numbers = decode_numbers(in);
    if (outcome.status == credit_status::credited)
      outcome.credited_ms = request.credit.interval.length_ms();
    else if (outcome.status == credit_status::limited)
      outcome.credited_ms = in.media();
    if (outcome.credited_ms > request.credit.interval.length_ms()) return std::nullopt;
    corrupt = !numbers.sound();
    if (!corrupt)
      outcome.now = {static_cast<media_ms>(numbers.covered_ms),
                     static_cast<media_ms>(numbers.duration_ms),
                     numbers.playtime_ms,
                     static_cast<media_ms>(numbers.resume_ms),
                     numbers.updated_ms,
                     numbers.mastered_ms};
  }
  if (request.want_coverage) {
    const auto size = in.u32();
    const auto bytes = in.bytes(size);
    if (!in.good()) return std::nullopt;
    applied.covered = coverage::decode(bytes);
    if (!applied.covered || (outcome.status != credit_status::rejected &&
                             applied.covered->covered_ms() != outcome.now.covered_ms))
      corrupt = true;
  }
  // The pair's own bytes, unlike the rest of the reply, are whatever lies in Redis: they fail this
  // heartbeat, and not those that follow.
  if (corrupt) applied = {};
  if (!in.good()) return std::nullopt;
  return applied;
}

}  // namespace watchkeeper::storage::redis_codec
