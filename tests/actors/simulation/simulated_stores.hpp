#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <random>
#include <string>
#include <string_view>
#include <utility>

#include "storage/memory/faulty_store.hpp"
#include "storage/memory/memory_store.hpp"

namespace watchkeeper::actors::testing {

/// Ends a simulated process in the middle of a call. No std::exception: what catches those to go on
/// must not survive its own death.
struct process_death {};

/// What the weather of a run does to one store; shared by all processes.
struct store_weather {
  bool is_down = false;
  bool refuses_writes = false;
  double fault_rate = 0;                                           // of single calls
  std::uint64_t lost_requests = 0, lost_replies = 0, refused = 0;  // of single calls
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

/// Whether the operation of a store may change it.
inline bool writes(std::string_view operation) {
  constexpr std::array<std::string_view, 6> reads = {"read",         "read_dirty",   "modules_of",
                                                     "find_student", "known_ledger", "health"};
  return std::find(reads.begin(), reads.end(), operation) == reads.end();
}

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
  storage::store_fault pick(std::string_view operation) {
    if (weather_.is_down || link_.is_cut) return storage::store_fault::lost_request;
    if (weather_.refuses_writes && writes(operation)) return storage::store_fault::refused;
    if (std::uniform_real_distribution<double>()(random_) >= weather_.fault_rate)
      return storage::store_fault::none;
    constexpr storage::store_fault faults[] = {
        storage::store_fault::lost_request, storage::store_fault::lost_reply,
        storage::store_fault::lost_reply, storage::store_fault::refused};
    const auto fault = faults[random_() % std::size(faults)];
    ++(fault == storage::store_fault::lost_request ? weather_.lost_requests
       : fault == storage::store_fault::lost_reply ? weather_.lost_replies
                                                   : weather_.refused);
    return fault;
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
  std::uint64_t retired = 0;                  // pairs since somebody looked
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
    auto retired = inner_.retire(pairs, now_ms);
    if (retired) shared_.retired += *retired;
    return then(std::move(retired));
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

}  // namespace watchkeeper::actors::testing
