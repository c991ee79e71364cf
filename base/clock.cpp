#include "base/clock.hpp"

#include <time.h>

namespace watchkeeper {
namespace {

std::int64_t read_us(clockid_t clock) noexcept {
  timespec now{};
  ::clock_gettime(clock, &now);
  return std::int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1000;
}

class system_clocks final : public time_source {
 public:
  mono_us monotonic_now_us() const noexcept override { return mono_us(read_us(CLOCK_MONOTONIC)); }
  wall_ms wall_now() const noexcept override { return wall_ms(read_us(CLOCK_REALTIME) / 1000); }
};

}  // namespace

const time_source& system_time_source() noexcept {
  static const system_clocks clocks;
  return clocks;
}

}  // namespace watchkeeper
