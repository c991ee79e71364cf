#include <algorithm>

#include "domain/limits.hpp"
#include "tests/actors/simulation/deployment.hpp"

/// I8 in a simulated deployment: nobody earns more real time than the bucket allows, in any mix of
/// modules.
namespace watchkeeper::actors::testing::simulation {

namespace {

/// By module. All are far below what the devices play, so that the bucket is what decides.
constexpr std::int32_t tight_rates_permille[] = {5, 10, 20};
constexpr std::int32_t wide_rate_permille = 400'000;

}  // namespace

std::int32_t deployment::rate_of(std::size_t module) const {
  return course_.tight_bucket ? tight_rates_permille[module % std::size(tight_rates_permille)]
                              : wide_rate_permille;
}

void deployment::allow_everybody(credit_us more_us) {
  for (auto& d : devices_) d.hot.granted_us += more_us;
}

void deployment::note_earned(device& d, std::size_t module, const credit_outcome& outcome,
                             const sending& sent) {
  // If the gateway has lost or found its hot store meanwhile, nobody knows which bucket it was.
  const auto& by = *sent.by;
  if (sent.degraded_spells != by.degraded_spells() || sent.is_degraded != by.is_degraded()) return;
  auto& account = sent.is_degraded ? d.degraded[&by] : d.hot;
  if (outcome.played.empty()) return;
  const auto rate = rate_of(module);
  account.earned_us += (std::int64_t{outcome.played.length_ms()} * 1'000'000 + rate - 1) / rate;
  const auto at_ms = outcome.now.updated_ms;
  account.last_ms = std::max(account.last_ms, at_ms);
  if (!sent.is_degraded && account.begins_ms == never) account.begins_ms = at_ms;
  if (course_.tight_bucket && !course_.clock_steps) check_bucket(d, account);
}

void deployment::watch_degraded_buckets(const simulated_process& process) {
  if (!process.is_alive() || !process.is_degraded()) return;
  for (auto& d : devices_) {
    const auto [account, is_new] = d.degraded.try_emplace(&process);
    if (!is_new && account->second.spell == process.degraded_spells()) continue;
    // It begins with what came in since the last credit, or as a new student's.
    const bool is_known = d.recorded_ms != never;
    account->second = {.granted_us = is_known ? 0 : limits::bucket_start_us,
                       .begins_ms = is_known ? d.recorded_ms : d.sent_ms,
                       .last_ms = {},
                       .spell = process.degraded_spells()};
  }
}

void deployment::check_bucket(const device& d, const bucket_account& account) {
  const auto begins_ms = account.begins_ms == never ? d.sent_ms : account.begins_ms;
  const auto time_ms = std::max<std::int64_t>(account.last_ms - begins_ms, 0);
  const auto allowed_us = account.granted_us + time_ms * limits::bucket_allowance_permille;
  // The check binds: a bucket that gave a few seconds more would be noticed.
  if (account.earned_us > allowed_us - 10'000'000) happened("bucket used up");
  if (account.earned_us > allowed_us)
    fail("I8: " + std::string(d.student.view()) + " earned " +
         std::to_string(account.earned_us / 1000) + " ms of real time, and may have earned " +
         std::to_string(allowed_us / 1000));
}

void deployment::watch_first_credits() {
  for (auto& d : devices_)
    for (std::size_t m = 0; m < modules_.size() && d.hot.begins_ms == never; ++m)
      if (const auto hot = in_hot({d.student, modules_[m]}); hot && hot->playtime_ms > 0)
        d.hot.begins_ms = hot->updated_ms;
}

void deployment::watch_buckets() {
  watch_first_credits();
  for (const auto& process : everyone_) watch_degraded_buckets(*process);
  for (auto& d : devices_) {
    d.recorded_ms = never;
    for (const auto& module : modules_)
      if (const auto row = in_ledger({d.student, module}); row && row->playtime_ms > 0)
        d.recorded_ms = std::max(d.recorded_ms, row->updated_ms);
  }
}

}  // namespace watchkeeper::actors::testing::simulation
