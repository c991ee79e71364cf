#include "storage/redis/cas.hpp"

#include <boost/container/static_vector.hpp>

#include "storage/byte_codec.hpp"
#include "storage/limits.hpp"
#include "storage/redis/codec.hpp"

namespace watchkeeper::storage::redis_cas {

namespace {

using redis_codec::bucket_bytes;
using redis_codec::mark_offset;
using redis_codec::numbers_bytes;
using redis_codec::window_bytes;
using redis_codec::windows_max;

constexpr std::size_t counted_bytes = numbers_bytes + 1;
// As in watchkeeper.lua.
constexpr std::int64_t session_renewed_ms = storage_limits::session_ttl_ms / 8;
constexpr std::uint64_t marked_again = 16;
static_assert(session_renewed_ms == 450'000);

struct session_window {
  std::uint64_t tag = 0;
  replay_window window;
  std::uint32_t renewed_s = 0;

  [[nodiscard]] std::int64_t age_ms(unix_ms now_ms) const noexcept {
    return now_ms - std::int64_t{renewed_s} * 1000;
  }
};

struct decoded_pair {
  progress state;
  std::uint64_t version = 0;
  boost::container::static_vector<session_window, windows_max> windows;
};

std::optional<decoded_pair> decode(std::string_view value) {
  auto read = redis_codec::decode_pair(value);
  if (!read) return std::nullopt;
  std::optional<decoded_pair> pair{std::in_place};
  pair->state = std::move(read->state);
  pair->version = read->version;
  byte_reader in(value.substr(numbers_bytes));
  for (auto left = in.u8(); left > 0; --left) {
    session_window entry;
    entry.tag = in.u64();
    const auto highest = in.u32();
    entry.window = {highest, in.u64()};
    entry.renewed_s = in.u32();
    pair->windows.push_back(entry);
  }
  return pair;
}

std::string encode(const decoded_pair& pair) {
  auto out = redis_codec::encode_numbers(pair.state, pair.version);
  out[mark_offset] = 1;
  byte_writer put(out);
  put.u8(static_cast<std::uint8_t>(pair.windows.size()));
  for (const auto& entry : pair.windows) {
    put.u64(entry.tag);
    put.u32(entry.window.highest());
    put.u64(entry.window.seen());
    put.u32(entry.renewed_s);
  }
  for (const auto& piece : pair.state.covered.pieces()) {
    put.u32(static_cast<std::uint32_t>(piece.from_ms));
    put.u32(static_cast<std::uint32_t>(piece.to_ms));
  }
  return out;
}

/// Brings the session's window to the front, where wk_credit has it. False: there is none.
bool bring_forward(decoded_pair& pair, std::uint64_t tag, unix_ms now_ms) {
  auto& windows = pair.windows;
  const auto lives = [&](const session_window& entry) {
    return entry.age_ms(now_ms) < storage_limits::session_ttl_ms;
  };
  if (!windows.empty() && windows[0].tag == tag && lives(windows[0])) return true;
  std::size_t at = 0;
  while (at < windows.size() && !(windows[at].tag == tag && lives(windows[at]))) ++at;
  if (at == windows.size()) return false;
  // In passing the others that have ended go.
  decltype(pair.windows) sorted{windows[at]};
  for (std::size_t i = 0; i < windows.size(); ++i)
    if (i != at && lives(windows[i])) sorted.push_back(windows[i]);
  windows = sorted;
  return true;
}

}  // namespace

std::optional<values> from_stored(std::string_view pair, std::string_view bucket) {
  if (bucket.size() != bucket_bytes || pair.size() < counted_bytes || pair.size() > pair_bytes_max)
    return std::nullopt;
  std::optional<values> read{std::in_place};
  read->pair = pair;
  read->pair[mark_offset] = 1;
  read->bucket = bucket;
  return read;
}

std::optional<plan> decide(const values& before, std::span<const hot_request> requests,
                           std::span<const std::uint16_t> chain,
                           std::span<applied_credit> applied) {
  auto pair = decode(before.pair);
  if (!pair || before.bucket.size() != bucket_bytes) return std::nullopt;
  byte_reader in(before.bucket);
  const auto level_us = in.i64();
  const auto refilled_at_ms = in.i64();
  // Numbers that no function writes would overflow further down.
  if (!redis_codec::is_exact(level_us) || !redis_codec::is_exact(refilled_at_ms))
    return std::nullopt;
  credit_bucket bucket(level_us, refilled_at_ms);

  std::optional<plan> made{std::in_place};
  std::uint64_t renewed_tag = 0;
  bool changed = false;
  for (const auto i : chain) {
    const auto& request = requests[i];
    const auto& credit = request.credit;
    const auto tag = redis_codec::session_tag(credit.session_key());
    // A copy, so that a heartbeat that changes nothing does not reorder the windows either.
    const auto windows = pair->windows;
    if (!bring_forward(*pair, tag, credit.now_ms)) return std::nullopt;
    if (credit.now_ms - bucket.refilled_at_ms() >= storage_limits::student_ttl_ms)
      return std::nullopt;

    auto& entry = pair->windows[0];
    session_state session{credit.module, entry.window};
    auto& result = applied[i];
    result = {};
    result.outcome = apply_credit(credit, session, bucket, pair->state);
    result.state = applied_state::done;
    if (result.outcome.status <= credit_status::limited) {
      changed = true;
      entry.window = session.window;
      ++pair->version;
      if (pair->version % marked_again == 0) made->mark_again = true;
      const auto since_ms = entry.age_ms(credit.now_ms);
      if (since_ms < 0 || since_ms >= session_renewed_ms) {
        entry.renewed_s = static_cast<std::uint32_t>(credit.now_ms / 1000);
        if (made->renew_session && renewed_tag != tag) return std::nullopt;
        made->renew_session = true;
        renewed_tag = tag;
      }
    } else {
      pair->windows = windows;
    }
    if (request.want_coverage) result.covered = pair->state.covered;
  }
  if (!changed || (made->renew_session && pair->windows[0].tag != renewed_tag)) return std::nullopt;

  if (!redis_codec::is_exact(pair->state.playtime_ms)) return std::nullopt;
  made->after.pair = encode(*pair);
  if (made->after.pair.size() > pair_bytes_max) return std::nullopt;
  byte_writer put(made->after.bucket);
  put.i64(bucket.level_us());
  put.i64(bucket.refilled_at_ms());
  return made;
}

}  // namespace watchkeeper::storage::redis_cas
