#pragma once

#include <cstdint>
#include <optional>

#include "base/units.hpp"
#include "domain/coverage.hpp"
#include "domain/limits.hpp"

namespace watchkeeper::sdk {

/// Takes what a player does and gives the intervals of media time that were really played: one for
/// each `heartbeat_ms` of media, and the rest at each pause, seek, change of rate, stall, step into
/// the background and end. Time runs only while the player plays, is not stalled, not seeking and
/// in the foreground. Nothing is filled in: a position that is further on than the clock allows
/// (and any that lies behind) was sought, whether the player said so or not, and what lies between
/// is not claimed.
///
/// What was played in one go and is shorter than `piece_ms_min` is held back, so that scrubbing
/// does not fill the buffer: playback that goes on where it stopped, at the same rate, takes it up,
/// a seek gives it away. Claimed however short: the rest of playback that gave a heartbeat already,
/// and what plays up to the end of the module, once for each place it began.
///
/// Pure: positions in milliseconds of media, `now_ms` of a monotonic clock. A position that is not
/// known is `unknown`: the last one that was told then counts. Every report is followed by `next`
/// until it gives nothing more; intervals come in the order in which they were played.
class interval_cutter {
 public:
  static constexpr media_ms unknown = -1;
  /// How far a position may run ahead of the clock: 500 ms (players report four times a second and
  /// round) and one percent (the clocks of sound and system differ).
  static constexpr std::int64_t slack_ms = 500;
  /// How much of the time in which it did not move it may make up for at once (some players tell
  /// whole seconds). A position that stands for longer was stalled, whether the player said so or
  /// not, and that time is gone.
  /// At slow rates of media, else of the clock.
  static constexpr std::int64_t lag_ms = 1000;

  /// The gateway closes gaps more than twice as long (docs/protocol.md, section 5).
  static constexpr media_ms piece_ms_min = 100;

  explicit interval_cutter(media_ms heartbeat_ms = 10'000) noexcept : heartbeat_ms_(heartbeat_ms) {}

  void play(media_ms at, std::int64_t now_ms) noexcept;
  void pause(media_ms at, std::int64_t now_ms) noexcept;
  void position(media_ms at, std::int64_t now_ms) noexcept;
  /// The user begins to seek at `at`; until `sought` nothing counts.
  void seeking(media_ms at, std::int64_t now_ms) noexcept;
  void sought(media_ms to, std::int64_t now_ms) noexcept;
  /// False, and nothing counts until a good rate comes: the rate is not within 250 … 4000.
  bool rate(media_ms at, std::int32_t permille, std::int64_t now_ms) noexcept;
  void stalled(media_ms at, std::int64_t now_ms) noexcept;
  void resumed(media_ms at, std::int64_t now_ms) noexcept;
  void background(media_ms at, std::int64_t now_ms) noexcept;
  void foreground(media_ms at, std::int64_t now_ms) noexcept;
  /// The end of the module. A session that is only left is paused.
  void ended(media_ms at, std::int64_t now_ms) noexcept;

  struct piece {
    media_interval interval;
    std::int32_t rate_permille = 1000;
  };
  [[nodiscard]] std::optional<piece> next() noexcept;

  [[nodiscard]] bool running() const noexcept { return run_.has_value(); }
  /// Where the player was last, or `unknown`.
  [[nodiscard]] media_ms last_position() const noexcept { return last_; }

 private:
  /// Of `run::room`, in a millisecond of media: a permille of the rate, a percent for the clocks.
  static constexpr std::int64_t room_per_ms = 100'000;
  /// Playback without a break.
  struct run {
    std::int64_t told_ms = 0;  // when the position was told last
    std::int64_t room = 0;     // how far it may move without time
    bool gave = false;         // a heartbeat
  };
  void advance(media_ms at, std::int64_t now_ms) noexcept;
  void stop(bool at_end = false) noexcept;
  void go_on(media_ms at, std::int64_t now_ms) noexcept;

  media_ms heartbeat_ms_;
  std::int32_t rate_permille_ = 1000;
  bool playing_ = false;
  bool stalled_ = false;
  bool seeking_ = false;
  bool background_ = false;
  bool bad_rate_ = false;
  media_ms last_ = unknown;
  std::optional<run> run_;
  media_ms cut_ = 0;  // of the run, what is before this was given out
  // What was played before the run now running, and not given out yet. One report ends at most one
  // run, and `next` empties it before the following report.
  media_interval closed_{};
  std::int32_t closed_rate_permille_ = 1000;
  media_interval held_{};  // too short by itself
  std::int32_t held_rate_permille_ = 1000;
  media_ms end_from_ = limits::media_duration_ms_max + 1;  // the earliest of short ends
};

}  // namespace watchkeeper::sdk
