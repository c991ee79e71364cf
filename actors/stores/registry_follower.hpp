#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "actors/shared/registry.hpp"
#include "storage/ledger.hpp"

namespace watchkeeper::actors {

/// Brings what was changed in the ledger, by this gateway or another, into the gateway's copy of
/// catalogue, devices and assignments. What is in use is read anew and replaced in one step: were
/// it only forgotten, a ledger that goes away just then would take devices with it that a moment
/// before could do without it. While the ledger is away a change counts as not heard of yet.
/// Thread: one.
class registry_follower {
 public:
  struct dependencies {
    storage::ledger& behind;  // outlives it
    registry& known;
    std::int64_t last_change = 0;  // changes up to here are known
    std::function<unix_ms()> now;
    std::function<void(const student_id&)> student_erased;  // once for each erasure
  };
  explicit registry_follower(dependencies deps) : deps_(std::move(deps)) {}

  /// Asks for what is new. A failure is the ledger's: the next call begins where this one broke
  /// off.
  storage::stored<ok_t> follow();

  // Of one call.
  static constexpr std::size_t changes_per_question = 500;
  static constexpr int questions_max = 20;
  /// Modules and assignments that are read anew, each by itself; further ones are forgotten.
  static constexpr std::size_t read_alone_max = 64;

 private:
  storage::stored<ok_t> apply(std::span<const storage::registry_change> changes);
  storage::stored<ok_t> renew_devices(const std::vector<thumbprint>& changed);
  storage::stored<ok_t> renew_module(const module_id& id);
  storage::stored<ok_t> renew_assignment(const pair_key& pair);

  dependencies deps_;
  unix_ms followed_ms_ = 0;        // when the changes were last read
  std::int64_t erased_up_to_ = 0;  // erasures up to this change are done
  std::size_t read_alone_ = 0;     // in this call
};

}  // namespace watchkeeper::actors
