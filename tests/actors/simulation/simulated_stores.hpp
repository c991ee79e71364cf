#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <random>
#include <string>
#include <string_view>

#include "storage/memory/faulty_store.hpp"
#include "storage/memory/memory_store.hpp"
#include "tests/storage/ledger_model.hpp"

namespace watchkeeper::actors::testing {

/// Ends a simulated process in the middle of a call. No std::exception: what catches those to go on
/// must not survive its own death.
struct process_death {};

/// What the weather of a run does to one store; shared by all processes.
struct store_weather {
  bool is_down = false;
  bool refuses_writes = false;
  double fault_rate = 0;  // of single calls
};

/// How one process reaches one store.
struct store_link {
  bool is_cut = false;
  std::uint64_t calls = 0;
  std::uint64_t faults = 0;
};

/// When a process dies: after so many more calls of a store; 0: it does not.
struct fate {
  std::uint64_t calls_left = 0;
  bool after_the_call = false;  // else before it: the store never hears of it

  bool strikes_before() {
    if (calls_left == 0 || --calls_left > 0) return false;
    if (after_the_call) return false;
    return true;
  }
  bool strikes_after() {
    if (!after_the_call || calls_left > 0) return false;
    after_the_call = false;
    return true;
  }
};

/// The fault of each call of one process to one store.
class weather_plan {
 public:
  weather_plan(store_weather& weather, store_link& link, fate& end, std::mt19937_64& random)
      : weather_(weather), link_(link), end_(end), random_(random) {}

  storage::store_fault operator()(std::string_view operation) {
    ++link_.calls;
    if (end_.strikes_before()) throw process_death{};
    const auto fault = pick(operation);
    if (fault != storage::store_fault::none) ++link_.faults;
    return fault;
  }

 private:
  static bool writes(std::string_view operation) {
    constexpr std::array<std::string_view, 6> reads = {"read",         "read_dirty",   "modules_of",
                                                       "find_student", "known_ledger", "health"};
    return std::find(reads.begin(), reads.end(), operation) == reads.end();
  }
  storage::store_fault pick(std::string_view operation) {
    if (weather_.is_down || link_.is_cut) return storage::store_fault::lost_request;
    if (weather_.refuses_writes && writes(operation)) return storage::store_fault::refused;
    if (std::uniform_real_distribution<double>()(random_) >= weather_.fault_rate)
      return storage::store_fault::none;
    constexpr storage::store_fault faults[] = {
        storage::store_fault::lost_request, storage::store_fault::lost_reply,
        storage::store_fault::lost_reply, storage::store_fault::refused};
    return faults[random_() % std::size(faults)];
  }

  store_weather& weather_;
  store_link& link_;
  fate& end_;
  std::mt19937_64& random_;
};

/// The hot store that all processes share, with what it was before each of its last writes.
struct shared_hot_store {
  static constexpr std::size_t writes_max = 64;

  storage::memory_store store{1000};
  bool keeps_history = false;
  std::deque<storage::memory_store> history;  // the oldest first

  void about_to_write() {
    if (!keeps_history) return;
    history.push_back(store);
    if (history.size() > writes_max) history.pop_front();
  }
  /// As a Redis that lost the end of its log, or a replica that lacked it and was promoted.
  void come_back_older(std::size_t writes) {
    writes = std::min(writes, history.size());
    if (writes > 0) store.come_back_as(history[history.size() - writes]);
    history.resize(history.size() - writes, storage::memory_store(0));
  }
};

/// Lies between a faulty_store and the store: a process may die once the store has done its work.
class mortal_store final : public storage::hot_store {
 public:
  mortal_store(shared_hot_store& shared, fate& end)
      : shared_(shared), inner_(shared.store), end_(end) {}

  storage::stored<std::vector<storage::applied_credit>> apply(
      std::span<const storage::hot_request> requests) override {
    shared_.about_to_write();
    return then(inner_.apply(requests));
  }
  storage::stored<std::vector<std::optional<progress>>> read(
      std::span<const pair_key> keys) override {
    return then(inner_.read(keys));
  }
  storage::stored<ok_t> merge(std::span<const storage::pair_progress> pairs,
                              storage::merge_origin from) override {
    shared_.about_to_write();
    return then(inner_.merge(pairs, from));
  }
  storage::stored<std::vector<module_id>> modules_of(const student_id& student) override {
    return then(inner_.modules_of(student));
  }
  storage::stored<storage::dirty_sample> read_dirty(partition_index partition,
                                                    std::size_t max) override {
    return then(inner_.read_dirty(partition, max));
  }
  storage::stored<ok_t> mark_clean(partition_index partition,
                                   std::span<const storage::dirty_pair> pairs) override {
    shared_.about_to_write();
    return then(inner_.mark_clean(partition, pairs));
  }
  storage::stored<std::uint64_t> dirty_count() override { return then(inner_.dirty_count()); }
  storage::stored<std::string> mark_all_dirty(const std::string& cursor) override {
    shared_.about_to_write();
    return then(inner_.mark_all_dirty(cursor));
  }
  storage::stored<storage::idle_sample> read_idle(const std::string& cursor, wall_ms now_ms,
                                                  std::int64_t idle_ms) override {
    return then(inner_.read_idle(cursor, now_ms, idle_ms));
  }
  storage::stored<std::uint64_t> retire(std::span<const storage::idle_pair> pairs,
                                        wall_ms now_ms) override {
    return then(inner_.retire(pairs, now_ms));
  }
  storage::stored<std::optional<storage::ledger_identity>> known_ledger() override {
    return then(inner_.known_ledger());
  }
  storage::stored<ok_t> remember_ledger(const storage::ledger_identity& seen) override {
    shared_.about_to_write();
    return then(inner_.remember_ledger(seen));
  }
  storage::stored<ok_t> end_epochs_below(const student_id& student, std::uint32_t epoch,
                                         wall_ms now_ms) override {
    shared_.about_to_write();
    return then(inner_.end_epochs_below(student, epoch, now_ms));
  }
  storage::stored<storage::hot_student> find_student(const student_id& student,
                                                     wall_ms now_ms) override {
    return then(inner_.find_student(student, now_ms));
  }
  storage::stored<storage::hot_store_health> health() override { return then(inner_.health()); }

 private:
  template <class T>
  T then(T done) {
    if (end_.strikes_after()) throw process_death{};
    return done;
  }
  shared_hot_store& shared_;
  storage::memory_store& inner_;
  fate& end_;
};

/// One process' hot store: the shared one, through faults.
class simulated_hot_store final : public storage::hot_store {
 public:
  simulated_hot_store(shared_hot_store& shared, const weather_plan& plan, fate& end)
      : mortal_(shared, end), faulty_(mortal_, plan) {}

  storage::stored<std::vector<storage::applied_credit>> apply(
      std::span<const storage::hot_request> requests) override {
    return faulty_.apply(requests);
  }
  storage::stored<std::vector<std::optional<progress>>> read(
      std::span<const pair_key> keys) override {
    return faulty_.read(keys);
  }
  storage::stored<ok_t> merge(std::span<const storage::pair_progress> pairs,
                              storage::merge_origin from) override {
    return faulty_.merge(pairs, from);
  }
  storage::stored<std::vector<module_id>> modules_of(const student_id& student) override {
    return faulty_.modules_of(student);
  }
  storage::stored<storage::dirty_sample> read_dirty(partition_index partition,
                                                    std::size_t max) override {
    return faulty_.read_dirty(partition, max);
  }
  storage::stored<ok_t> mark_clean(partition_index partition,
                                   std::span<const storage::dirty_pair> pairs) override {
    return faulty_.mark_clean(partition, pairs);
  }
  storage::stored<std::uint64_t> dirty_count() override { return faulty_.dirty_count(); }
  storage::stored<std::string> mark_all_dirty(const std::string& cursor) override {
    return faulty_.mark_all_dirty(cursor);
  }
  storage::stored<storage::idle_sample> read_idle(const std::string& cursor, wall_ms now_ms,
                                                  std::int64_t idle_ms) override {
    return faulty_.read_idle(cursor, now_ms, idle_ms);
  }
  storage::stored<std::uint64_t> retire(std::span<const storage::idle_pair> pairs,
                                        wall_ms now_ms) override {
    return faulty_.retire(pairs, now_ms);
  }
  storage::stored<std::optional<storage::ledger_identity>> known_ledger() override {
    return faulty_.known_ledger();
  }
  storage::stored<ok_t> remember_ledger(const storage::ledger_identity& seen) override {
    return faulty_.remember_ledger(seen);
  }
  storage::stored<ok_t> end_epochs_below(const student_id& student, std::uint32_t epoch,
                                         wall_ms now_ms) override {
    return faulty_.end_epochs_below(student, epoch, now_ms);
  }
  storage::stored<storage::hot_student> find_student(const student_id& student,
                                                     wall_ms now_ms) override {
    return faulty_.find_student(student, now_ms);
  }
  storage::stored<storage::hot_store_health> health() override { return faulty_.health(); }

 private:
  mortal_store mortal_;
  storage::faulty_store faulty_;
};

/// One process' ledger: the shared model of tests/storage, through faults. What the writer, the
/// checkpointer, the follower of the registry and the simulated API ask of it is there; nothing
/// else is asked in the simulation.
class simulated_ledger : public storage::ledger {
 public:
  simulated_ledger(test::ledger_model& shared, const weather_plan& plan, fate& end)
      : shared_(shared), plan_(plan), end_(end) {}

  storage::stored<std::vector<storage::recorded_pair>> look_up(
      std::span<const pair_key> keys) override {
    return befall<std::vector<storage::recorded_pair>>("read", [&] {
      std::vector<storage::recorded_pair> found;
      for (const auto& key : keys) found.push_back(shared_.look_up(key));
      return found;
    });
  }
  using storage::ledger::checkpoint;
  storage::stored<std::vector<progress>> checkpoint(std::span<const storage::pair_progress> pairs,
                                                    wall_ms now_ms,
                                                    std::vector<storage::heatmap_delta>*) override {
    return befall<std::vector<progress>>("checkpoint", [&] {
      return shared_.checkpoint({pairs.begin(), pairs.end()}, now_ms);
    });
  }
  storage::stored<ok_t> add_plays(std::span<const storage::heatmap_delta>, std::string_view,
                                  std::int64_t) override {
    return befall<ok_t>("add_plays", [] { return ok; });
  }
  storage::stored<std::string> health() override {
    return befall<std::string>("health", [] { return std::string("a model"); });
  }

  storage::stored<ok_t> migrate() override { return not_asked(); }
  storage::stored<storage::ledger::schema_version> version() override { return not_asked(); }
  storage::stored<storage::page<storage::listed_pair>> progress_of_student(const student_id&,
                                                                           std::string_view,
                                                                           std::size_t) override {
    return not_asked();
  }
  storage::stored<storage::page<storage::listed_pair>> progress_of_module(const module_id&,
                                                                          std::string_view,
                                                                          std::size_t) override {
    return not_asked();
  }
  storage::stored<std::uint64_t> students_of(const module_id&) override { return not_asked(); }
  storage::stored<std::vector<storage::completion>> completions(
      std::int64_t, std::size_t, const storage::completion_filter&) override {
    return not_asked();
  }
  storage::stored<std::vector<storage::completion>> newest_completions(
      std::int64_t, std::size_t, const storage::completion_filter&) override {
    return not_asked();
  }
  storage::stored<std::vector<storage::module_summary>> summarize_modules() override {
    return not_asked();
  }
  storage::stored<std::optional<storage::heatmap_record>> heatmap_of(const module_id&) override {
    return not_asked();
  }
  storage::stored<storage::heatmap_recount> recount_heatmap(const module_id&, bool) override {
    return not_asked();
  }
  storage::stored<std::optional<module_id>> next_watched_module(
      const std::optional<module_id>&) override {
    return not_asked();
  }
  storage::stored<std::optional<storage::module_put>> put_module(const module_record&,
                                                                 const module_record*) override {
    return not_asked();
  }
  storage::stored<std::optional<storage::judging_step>> judge_next(wall_ms now_ms,
                                                                   std::size_t pairs_max) override {
    return befall<std::optional<storage::judging_step>>(
        "judge_next", [&] { return shared_.judge_next(now_ms, pairs_max); });
  }
  storage::stored<std::vector<storage::judging_progress>> judgings(std::size_t) override {
    return befall<std::vector<storage::judging_progress>>("judgings",
                                                          [&] { return shared_.unfinished(); });
  }
  storage::stored<std::optional<module_record>> get_module(const module_id&) override {
    return not_asked();
  }
  storage::stored<bool> remove_module(const module_id&) override { return not_asked(); }
  storage::stored<storage::page<module_record>> list_modules(std::string_view,
                                                             std::size_t) override {
    return not_asked();
  }
  storage::stored<std::optional<student_life>> put_device(const device_record& device,
                                                          const storage::enrolment& at) override {
    return befall<std::optional<student_life>>("put_device",
                                               [&] { return shared_.put_device(device, at); });
  }
  storage::stored<student_life> life_of(const student_id& student) override {
    return befall<student_life>("read",
                                [&] { return shared_.life_of(std::string(student.view())); });
  }
  storage::stored<std::optional<progress>> reset_progress(
      const pair_key& pair, const std::optional<progress>& known,
      const storage::reset_order& order) override {
    return befall<std::optional<progress>>(
        "reset_progress", [&] { return shared_.reset_progress(pair, known, order.now_ms); });
  }
  storage::stored<std::vector<std::optional<device_record>>> get_devices(
      std::span<const thumbprint> kids) override {
    return befall<std::vector<std::optional<device_record>>>("read", [&] {
      std::vector<std::optional<device_record>> found;
      for (const auto& kid : kids) {
        const auto device = shared_.devices.find(kid);
        found.push_back(device == shared_.devices.end()
                            ? std::nullopt
                            : std::optional(shared_.with_epoch(device->second)));
      }
      return found;
    });
  }
  storage::stored<bool> revoke_device(const thumbprint&) override { return not_asked(); }
  storage::stored<std::vector<device_record>> devices_of(const student_id&) override {
    return not_asked();
  }
  storage::stored<ok_t> put_assignment(const pair_key&, wall_ms) override { return not_asked(); }
  storage::stored<bool> remove_assignment(const pair_key&) override { return not_asked(); }
  storage::stored<bool> is_assigned(const pair_key&) override { return not_asked(); }
  storage::stored<bool> erase_student(const student_id& student, std::string_view, std::string_view,
                                      wall_ms now_ms, std::uint32_t next_epoch) override {
    return befall<bool>("erase_student",
                        [&] { return shared_.erase_student(student, now_ms, next_epoch); });
  }
  storage::stored<storage::trace_removal> remove_traces() override { return not_asked(); }
  storage::stored<std::vector<storage::erased_student>> erased_students() override {
    return befall<std::vector<storage::erased_student>>("read", [&] {
      std::vector<storage::erased_student> all;
      for (const auto& [who, life] : shared_.next_lives)
        all.push_back({*student_id::parse(who), life.epoch});
      return all;
    });
  }
  storage::stored<std::vector<storage::registry_change>> changes(std::int64_t after_sequence,
                                                                 std::size_t limit) override {
    changes_read = after_sequence;
    return befall<std::vector<storage::registry_change>>("read", [&] {
      std::vector<storage::registry_change> found;
      const auto& all = shared_.changes;
      for (auto i = static_cast<std::size_t>(after_sequence); i < all.size(); ++i) {
        if (found.size() == limit) break;
        found.push_back({static_cast<std::int64_t>(i + 1), all[i].first, all[i].second});
      }
      return found;
    });
  }
  storage::stored<std::int64_t> last_change() override {
    return befall<std::int64_t>("read",
                                [&] { return static_cast<std::int64_t>(shared_.changes.size()); });
  }
  storage::stored<storage::ledger_identity> identity() override {
    return befall<storage::ledger_identity>("read", [&] { return shared_.identity(); });
  }
  storage::stored<ok_t> go_on_above(std::int64_t last_sequence,
                                    std::uint32_t highest_epoch) override {
    return befall<ok_t>("go_on_above", [&] {
      shared_.go_on_above(last_sequence, highest_epoch);
      return ok;
    });
  }
  storage::stored<ok_t> revoke_logins(std::span<const storage::revoked_login>, wall_ms) override {
    return not_asked();
  }
  storage::stored<std::vector<storage::revoked_login>> revoked_logins(wall_ms,
                                                                      std::size_t) override {
    return not_asked();
  }

  std::int64_t changes_read = 0;  // whoever asks for changes has dealt with those up to here

 private:
  static storage::storage_failure not_asked() {
    throw std::logic_error("the simulated ledger is not asked for this");
  }
  template <class T, class Call>
  storage::stored<T> befall(std::string_view operation, Call call) {
    switch (plan_(operation)) {
      case storage::store_fault::none:
        break;
      case storage::store_fault::lost_request:
        return storage::storage_failure{storage::storage_error::unavailable,
                                        "injected: the request was lost"};
      case storage::store_fault::lost_reply:
        static_cast<void>(call());
        return storage::storage_failure{storage::storage_error::unavailable,
                                        "injected: the reply was lost"};
      case storage::store_fault::refused:
      case storage::store_fault::corrupt:
        return storage::storage_failure{storage::storage_error::refused, "injected: refused"};
    }
    auto done = call();
    if (end_.strikes_after()) throw process_death{};
    return done;
  }

  test::ledger_model& shared_;
  weather_plan plan_;
  fate& end_;
};

}  // namespace watchkeeper::actors::testing
