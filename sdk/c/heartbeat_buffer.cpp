#include "sdk/c/heartbeat_buffer.hpp"

#include <algorithm>
#include <iterator>

namespace watchkeeper::sdk {
namespace {

bool adjoin(const pending_heartbeat& a, const pending_heartbeat& b,
            media_ms interval_ms_max) noexcept {
  return a.session == b.session && a.module == b.module && a.rate_permille == b.rate_permille &&
         a.ended_by == b.ended_by && a.interval.to_ms == b.interval.from_ms &&
         b.interval.to_ms - a.interval.from_ms <= interval_ms_max && !a.in_doubt && !b.in_doubt &&
         !a.in_flight && !b.in_flight;
}

}  // namespace

bool heartbeat_buffer::join_one() {
  for (std::size_t i = 1; i < heartbeats_.size(); ++i) {
    if (!adjoin(heartbeats_[i - 1], heartbeats_[i], interval_ms_max_)) continue;
    heartbeats_[i].interval.from_ms = heartbeats_[i - 1].interval.from_ms;
    heartbeats_[i].renewed |= heartbeats_[i - 1].renewed;
    heartbeats_.erase(heartbeats_.begin() + static_cast<std::ptrdiff_t>(i - 1));
    return true;
  }
  return false;
}

std::vector<pending_heartbeat> heartbeat_buffer::trim() {
  std::vector<pending_heartbeat> gone;
  while (heartbeats_.size() - in_flight_ > sdk_limits::buffer_heartbeats) {
    if (join_one()) continue;
    const auto oldest = heartbeats_.begin() + static_cast<std::ptrdiff_t>(in_flight_);
    gone.push_back(*oldest);
    heartbeats_.erase(oldest);
  }
  return gone;
}

std::vector<pending_heartbeat> heartbeat_buffer::add(const pending_heartbeat& made) {
  heartbeats_.push_back(made);
  return trim();
}

void heartbeat_buffer::restore(std::vector<pending_heartbeat> stored) {
  heartbeats_.insert(heartbeats_.begin() + static_cast<std::ptrdiff_t>(in_flight_),
                     std::make_move_iterator(stored.begin()),
                     std::make_move_iterator(stored.end()));
}

void heartbeat_buffer::take(std::size_t count) noexcept {
  in_flight_ = std::min(count, heartbeats_.size());
  for (std::size_t i = 0; i < in_flight_; ++i) heartbeats_[i].in_flight = true;
}

std::vector<pending_heartbeat> heartbeat_buffer::complete(const std::vector<bool>& removed) {
  for (std::size_t i = in_flight_; i-- > 0;) {
    heartbeats_[i].in_flight = false;
    if (removed[i]) heartbeats_.erase(heartbeats_.begin() + static_cast<std::ptrdiff_t>(i));
  }
  in_flight_ = 0;
  return trim();
}

}  // namespace watchkeeper::sdk
