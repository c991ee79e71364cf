#pragma once

#include <array>
#include <atomic>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <vector>

#include "base/clock.hpp"
#include "base/thread_safety.hpp"
#include "domain/credit.hpp"
#include "domain/ids.hpp"

namespace watchkeeper::actors {

/// The activity in a module, at all gateways that share a live channel.
struct module_activity {
  static constexpr std::size_t slots = 60;
  static constexpr std::int64_t slot_ms = 5000;
  module_id module;
  std::uint32_t active = 0;                     // students with a heartbeat in the last active_ms
  std::array<std::uint32_t, slots> credited{};  // heartbeats that earned something, oldest first
};

/// Counts the active students and the credited heartbeats of each module. Any thread calls `count`
/// with each heartbeat, which takes one short lock of its student's stripe; `sweep` is called once
/// a second. Bounded: modules and students beyond the limits are not counted. Nothing is evicted
/// for them: an evicted student would still be active.
class activity_tracker {
 public:
  static constexpr std::int64_t active_ms = 30'000;
  static constexpr std::size_t stripes = 32;
  static constexpr std::size_t modules_max = 10'000;
  static constexpr std::size_t stripe_students_max = 65'536;

  /// Of one student in one module, since the last `take_changes`.
  struct pair_change {
    pair_key pair;
    std::uint32_t credited = 0;
  };
  /// Changes that wait for `take_changes`. Further ones are dropped and counted in
  /// `changes_dropped`.
  static constexpr std::size_t stripe_changes_max = 4096;

  void count(const pair_key& pair, credit_status status, mono_ms now);
  /// Counts what another gateway has announced. It is not announced again.
  void count_elsewhere(const pair_key& pair, std::uint32_t credited, mono_ms now);
  /// Whether `count` collects changes for `take_changes`.
  void collect_changes(bool enabled) noexcept {
    collects_changes_.store(enabled, std::memory_order_relaxed);
  }
  /// By module, each pair once.
  [[nodiscard]] std::vector<pair_change> take_changes();
  [[nodiscard]] std::uint64_t changes_dropped() const noexcept { return changes_dropped_; }
  /// Forgets students who have gone, and publishes the counts for `read`.
  void sweep(mono_ms now);
  /// The modules with any activity, as of the last sweep, by id.
  [[nodiscard]] std::vector<module_activity> read() const;

 private:
  struct counted {
    std::uint32_t credited = 0;
    boost::unordered_flat_map<std::uint64_t, mono_ms> seen;  // by the hash of the student
  };
  struct stripe {
    annotated_mutex mutex;
    boost::unordered_flat_map<module_id, counted, std::hash<module_id>> modules GUARDED_BY(mutex);
    std::size_t students GUARDED_BY(mutex) = 0;  // in all of them
    std::vector<pair_change> changes GUARDED_BY(mutex);
  };
  void add(stripe& s, std::uint64_t hash, const pair_key& pair, std::uint32_t credited, mono_ms now)
      REQUIRES(s.mutex);
  std::atomic<bool> collects_changes_{false};
  std::atomic<std::uint64_t> changes_dropped_{0};
  std::array<stripe, stripes> stripes_;
  mutable annotated_mutex mutex_;
  boost::unordered_flat_map<module_id, module_activity, std::hash<module_id>> board_
      GUARDED_BY(mutex_);
  std::int64_t slot_ GUARDED_BY(mutex_) = 0;  // of the last sweep
};

}  // namespace watchkeeper::actors
