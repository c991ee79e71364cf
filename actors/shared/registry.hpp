#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "base/clock.hpp"
#include "base/rate_limiter.hpp"
#include "base/striped_cache.hpp"
#include "domain/device.hpp"
#include "domain/ids.hpp"
#include "domain/module.hpp"

namespace watchkeeper::actors {

/// A device as the hot path sees it: its record in the ledger, and its rate.
struct device_entry {
  explicit device_entry(const device_record& r) : record(r) {}
  const device_record record;
  mutable rate_limiter rate;
};

/// What the registry has records of.
enum class registry_record : std::uint8_t { device, module, assignment };

/// The gateway's copy of catalogue, devices and assignments. Every heartbeat reads it; a miss fills
/// it from the ledger; a change removes the entry.
/// Thread: any; look-ups take a shared lock of one of 64 stripes.
/// Bounded: entries_max of each kind. At the limit it evicts an arbitrary entry, which the next
/// look-up reads again. It also stores that something is absent from the ledger, until the entry is
/// forgotten or `absence_ttl_ms` have passed.
class registry {
 public:
  static constexpr std::size_t entries_max = 2'000'000;
  static constexpr std::int64_t absence_ttl_ms = 2'000;

  using devices_cache = striped_cache<thumbprint, const device_entry>;
  using modules_cache = striped_cache<module_id, const module_record>;
  /// The epoch of the student for which it was read.
  using assignments_cache = striped_cache<pair_key, const std::uint32_t>;

  [[nodiscard]] devices_cache::lookup find_device(const thumbprint& kid, mono_ms now) const {
    return devices_.find(kid, now);
  }
  [[nodiscard]] modules_cache::lookup find_module(const module_id& id, mono_ms now) const {
    return modules_.find(id, now);
  }
  /// An assignment of another epoch is none: it was made before the student was erased.
  [[nodiscard]] assignments_cache::lookup find_assignment(const pair_key& pair, std::uint32_t epoch,
                                                          mono_ms now) const {
    auto found = assignments_.find(pair, now);
    if (found.entry && *found.entry != epoch) return {};
    return found;
  }
  /// Whatever its epoch; null: none is in memory.
  [[nodiscard]] std::shared_ptr<const std::uint32_t> assignment_in_use(const pair_key& pair,
                                                                       mono_ms now) const {
    return assignments_.find(pair, now).entry;
  }

  // A reader of the ledger takes the generation, reads, and puts. If the entry was forgotten in
  // between, `put_…` does nothing: what was read may be from before the change.
  [[nodiscard]] std::uint64_t generation(const thumbprint& kid) const noexcept {
    return devices_.generation(kid);
  }
  [[nodiscard]] std::uint64_t generation(const module_id& id) const noexcept {
    return modules_.generation(id);
  }
  [[nodiscard]] std::uint64_t generation(const pair_key& pair) const noexcept {
    return assignments_.generation(pair);
  }
  void put_device(const thumbprint& kid, const std::optional<device_record>& record,
                  std::uint64_t generation, mono_ms now) {
    devices_.put(kid, entry_of(record), generation, now);
  }
  void put_module(const module_id& id, const std::optional<module_record>& record,
                  std::uint64_t generation, mono_ms now) {
    modules_.put(id, entry_of(record), generation, now);
  }
  /// `epoch`: that of the device's record, which was read before.
  void put_assignment(const pair_key& pair, bool assigned, std::uint32_t epoch,
                      std::uint64_t generation, mono_ms now) {
    assignments_.put(pair, assigned ? std::make_shared<const std::uint32_t>(epoch) : nullptr,
                     generation, now);
  }
  // For a change of an entry that is in use: the entry stays in use until the new one, which was
  // read after the change, replaces it.
  void renew_device(const thumbprint& kid, const std::shared_ptr<const device_entry>& before,
                    const std::optional<device_record>& record, mono_ms now) {
    devices_.renew(kid, before, entry_of(record), now);
  }
  void renew_module(const module_id& id, const std::shared_ptr<const module_record>& before,
                    const std::optional<module_record>& record, mono_ms now) {
    modules_.renew(id, before, entry_of(record), now);
  }
  void renew_assignment(const pair_key& pair, const std::shared_ptr<const std::uint32_t>& before,
                        bool assigned, mono_ms now) {
    assignments_.renew(pair, before, assigned ? before : nullptr, now);
  }

  // To be called after a change of the ledger.
  void forget_device(const thumbprint& kid) { devices_.forget(kid); }
  void forget_module(const module_id& id) { modules_.forget(id); }
  void forget_assignment(const pair_key& pair) { assignments_.forget(pair); }
  /// Devices and assignments: an erasure ends both.
  void forget_student(const student_id& student) {
    devices_.forget_if(
        [&](const auto&, const device_entry& entry) { return entry.record.student == student; });
    assignments_.forget_if(
        [&](const pair_key& pair, const auto&) { return pair.student == student; });
  }
  /// For a gateway that may have missed changes.
  void forget_everything() {
    devices_.forget_if([](const auto&, const auto&) { return true; });
    modules_.forget_if([](const auto&, const auto&) { return true; });
    assignments_.forget_if([](const auto&, const auto&) { return true; });
  }

  [[nodiscard]] std::size_t devices() const { return devices_.size(); }
  [[nodiscard]] std::size_t modules() const { return modules_.size(); }

 private:
  static std::shared_ptr<const device_entry> entry_of(const std::optional<device_record>& record) {
    return record ? std::make_shared<const device_entry>(*record) : nullptr;
  }
  static std::shared_ptr<const module_record> entry_of(const std::optional<module_record>& record) {
    return record ? std::make_shared<const module_record>(*record) : nullptr;
  }

  devices_cache devices_{entries_max, absence_ttl_ms};
  modules_cache modules_{entries_max, absence_ttl_ms};
  assignments_cache assignments_{entries_max, absence_ttl_ms};
};

}  // namespace watchkeeper::actors
