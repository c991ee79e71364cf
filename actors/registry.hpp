#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>

#include "domain/device.hpp"
#include "domain/ids.hpp"
#include "domain/module.hpp"
#include "domain/rate_limiter.hpp"
#include "storage/ledger.hpp"

namespace watchkeeper::actors {

/// A device as the hot path sees it: what the ledger says, and its rate.
struct device_entry {
  device_record record;
  mutable rate_limiter rate;
};

/// The gateway's copy of catalogue, devices and assignments: read on the way of every heartbeat,
/// filled from the ledger on a miss, forgotten entry by entry when something changes.
/// Thread: any; look-ups take a shared lock of one of 64 stripes.
/// Bounded: entries_max of each kind; at the limit an arbitrary entry is given up and read anew when
/// it is wanted. Absence is remembered too, until an invalidation or `absence_ttl_ms` have passed.
class registry {
 public:
  static constexpr std::size_t entries_max = 2'000'000;
  static constexpr std::int64_t absence_ttl_ms = 2'000;

  registry();
  ~registry();

  template <class T>
  struct lookup {
    bool known = false;        // false: not in memory, load it
    std::shared_ptr<T> entry;  // known and null: does not exist
  };
  [[nodiscard]] lookup<const device_entry> find_device(const thumbprint& kid, unix_ms now_ms) const;
  [[nodiscard]] lookup<const module_record> find_module(const module_id& id, unix_ms now_ms) const;
  [[nodiscard]] lookup<const bool> find_assignment(const pair_key& pair, unix_ms now_ms) const;

  // What was read from the ledger, or has just been written to it. `generation` was taken before
  // the read: a result that was overtaken by an invalidation is not kept.
  [[nodiscard]] std::uint64_t generation() const noexcept;
  void keep_device(const thumbprint& kid, const std::optional<device_record>& record,
                   std::uint64_t generation, unix_ms now_ms);
  void keep_module(const module_id& id, const std::optional<module_record>& record,
                   std::uint64_t generation, unix_ms now_ms);
  void keep_assignment(const pair_key& pair, bool assigned, std::uint64_t generation,
                       unix_ms now_ms);

  void forget_device(const thumbprint& kid);
  void forget_module(const module_id& id);
  void forget_assignment(const pair_key& pair);
  void forget_devices_of(const student_id& student);

  [[nodiscard]] std::size_t devices() const;
  [[nodiscard]] std::size_t modules() const;

 private:
  struct implementation;
  std::unique_ptr<implementation> implementation_;
};

}  // namespace watchkeeper::actors
