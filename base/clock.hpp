#pragma once

#include "base/units.hpp"

namespace watchkeeper {

/// Port to the clocks of the system. Thread: any. One of the tests may throw.
class time_source {
 public:
  virtual ~time_source() = default;
  [[nodiscard]] virtual mono_us monotonic_now_us() const = 0;
  [[nodiscard]] virtual wall_ms wall_now() const = 0;
  [[nodiscard]] mono_ms monotonic_now() const { return to_ms(monotonic_now_us()); }
};

/// The clocks of the system; lives as long as the program. Its calls do not throw.
[[nodiscard]] const time_source& system_time_source() noexcept;

}  // namespace watchkeeper
