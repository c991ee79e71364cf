#include "storage/memory/faulty_store.hpp"

#include <memory>

namespace watchkeeper::storage {

fault_plan scripted_faults(std::vector<store_fault> script) {
  return [script = std::move(script), next = std::size_t{0}](std::string_view) mutable {
    return next < script.size() ? script[next++] : store_fault::none;
  };
}

fault_plan random_faults(std::uint64_t seed, double rate) {
  return [random = std::mt19937_64(seed), rate](std::string_view) mutable {
    if (std::uniform_real_distribution<double>()(random) >= rate) return store_fault::none;
    constexpr store_fault faults[] = {store_fault::lost_request, store_fault::lost_reply,
                                      store_fault::refused, store_fault::corrupt};
    return faults[std::uniform_int_distribution<std::size_t>(0, std::size(faults) - 1)(random)];
  };
}

faulty_store::faulty_store(hot_store& inner, fault_plan plan)
    : inner_(inner), plan_(std::move(plan)) {}

template <class Call>
auto faulty_store::befall(std::string_view operation, Call call) -> decltype(call()) {
  switch (plan_(operation)) {
    case store_fault::none:
      break;
    case store_fault::lost_request:
      return storage_failure{storage_error::unavailable, "injected: the request was lost"};
    case store_fault::lost_reply: {
      const auto unseen = call();
      static_cast<void>(unseen);
      return storage_failure{storage_error::unavailable, "injected: the applied was lost"};
    }
    case store_fault::refused:
      return storage_failure{storage_error::refused, "injected: refused"};
    case store_fault::corrupt:
      return storage_failure{storage_error::corrupt, "injected: corrupt"};
  }
  return call();
}

stored<std::vector<applied_credit>> faulty_store::apply(std::span<const hot_request> requests) {
  return befall("apply", [&] { return inner_.apply(requests); });
}

stored<std::vector<std::optional<progress>>> faulty_store::read(std::span<const pair_key> keys) {
  return befall("read", [&] { return inner_.read(keys); });
}

stored<ok_t> faulty_store::merge(std::span<const pair_progress> pairs, merge_origin from) {
  return befall("merge", [&] { return inner_.merge(pairs, from); });
}

stored<std::vector<module_id>> faulty_store::modules_of(const student_id& student) {
  return befall("modules_of", [&] { return inner_.modules_of(student); });
}

stored<dirty_sample> faulty_store::read_dirty(partition_index partition, std::size_t pairs_max) {
  return befall("read_dirty", [&] { return inner_.read_dirty(partition, pairs_max); });
}

stored<ok_t> faulty_store::mark_clean(partition_index partition,
                                      std::span<const dirty_pair> pairs) {
  return befall("mark_clean", [&] { return inner_.mark_clean(partition, pairs); });
}

stored<std::uint64_t> faulty_store::dirty_count() {
  return befall("dirty_count", [&] { return inner_.dirty_count(); });
}

stored<std::string> faulty_store::mark_all_dirty(const std::string& cursor) {
  return befall("mark_all_dirty", [&] { return inner_.mark_all_dirty(cursor); });
}

stored<idle_sample> faulty_store::read_idle(const std::string& cursor, wall_ms now_ms,
                                            std::int64_t idle_ms) {
  return befall("read_idle", [&] { return inner_.read_idle(cursor, now_ms, idle_ms); });
}

stored<std::uint64_t> faulty_store::retire(std::span<const idle_pair> pairs, wall_ms now_ms) {
  return befall("retire", [&] { return inner_.retire(pairs, now_ms); });
}

stored<std::optional<ledger_identity>> faulty_store::known_ledger() {
  return befall("known_ledger", [&] { return inner_.known_ledger(); });
}

stored<ok_t> faulty_store::remember_ledger(const ledger_identity& seen) {
  return befall("remember_ledger", [&] { return inner_.remember_ledger(seen); });
}

stored<ok_t> faulty_store::end_epochs_below(const student_id& student, std::uint32_t epoch,
                                            wall_ms now_ms) {
  return befall("end_epochs_below",
                [&] { return inner_.end_epochs_below(student, epoch, now_ms); });
}

stored<hot_student> faulty_store::find_student(const student_id& student, wall_ms now_ms) {
  return befall("find_student", [&] { return inner_.find_student(student, now_ms); });
}

stored<hot_store_health> faulty_store::health() {
  return befall("health", [&] { return inner_.health(); });
}

}  // namespace watchkeeper::storage
