#include "sdk/c/interval_cutter.hpp"

#include <algorithm>

namespace watchkeeper::sdk {

void interval_cutter::advance(media_ms at, mono_ms now) noexcept {
  if (at > limits::media_duration_ms_max || at < 0) at = unknown;
  if (at == unknown) return;
  if (!run_) {
    last_ = at;
    return;
  }
  // Longer than any module lasts at the slowest rate; the products below stay far from overflow.
  const auto elapsed_ms = std::clamp<std::int64_t>(now - run_->reported, 0, 400'000'000);
  run_->reported = std::max(run_->reported, now);
  const auto room = run_->room + elapsed_ms * rate_permille_ * (percent + 1);
  const auto moved = (std::int64_t{at} - last_) * room_per_ms;
  if (moved >= 0 && moved <= room) {
    // What was not used is not saved up: a stall would become room for a jump.
    const auto most = room_ms_max * std::max(rate_permille_, 1000) * percent;
    run_->room = std::min(room - moved, most);
    last_ = at;
    return;
  }
  // An unreported seek: playback ended at the last reported position.
  stop();
  last_ = at;
  go_on(at, now);
}

void interval_cutter::stop(bool at_end) noexcept {
  if (!run_) return;
  // Empty where a report that ends a run has just begun it, after a seek without a word.
  if (cut_ < last_) {
    const media_interval rest{cut_, last_};
    // A short end that became an interval becomes one again only from further back: a loop over the
    // last moments would push real heartbeats out of the buffer.
    const bool ends = at_end && cut_ < end_from_;
    if (run_->gave || rest.length_ms() >= piece_ms_min || ends) {
      closed_ = rest;
      closed_rate_permille_ = rate_permille_;
      if (at_end) end_from_ = std::min(end_from_, cut_);
    } else {
      short_piece_ = rest;
      short_piece_rate_permille_ = rate_permille_;
    }
  }
  run_.reset();
}

void interval_cutter::go_on(media_ms at, mono_ms now) noexcept {
  if (at >= 0 && at <= limits::media_duration_ms_max) last_ = at;
  const bool counts = playing_ && !stalled_ && !seeking_ && !background_ && !bad_rate_;
  if (run_ || !counts || last_ == unknown) return;
  run_ = run{now, slack_ms * rate_permille_ * percent};
  const bool goes_on = short_piece_.from_ms < short_piece_.to_ms && short_piece_.to_ms == last_ &&
                       short_piece_rate_permille_ == rate_permille_;
  cut_ = goes_on ? short_piece_.from_ms : last_;
  short_piece_ = {};
}

void interval_cutter::play(media_ms at, mono_ms now) noexcept {
  if (run_) return advance(at, now);
  playing_ = true;
  stalled_ = false;
  go_on(at, now);
}

void interval_cutter::position(media_ms at, mono_ms now) noexcept {
  if (run_) return advance(at, now);
  // Playback that could not begin for want of a position begins with the first.
  if (!seeking_) go_on(at, now);
}

void interval_cutter::pause(media_ms at, mono_ms now) noexcept {
  advance(at, now);
  stop();
  playing_ = false;
  stalled_ = false;
}

void interval_cutter::ended(media_ms at, mono_ms now) noexcept {
  advance(at, now);
  stop(true);
  // Many players pause before they end.
  if (short_piece_.from_ms < short_piece_.to_ms && short_piece_.to_ms == last_ &&
      short_piece_.from_ms < end_from_ && closed_.from_ms >= closed_.to_ms) {
    closed_ = short_piece_;
    closed_rate_permille_ = short_piece_rate_permille_;
    end_from_ = short_piece_.from_ms;
    short_piece_ = {};
  }
  pause(unknown, now);
}

void interval_cutter::seeking(media_ms at, mono_ms now) noexcept {
  advance(at, now);
  stop();
  seeking_ = true;
}

void interval_cutter::sought(media_ms to, mono_ms now) noexcept {
  // Without `seeking` before, playback ended at the last reported position.
  stop();
  seeking_ = false;
  if (to < 0) last_ = unknown;  // the next position says where playback continues
  go_on(to, now);
}

bool interval_cutter::rate(media_ms at, std::int32_t permille, mono_ms now) noexcept {
  advance(at, now);
  stop();
  bad_rate_ = permille < 250 || permille > 4000;
  if (!bad_rate_) rate_permille_ = permille;
  go_on(unknown, now);
  return !bad_rate_;
}

void interval_cutter::stalled(media_ms at, mono_ms now) noexcept {
  advance(at, now);
  stop();
  stalled_ = true;
}

void interval_cutter::resumed(media_ms at, mono_ms now) noexcept {
  if (!stalled_) return advance(at, now);
  stalled_ = false;
  go_on(at, now);
}

void interval_cutter::background(media_ms at, mono_ms now) noexcept {
  advance(at, now);
  stop();
  background_ = true;
}

void interval_cutter::foreground(media_ms at, mono_ms now) noexcept {
  if (!background_) return advance(at, now);
  background_ = false;
  go_on(at, now);
}

std::optional<interval_cutter::piece> interval_cutter::next() noexcept {
  if (closed_.from_ms < closed_.to_ms) {
    const auto to = std::min(closed_.to_ms, closed_.from_ms + heartbeat_ms_);
    const piece made{{closed_.from_ms, to}, closed_rate_permille_};
    closed_.from_ms = to;
    return made;
  }
  if (!run_ || last_ - cut_ < heartbeat_ms_) return std::nullopt;
  const piece made{{cut_, cut_ + heartbeat_ms_}, rate_permille_};
  cut_ += heartbeat_ms_;
  run_->gave = true;
  return made;
}

}  // namespace watchkeeper::sdk
