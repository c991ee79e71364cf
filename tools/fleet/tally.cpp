#include "tools/fleet/tally.hpp"

#include <algorithm>

namespace watchkeeper::fleet {

void tally::count(std::span<const outcome> what, std::span<const std::uint64_t> latencies_us) {
  for (std::size_t i = 0; i < what.size(); ++i) {
    const auto& one = what[i];
    ++outcomes[static_cast<std::size_t>(one.kind)];
    if (one.kind == outcome_kind::retry) {
      ++retries[one.reason];
      continue;  // its latency is known when it is answered for good
    }
    if (one.kind == outcome_kind::rejected) ++rejections[one.reason];
    if (one.credited_ms && one.kind != outcome_kind::duplicate) credited_ms += *one.credited_ms;
    latency.record_us(latencies_us[i]);
    latency_max_us = std::max(latency_max_us, latencies_us[i]);
  }
}

std::uint64_t tally::acknowledged() const noexcept {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < outcome_kinds; ++i)
    if (is_acknowledged(static_cast<outcome_kind>(i))) sum += outcomes[i];
  return sum;
}

std::uint64_t tally::answered() const noexcept {
  return acknowledged() + outcomes[static_cast<std::size_t>(outcome_kind::rejected)];
}

}  // namespace watchkeeper::fleet
