#pragma once

#include <cstdint>
#include <optional>

#include "base/units.hpp"
#include "domain/coverage.hpp"
#include "domain/limits.hpp"

namespace watchkeeper::sdk {

/// Cuts playback into the intervals of media time that were really played: one for each
/// `heartbeat_ms` of media, and the rest at each pause, seek, change of rate, stall, step into the
/// background and end. Time runs only while the player plays in the foreground and is neither
/// stalled nor seeking. Nothing is filled in: a position that is further on than the clock allows,
/// or that lies behind, counts as a seek, whether or not the host reported one. No interval then
/// has the media time in between.
///
/// A piece shorter than `piece_ms_min` waits, so that scrubbing does not fill the buffer. Playback
/// that continues where the piece ended, at the same rate, takes it in; a seek discards it. Two
/// pieces become intervals however short: the rest of playback that gave a heartbeat before, and
/// what plays up to the end of the module, once for each place where it began.
///
/// Pure. `unknown` stands for a position that is not known; the last reported one then counts.
/// After every report, call `next` until it is empty. Intervals come in the order in which they
/// were played.
class interval_cutter {
 public:
  static constexpr media_ms unknown = -1;
  /// How far a position may run ahead of the clock, from one interruption to the next, in time of
  /// the clock: players report late and round. One percent of the elapsed time comes on top,
  /// because the clocks of sound and system differ.
  static constexpr std::int64_t slack_ms = 750;
  /// What was not used is saved up to this much, the slack included: in time of the clock, at rates
  /// below 1 in media time, because some players report whole seconds. A position that stands for
  /// longer was stalled, reported or not, and that time is lost; otherwise it would be room for a
  /// jump.
  static constexpr std::int64_t room_ms_max = 1'500;

  /// The gateway closes gaps more than twice as long (docs/protocol.md, section 5).
  static constexpr media_ms piece_ms_min = 100;

  explicit interval_cutter(media_ms heartbeat_ms = 10'000) noexcept : heartbeat_ms_(heartbeat_ms) {}

  void play(media_ms at, mono_ms now) noexcept;
  void pause(media_ms at, mono_ms now) noexcept;
  void position(media_ms at, mono_ms now) noexcept;
  /// The user begins to seek at `at`; nothing counts until `sought`.
  void seeking(media_ms at, mono_ms now) noexcept;
  void sought(media_ms to, mono_ms now) noexcept;
  /// False for a rate outside 250 to 4000: nothing counts until a valid rate comes.
  bool rate(media_ms at, std::int32_t permille, mono_ms now) noexcept;
  void stalled(media_ms at, mono_ms now) noexcept;
  void resumed(media_ms at, mono_ms now) noexcept;
  void background(media_ms at, mono_ms now) noexcept;
  void foreground(media_ms at, mono_ms now) noexcept;
  /// The end of the module. Leaving a session earlier is a pause.
  void ended(media_ms at, mono_ms now) noexcept;

  struct piece {
    media_interval interval;
    std::int32_t rate_permille = 1000;
  };
  [[nodiscard]] std::optional<piece> next() noexcept;

  [[nodiscard]] bool running() const noexcept { return run_.has_value(); }
  /// The last position of the player, or `unknown`.
  [[nodiscard]] media_ms last_position() const noexcept { return last_; }

 private:
  /// Of `run::room`, in a millisecond of media: a permille of the rate, a percent for the clocks.
  static constexpr std::int64_t room_per_ms = 100'000;
  static constexpr std::int64_t percent = 100;
  /// Playback without a break.
  struct run {
    mono_ms reported;       // when the position was last reported
    std::int64_t room = 0;  // how far it may move without time
    bool gave = false;      // a heartbeat
  };
  void advance(media_ms at, mono_ms now) noexcept;
  void stop(bool at_end = false) noexcept;
  void go_on(media_ms at, mono_ms now) noexcept;

  media_ms heartbeat_ms_;
  std::int32_t rate_permille_ = 1000;
  bool playing_ = false;
  bool stalled_ = false;
  bool seeking_ = false;
  bool background_ = false;
  bool bad_rate_ = false;
  media_ms last_ = unknown;
  std::optional<run> run_;
  media_ms cut_ = 0;  // what the run played before this position was given out
  // What was played before the run now running, and not given out yet. One report ends at most one
  // run, and `next` empties it before the following report.
  media_interval closed_{};
  std::int32_t closed_rate_permille_ = 1000;
  media_interval short_piece_{};  // too short by itself
  std::int32_t short_piece_rate_permille_ = 1000;
  media_ms end_from_ = limits::media_duration_ms_max + 1;  // the earliest of short ends
};

}  // namespace watchkeeper::sdk
