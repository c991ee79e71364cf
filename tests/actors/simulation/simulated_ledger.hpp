#pragma once

#include <cstdint>
#include <deque>
#include <random>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/actors/simulation/simulated_stores.hpp"
#include "tests/storage/ledger_model.hpp"

namespace watchkeeper::actors::testing {

/// What the ledger that all processes share was before each of its last transactions.
struct ledger_history {
  static constexpr std::size_t transactions_max = 32;

  bool is_kept = false;
  std::deque<test::ledger_model> states;  // the oldest first
  std::uint64_t losses = 0;               // how often the ledger went back

  void about_to_write(const test::ledger_model& model) {
    if (!is_kept) return;
    states.push_back(model);
    if (states.size() > transactions_max) states.pop_front();
  }
  void has_written(const test::ledger_model& model) {
    if (is_kept && model.transactions == states.back().transactions) states.pop_back();
  }
};

/// A call that the simulation does not know. No std::exception, so that nobody takes it for a store
/// that fails.
struct not_simulated {};

/// One process' ledger: the shared model of tests/storage, through faults. What the writer, the
/// checkpointer, the follower of the registry and the simulated API ask of it is there; nothing
/// else is asked in the simulation.
class simulated_ledger : public storage::ledger {
 public:
  simulated_ledger(test::ledger_model& shared, const weather_plan& plan, fate& end)
      : shared_(shared), plan_(plan), end_(end) {}
  simulated_ledger(test::ledger_model& shared, const weather_plan& plan, fate& end,
                   ledger_history& history)
      : begun_at_loss(history.losses),
        shared_(shared),
        plan_(plan),
        end_(end),
        history_(&history) {}

  storage::stored<std::vector<storage::recorded_pair>> look_up(
      std::span<const pair_key> keys) override {
    return befall<std::vector<storage::recorded_pair>>("read", [&] {
      std::vector<storage::recorded_pair> found;
      for (const auto& key : keys) found.push_back(shared_.look_up(key));
      return found;
    });
  }
  storage::stored<std::vector<wall_ms>> last_credits(
      std::span<const student_id> students) override {
    return befall<std::vector<wall_ms>>("read", [&] {
      std::vector<wall_ms> found;
      for (const auto& student : students) found.push_back(shared_.last_credit_of(student));
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
  storage::stored<std::optional<storage::module_put>> put_module(const module_record& module,
                                                                 const module_record*) override {
    return befall<std::optional<storage::module_put>>(
        "put_module", [&] { return std::optional(shared_.put_module(module)); });
  }
  storage::stored<std::optional<storage::judging_step>> judge_next(wall_ms now_ms,
                                                                   std::size_t pairs_max) override {
    return befall<std::optional<storage::judging_step>>(
        "judge_next", [&] { return shared_.judge_next(now_ms, pairs_max); });
  }
  storage::stored<std::vector<storage::judging_progress>> judgings(std::size_t) override {
    return befall<std::vector<storage::judging_progress>>("read",
                                                          [&] { return shared_.unfinished(); });
  }
  storage::stored<std::optional<module_record>> get_module(const module_id& id) override {
    return befall<std::optional<module_record>>("read", [&]() -> std::optional<module_record> {
      const auto found = shared_.modules.find(std::string(id.view()));
      if (found == shared_.modules.end()) return std::nullopt;
      return found->second;
    });
  }
  storage::stored<bool> remove_module(const module_id& id) override {
    return befall<bool>("remove_module", [&] { return shared_.remove_module(id); });
  }
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
  storage::stored<bool> repeat_erasure(const student_id& student, std::string_view, wall_ms at_ms,
                                       std::uint32_t next_epoch) override {
    return befall<bool>("erase_student",
                        [&] { return shared_.repeat_erasure(student, at_ms, next_epoch); });
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
    if (history_ && after_sequence == 0) begun_at_loss = history_->losses;
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

  std::int64_t changes_read = 0;    // whoever asks for changes has dealt with those up to here,
  std::uint64_t begun_at_loss = 0;  // of the ledger as it was after so many losses

 private:
  static storage::storage_failure not_asked() { throw not_simulated{}; }
  template <class T, class Call>
  storage::stored<T> befall(std::string_view operation, Call change) {
    const auto call = [&] {
      const bool is_change = history_ && writes(operation);
      if (is_change) history_->about_to_write(shared_);
      auto done = change();
      if (is_change) history_->has_written(shared_);
      return done;
    };
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
  ledger_history* history_ = nullptr;
};

}  // namespace watchkeeper::actors::testing
