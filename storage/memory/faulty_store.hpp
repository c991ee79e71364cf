#pragma once

#include <cstdint>
#include <functional>
#include <random>
#include <string_view>
#include <vector>

#include "storage/hot_store.hpp"

namespace watchkeeper::storage {

/// What befalls one call of a store.
enum class store_fault : std::uint8_t {
  none,
  lost_request,  // unavailable; the call never reached the store
  lost_reply,    // unavailable; the store did it all the same
  refused,       // nothing happened
  corrupt,       // nothing happened
};

/// Decides the fault of each call, in order. `operation` is the function's name ("apply", "merge"
/// ...). It may block, or let the tester do anything else, before it returns: that is a slow store.
using fault_plan = std::function<store_fault(std::string_view operation)>;

/// The faults of `script`, one a call; none after its end.
fault_plan scripted_faults(std::vector<store_fault> script);
/// Any fault with probability `rate`, the same ones for the same seed.
fault_plan random_faults(std::uint64_t seed, double rate);

/// Decorates a store with faults; for tests. Thread: as the store it wraps, which outlives it.
class faulty_store : public hot_store {
 public:
  faulty_store(hot_store& inner, fault_plan plan);

  stored<std::vector<applied_credit>> apply(std::span<const hot_request> requests) override;
  stored<std::vector<std::optional<progress>>> read(std::span<const pair_key> keys) override;
  stored<ok_t> merge(std::span<const pair_progress> pairs, merge_origin from) override;
  stored<std::vector<module_id>> modules_of(const student_id& student) override;
  stored<dirty_sample> read_dirty(partition_index partition, std::size_t pairs_max) override;
  stored<ok_t> mark_clean(partition_index partition, std::span<const dirty_pair> pairs) override;
  stored<std::uint64_t> dirty_count() override;
  stored<std::string> mark_all_dirty(const std::string& cursor) override;
  stored<idle_sample> read_idle(const std::string& cursor, wall_ms now_ms,
                                std::int64_t idle_ms) override;
  stored<std::uint64_t> retire(std::span<const idle_pair> pairs, wall_ms now_ms) override;
  stored<std::optional<ledger_identity>> known_ledger() override;
  stored<ok_t> remember_ledger(const ledger_identity& seen) override;
  void forget_copies(const student_id& student) override { inner_.forget_copies(student); }
  stored<ok_t> end_epochs_below(const student_id& student, std::uint32_t epoch,
                                wall_ms now_ms) override;
  stored<hot_student> find_student(const student_id& student, wall_ms now_ms) override;
  stored<hot_store_health> health() override;

 private:
  template <class Call>
  auto befall(std::string_view operation, Call call) -> decltype(call());

  hot_store& inner_;
  fault_plan plan_;
};

}  // namespace watchkeeper::storage
