#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <random>
#include <string>

#include "actors/shared/policy.hpp"
#include "base/log_level.hpp"
#include "storage/erasure_log.hpp"
#include "tests/actors/simulation/simulated_ledger.hpp"
#include "tests/base/manual_clock.hpp"

namespace watchkeeper::actors::testing {

/// A gateway's log of erasures, which outlives its processes.
struct simulated_erasure_log {
  std::map<student_id, storage::logged_erasure> entries;
  /// After so many losses the ledger had been given the erasures again.
  std::uint64_t repeated_at_loss = 0;

  void add(const storage::logged_erasure& erasure) {
    auto& known = entries[erasure.student];
    if (known.next_epoch < erasure.next_epoch) known = erasure;
  }
};

/// How far a gateway has followed the changes of the registry, which are counted anew each time
/// that the ledger went back.
struct registry_position {
  std::uint64_t loss = 0;
  std::int64_t change = 0;
  friend auto operator<=>(const registry_position&, const registry_position&) = default;
};

/// What outlives the processes of a simulated deployment.
struct simulated_world {
  explicit simulated_world(std::uint64_t seed) : random(seed) {}
  std::uint64_t below(std::uint64_t bound) { return random() % bound; }
  registry_position newest_change() const {
    return {past.losses, static_cast<std::int64_t>(ledger.changes.size())};
  }

  std::mt19937_64 random;
  test::manual_clock clock;
  shared_hot_store hot;
  test::ledger_model ledger;
  ledger_history past;                                        // of the ledger
  std::map<std::size_t, simulated_erasure_log> erasure_logs;  // by the place of the gateway
  std::int64_t retention_ms = INT64_MAX;
  store_weather hot_weather;
  store_weather ledger_weather;
  gateway_policy policy;
  std::uint64_t checkpoints = 0;  // complete ones, of any process
  std::uint64_t hot_losses = 0;   // the hot store was emptied, or came back older
  std::string unexpected;         // an exception that a thread of a process has survived

  /// For the log of a process: nothing but a store may fail in the simulation.
  void hear(log_level level, const std::string& what) {
    if (level == log_level::error && what.find("goes on: ") != std::string::npos) unexpected = what;
  }
};

}  // namespace watchkeeper::actors::testing
