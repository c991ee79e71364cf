#pragma once

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/base64url.hpp"
#include "storage/ledger.hpp"

namespace watchkeeper::test {
using namespace storage;

/// The port's contract in the plainest way: what the adapters are compared with.
class ledger_model {
 public:
  using key = std::pair<std::string, std::string>;
  static key key_of(const pair_key& pair) {
    return {std::string(pair.student.view()), std::string(pair.module.view())};
  }

  std::map<key, progress> pairs;
  std::map<std::pair<key, life_number>, completion> completions;
  std::map<std::string, module_record> modules;                // without those that were removed
  std::map<std::string, std::vector<module_rules>> revisions;  // of all modules; the first is 1
  struct judging {
    std::size_t revision = 0;  // by which all pairs are judged
    std::string after;         // the student who was judged last by the next one
    std::uint64_t done = 0;
    std::optional<std::uint64_t> total = std::nullopt;
  };
  std::map<std::string, judging> judgings;
  bool judged_elsewhere = false;  // another gateway has locked what is left
  std::map<thumbprint, device_record> devices;
  std::set<key> assignments;
  std::map<std::string, student_life> students;
  std::map<std::string, student_life> next_lives;  // of those who were erased, enrolled anew or not
  std::uint32_t highest_epoch = 1;
  std::string history = "model";
  std::int64_t transactions = 0;
  std::int64_t last_sequence = 0;
  ledger_identity identity() const {
    return {.history = history,
            .transactions = transactions,
            .last_sequence = last_sequence,
            .highest_epoch = highest_epoch};
  }
  void go_on_above(std::int64_t sequence, std::uint32_t epoch) {
    last_sequence = std::max(last_sequence, sequence);
    highest_epoch = std::max(highest_epoch, epoch);
  }
  /// Whoever was not erased counts as enrolled, in epoch 1.
  bool has_everybody = false;

  student_life life_of(const std::string& who) const {
    if (const auto found = students.find(who); found != students.end()) return found->second;
    if (has_everybody && !next_lives.contains(who)) return {.epoch = 1, .begins_ms = never};
    return {};
  }
  recorded_pair look_up(const pair_key& pair) const {
    const auto at = key_of(pair);
    const auto found = pairs.find(at);
    return {.student = life_of(at.first),
            .state = found == pairs.end() ? std::nullopt : std::optional(found->second),
            .duration_ms = duration_of(at.second)};
  }
  wall_ms last_credit_of(const student_id& student) const {
    wall_ms last = never;
    for (const auto& [key, state] : pairs)
      if (key.first == student.view() && state.playtime_ms > 0)
        last = std::max(last, state.updated_ms);
    return last;
  }
  media_ms duration_of(const std::string& module) const {
    const auto known = revisions.find(module);
    return known == revisions.end() ? 0 : known->second.back().duration_ms;
  }
  std::vector<std::pair<registry_change::kind, std::string>> changes;

  std::vector<progress> checkpoint(const std::vector<pair_progress>& batch, wall_ms now_ms) {
    for (const auto& [pair, given] : batch) {
      const std::string who(pair.student.view());
      const auto student = life_of(who);
      if (student.epoch > 0 && given.life.epoch > student.epoch)
        begin_epoch(who, {given.life.epoch, given.begins_ms});
    }
    std::vector<progress> states;
    ++transactions;
    for (const auto& [pair, given] : batch) {
      const auto at = key_of(pair);
      const auto student = life_of(at.first);
      const auto epoch = given.life.epoch;
      if (student.epoch == 0) {
        const auto erased = next_lives.find(at.first);
        states.push_back(erased != next_lives.end() && erased->second.epoch > epoch
                             ? ended_progress(erased->second.epoch)
                             : progress{});
        continue;
      }
      if (epoch < student.epoch) {
        states.push_back(ended_progress(student.epoch));
        continue;
      }
      auto& found = pairs.try_emplace(at, given).first->second;
      merge(found, given);
      settle(pair, found, now_ms);
      states.push_back(found);
    }
    return states;
  }

  /// What the ledger returns of it.
  module_put put_module(module_record module) {
    const std::string id(module.id.view());
    auto& all = revisions[id];
    auto& judged = judgings[id];
    const bool is_new = !modules.contains(id);
    if (is_new || all.back() != module.rules) {
      const bool same_mastery =
          !is_new && all.back().duration_ms == module.rules.duration_ms &&
          all.back().mastery_centipercent == module.rules.mastery_centipercent;
      all.push_back(module.rules);
      if (same_mastery)
        ++judged.revision;
      else
        judged = {.revision = all.size() - 1};
    }
    module.revision = static_cast<std::int32_t>(all.size());
    modules[id] = module;
    note(registry_change::kind::module, id);
    return {module, is_new};
  }
  bool remove_module(const module_id& id) {
    if (modules.erase(std::string(id.view())) == 0) return false;
    note(registry_change::kind::module, std::string(id.view()));
    return true;
  }

  std::vector<judging_progress> unfinished() const {
    std::vector<judging_progress> found;
    for (const auto& [id, module] : modules) {
      const auto& judged = judgings.at(id);
      if (judged.revision < revisions.at(id).size())
        found.push_back({module.id, module.revision, judged.done, judged.total});
    }
    return found;
  }
  std::optional<judging_step> judge_next(wall_ms now_ms, std::size_t pairs_max) {
    const auto left = unfinished();
    if (left.empty() || judged_elsewhere) return std::nullopt;
    ++transactions;
    judging_step step{.module = left.front().module, .mastered = {}};
    const std::string id(step.module.view());
    auto& judged = judgings[id];
    const auto all = [&] {
      std::uint64_t count = 0;
      for (const auto& [at, state] : pairs) count += at.second == id ? 1 : 0;
      return count;
    };
    if (!judged.total) judged.total = all();
    std::size_t count = 0;
    for (auto& [at, state] : pairs) {
      if (at.second != id || at.first <= judged.after || count == pairs_max) continue;
      ++count;
      const bool before = state.mastered_ms != never;
      const pair_key pair{*student_id::parse(at.first), step.module};
      settle(pair, state, now_ms);
      if (!before && state.mastered_ms != never) step.mastered.push_back({pair, state});
      judged.after = at.first;
      ++judged.done;
    }
    if (count < pairs_max) judged = {.revision = revisions[id].size()};
    return step;
  }

  std::optional<student_life> put_device(const device_record& device, const enrolment& at) {
    const auto found = devices.find(device.kid);
    if (found != devices.end() && found->second.student != device.student) return std::nullopt;
    const std::string who(device.student.view());
    const auto& hot = at.in_hot_store;
    if (!students.contains(who)) {
      student_life life;
      const auto erased = next_lives.find(who);
      if (erased != next_lives.end()) life = erased->second;
      life.epoch = hot.is_living && hot.epoch >= life.epoch
                       ? hot.epoch
                       : std::max({static_cast<std::uint32_t>(to_unix_s(at.now_ms)), highest_epoch,
                                   hot.epoch, life.epoch});
      begin_epoch(who, life);
    } else if (students[who].epoch < hot.epoch) {
      begin_epoch(who, {hot.epoch, at.now_ms});
      note(registry_change::kind::student_erased, who);
    }
    const auto created_ms = found != devices.end() ? found->second.created_ms : device.created_ms;
    devices[device.kid] = device;
    devices[device.kid].created_ms = created_ms;
    note(registry_change::kind::device, device.kid.text());
    return students[who];
  }

  std::optional<progress> reset_progress(const pair_key& pair, const std::optional<progress>& known,
                                         wall_ms now_ms) {
    const auto at = key_of(pair);
    const auto found = pairs.find(at);
    if (found == pairs.end() && !known) return std::nullopt;
    auto before = found == pairs.end() ? progress{} : found->second;
    if (known) merge(before, *known);
    const auto student = students.find(at.first);
    if (student == students.end() || student->second.epoch != before.life.epoch)
      return std::nullopt;
    progress next;
    next.life = {before.life.epoch, before.life.attempt + 1};
    next.begins_ms = next.updated_ms = now_ms;
    next.duration_ms = before.duration_ms;
    note(registry_change::kind::progress_reset, at.first + "/" + at.second);
    return pairs[at] = next;
  }
  bool revoke_device(const thumbprint& kid) {
    const auto found = devices.find(kid);
    if (found == devices.end()) return false;
    found->second.revoked = true;
    note(registry_change::kind::device, kid.text());
    return true;
  }
  std::vector<device_record> devices_of(const student_id& student) const {
    std::vector<device_record> found;
    for (const auto& [kid, device] : devices)
      if (device.student == student) found.push_back(with_epoch(device));
    std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) {
      return std::pair(a.created_ms, a.kid) < std::pair(b.created_ms, b.kid);
    });
    return found;
  }

  void put_assignment(const pair_key& pair) {
    if (assignments.insert(key_of(pair)).second) note_assignment(pair);
  }
  bool remove_assignment(const pair_key& pair) {
    if (assignments.erase(key_of(pair)) == 0) return false;
    note_assignment(pair);
    return true;
  }

  bool erase_student(const student_id& student, wall_ms now_ms, std::uint32_t next_epoch) {
    const std::string id(student.view());
    if (students.contains(id)) next_epoch = std::max(next_epoch, students[id].epoch + 1);
    next_epoch = std::max(next_epoch, 1u);
    std::size_t gone = forget_lives(id, UINT32_MAX);
    students.erase(id);
    auto& next = next_lives[id];
    next_epoch = std::max(next_epoch, next.epoch);
    next = {next_epoch, std::max(now_ms, next.begins_ms)};
    highest_epoch = std::max(highest_epoch, next_epoch);
    gone += std::erase_if(assignments, [&](const key& entry) { return entry.first == id; });
    gone += std::erase_if(devices, [&](const auto& e) { return e.second.student == student; });
    note(registry_change::kind::student_erased, id);
    return gone > 0;
  }

  bool repeat_erasure(const student_id& student, wall_ms at_ms, std::uint32_t next_epoch) {
    if (life_of(std::string(student.view())).epoch >= next_epoch) return false;
    (void)erase_student(student, at_ms, next_epoch);
    return true;
  }

  device_record with_epoch(device_record device) const {
    device.epoch = students.at(std::string(device.student.view())).epoch;
    return device;
  }

 private:
  static bool reaches(const coverage& covered, const module_rules& rules) {
    const std::int64_t measured_ms = covered.measured(rules.duration_ms).covered_ms();
    return measured_ms > 0 &&
           measured_ms * 10'000 >= std::int64_t{rules.duration_ms} * rules.mastery_centipercent;
  }
  /// Masters the pair if the newest revision does, and makes its completion.
  void settle(const pair_key& pair, progress& state, wall_ms now_ms) {
    const auto at = key_of(pair);
    const auto known = revisions.find(at.second);
    if (known == revisions.end()) return;
    const auto& all = known->second;
    if (modules.contains(at.second) && state.mastered_ms == never &&
        reaches(state.covered, all.back()))
      state.mastered_ms = now_ms;
    if (state.mastered_ms == never) return;
    auto chosen = all.size();
    while (chosen > 0 && !reaches(state.covered, all[chosen - 1])) --chosen;
    if (chosen == 0) chosen = all.size();
    const auto& rules = all[chosen - 1];
    const auto [made, is_new] = completions.try_emplace(
        std::pair(at, state.life),
        completion{.student = pair.student,
                   .module = pair.module,
                   .covered_ms = state.covered.measured(rules.duration_ms).covered_ms(),
                   .duration_ms = rules.duration_ms,
                   .threshold_centipercent = rules.mastery_centipercent,
                   .mastered_ms = state.mastered_ms,
                   .life = state.life,
                   .revision = static_cast<std::int32_t>(chosen)});
    if (!is_new) return;
    last_sequence = std::max(last_sequence + 1, now_ms.value());
    made->second.sequence = last_sequence;
  }
  /// What the student has from epochs below `epoch` goes.
  std::size_t forget_lives(const std::string& who, std::uint32_t epoch) {
    return std::erase_if(pairs,
                         [&](const auto& entry) {
                           return entry.first.first == who && entry.second.life.epoch < epoch;
                         }) +
           std::erase_if(completions, [&](const auto& entry) {
             return entry.first.first.first == who && entry.first.second.epoch < epoch;
           });
  }
  void begin_epoch(const std::string& who, const student_life& life) {
    forget_lives(who, life.epoch);
    students[who] = life;
    highest_epoch = std::max(highest_epoch, life.epoch);
  }
  void note(registry_change::kind what, std::string text) {
    ++transactions;
    changes.emplace_back(what, std::move(text));
  }
  void note_assignment(const pair_key& pair) {
    const auto [student, module] = key_of(pair);
    note(registry_change::kind::assignment, student + "/" + module);
  }
};

}  // namespace watchkeeper::test
