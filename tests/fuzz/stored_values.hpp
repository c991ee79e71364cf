#pragma once

#include <cstdint>
#include <string_view>

#include "actors/live/message.hpp"
#include "domain/progress.hpp"
#include "storage/redis/codec.hpp"
#include "tests/fuzz/require.hpp"

/// What holds of every value that was decoded, whatever it was decoded from.
namespace watchkeeper::fuzz {

inline void check_coverage(const coverage& seen) {
  const auto pieces = seen.pieces();
  REQUIRE(pieces.size() <= limits::coverage_intervals_max);
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    REQUIRE(pieces[i].from_ms >= 0 && pieces[i].from_ms < pieces[i].to_ms);
    REQUIRE(i == 0 || pieces[i].from_ms - pieces[i - 1].to_ms > limits::gap_closed_ms);
  }
  REQUIRE(coverage::decode(seen.encode()) == seen);
  coverage twice = seen;
  twice.unite(seen);
  REQUIRE(twice == seen);
}

inline void check_progress(const progress& state) {
  check_coverage(state.covered);
  REQUIRE(state.duration_ms >= 0 && state.resume_ms >= 0 && state.playtime_ms >= 0);
  const auto percent = completion_centipercent(state.covered.covered_ms(), state.duration_ms);
  REQUIRE(percent >= 0 && percent <= 10'000);
  auto merged = state;
  merge(merged, state);
  REQUIRE(merged == state);
}

inline progress some_progress(std::uint8_t number) {
  auto state = blank_progress({.epoch = 1, .begins_ms = never});
  for (media_ms i = 0; i < number % 4; ++i) state.covered.add({i * 2000, i * 2000 + 1000});
  state.duration_ms = 60'000;
  state.updated_ms = wall_ms{1'763'812'345'123};
  return state;
}

/// Else it is of the format before, which is read and not written.
inline bool is_of_this_format(std::string_view value) {
  return !value.empty() &&
         static_cast<std::uint8_t>(value.front()) == storage::redis_codec::format_byte;
}

/// The value of a pair: what can be read can be written, and read again as the same.
inline void check_pair(std::string_view value) {
  const auto pair = storage::redis_codec::decode_pair(value);
  if (!pair) return;
  check_progress(pair->state);
  REQUIRE(pair->nonce != 0 && pair->windows.size() <= storage::redis_codec::windows_max);
  const auto written = storage::redis_codec::encode(*pair);
  if (is_of_this_format(value)) REQUIRE(written == value);
  const auto again = storage::redis_codec::decode_pair(written);
  REQUIRE(again && storage::redis_codec::encode(*again) == written);
}

/// What another gateway sends by publish and subscribe.
inline void check_message(std::string_view text) {
  const auto message = actors::decode_live_message(text);
  if (!message) return;
  const auto written = actors::encode(*message);
  const auto again = actors::decode_live_message(written);
  REQUIRE(again && actors::encode(*again) == written);
  if (const auto* updates = std::get_if<actors::live_updates>(&message->what)) {
    REQUIRE(updates->items.size() <= actors::live_message::items_max);
    for (const auto& item : updates->items) {
      check_coverage(item.fresh);
      REQUIRE(item.now.covered_ms >= 0 && item.last.from_ms < item.last.to_ms);
    }
  }
}

}  // namespace watchkeeper::fuzz
