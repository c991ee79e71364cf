#pragma once

#include <array>
#include <atomic>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <mutex>
#include <vector>

#include "base/units.hpp"
#include "domain/credit.hpp"
#include "domain/ids.hpp"

namespace watchkeeper::actors {

/// What went on in a module lately, at all gateways that tell each other.
struct module_activity {
  static constexpr std::size_t slots = 60;
  static constexpr std::int64_t slot_ms = 5000;
  module_id module;
  std::uint32_t active = 0;                     // students with a heartbeat in the last active_ms
  std::array<std::uint32_t, slots> credited{};  // heartbeats that earned something, oldest first
};

/// Counts by module who is there and how much is credited. `count` is called with each heartbeat by
/// any thread and takes one short lock of its student's stripe; `sweep` once a second.
/// Bounded: modules and students beyond the limits are not counted.
class activity_board {
 public:
  static constexpr std::int64_t active_ms = 30'000;
  static constexpr std::size_t stripes = 32;
  static constexpr std::size_t modules_max = 10'000;
  static constexpr std::size_t stripe_students_max = 65'536;

  /// Of one student in one module, since it was told last.
  struct told_pair {
    pair_key pair;
    std::uint32_t credited = 0;
  };
  /// What waits to be told; more is left out, and noted in `told_lost`.
  static constexpr std::size_t stripe_told_max = 4096;

  void count(const pair_key& pair, credit_status status, unix_ms now_ms);
  /// The same of another gateway, which is not told on.
  void count_elsewhere(const pair_key& pair, std::uint32_t credited, unix_ms now_ms);
  /// From now on (or no more) `take_told` gives what `count` was told.
  void keep_told(bool keep) noexcept { keeps_told_.store(keep, std::memory_order_relaxed); }
  /// By module, each pair once.
  [[nodiscard]] std::vector<told_pair> take_told();
  [[nodiscard]] std::uint64_t told_lost() const noexcept { return told_lost_; }
  /// Forgets who has gone, and moves what was counted to the board.
  void sweep(unix_ms now_ms);
  /// The modules with something to tell, as of the last sweep, by id.
  [[nodiscard]] std::vector<module_activity> read() const;

 private:
  struct counted {
    std::uint32_t credited = 0;
    boost::unordered_flat_map<std::uint64_t, unix_ms> seen;  // by the hash of the student
  };
  struct stripe {
    std::mutex mutex;
    boost::unordered_flat_map<module_id, counted, std::hash<module_id>>
        modules;               // guarded by mutex
    std::size_t students = 0;  // in all of them
    std::vector<told_pair> told;
  };
  void add(stripe& s, std::uint64_t hash, const pair_key& pair, std::uint32_t credited,
           unix_ms now_ms);
  std::atomic<bool> keeps_told_{false};
  std::atomic<std::uint64_t> told_lost_{0};
  std::array<stripe, stripes> stripes_;
  mutable std::mutex mutex_;
  boost::unordered_flat_map<module_id, module_activity, std::hash<module_id>>
      board_;              // guarded by mutex_
  std::int64_t slot_ = 0;  // now_ms / slot_ms, guarded
};

}  // namespace watchkeeper::actors
