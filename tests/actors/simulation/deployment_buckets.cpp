#include <algorithm>

#include "domain/limits.hpp"
#include "tests/actors/simulation/deployment.hpp"

/// I8 in a simulated deployment: nobody earns more real time than the bucket allows, in any mix of
/// modules.
namespace watchkeeper::actors::testing::simulation {

namespace {

/// By module. All are far below what the devices play, so that the bucket is what decides.
constexpr std::int32_t tight_rates_permille[] = {150, 300, 600};
constexpr std::int32_t wide_rate_permille = 400'000;

}  // namespace

std::int32_t deployment::rate_of(std::size_t module) const {
  return course_.tight_bucket ? tight_rates_permille[module % std::size(tight_rates_permille)]
                              : wide_rate_permille;
}

void deployment::allow_everybody(credit_us more_us) {
  for (auto& d : devices_) d.allowed_us += more_us;
}

void deployment::note_earned(device& d, std::size_t module, media_ms played_ms) {
  const auto rate = rate_of(module);
  d.earned_us += (std::int64_t{played_ms} * 1'000'000 + rate - 1) / rate;
}

void deployment::watch_buckets() {
  const auto now = world_.clock.wall_now();
  const auto earned_us = (now - buckets_watched_at_ms_) * limits::bucket_allowance_permille;
  buckets_watched_at_ms_ = now;
  allow_everybody(earned_us);
  // The overlay of a degraded gateway has buckets of its own: what they hold at first, and what
  // comes in. So several gateways without their hot store allow more.
  for (const auto& process : everyone_) {
    const auto spells = process->take_degraded_spells();
    allow_everybody(static_cast<std::int64_t>(spells) * limits::bucket_start_us);
    if (spells > 0 || (process->is_alive() && process->is_degraded())) allow_everybody(earned_us);
  }
  if (!course_.tight_bucket || course_.clock_steps) return;
  for (const auto& d : devices_)
    if (d.earned_us > d.allowed_us)
      fail("I8: " + std::string(d.student.view()) + " earned " +
           std::to_string(d.earned_us / 1000) + " ms of real time, and may have earned " +
           std::to_string(d.allowed_us / 1000));
}

}  // namespace watchkeeper::actors::testing::simulation
