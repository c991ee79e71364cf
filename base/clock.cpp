#include "base/clock.hpp"

#include <time.h>

namespace watchkeeper {
namespace {

std::int64_t read_ms(clockid_t clock) noexcept {
  timespec now{};
  ::clock_gettime(clock, &now);
  return std::int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
}

class system_clocks final : public time_source {
 public:
  mono_ms monotonic_now() const noexcept override { return mono_ms(read_ms(CLOCK_MONOTONIC)); }
  wall_ms wall_now() const noexcept override { return wall_ms(read_ms(CLOCK_REALTIME)); }
};

}  // namespace

const time_source& system_time_source() noexcept {
  static const system_clocks clocks;
  return clocks;
}

}  // namespace watchkeeper
