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
  std::map<std::string, module_record> modules;
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
            .state = found == pairs.end() ? std::nullopt : std::optional(found->second)};
  }
  std::vector<std::pair<registry_change::kind, std::string>> changes;

  std::vector<progress> checkpoint(const std::vector<pair_progress>& batch, wall_ms now_ms) {
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
      if (epoch > student.epoch) begin_epoch(at.first, {epoch, given.begins_ms});
      auto& found = pairs.try_emplace(at, given).first->second;
      merge(found, given);
      const auto known = modules.find(at.second);
      const module_rules rules = known != modules.end()
                                     ? known->second.rules
                                     : module_rules{found.duration_ms, 9500, 2000};
      const bool reached =
          rules.duration_ms > 0 && found.covered.covered_ms() >= mastery_covered_ms(rules);
      if (reached && found.mastered_ms == never) found.mastered_ms = now_ms;
      if (found.mastered_ms != never &&
          completions
              .try_emplace(std::pair(at, found.life),
                           completion{0, pair.student, pair.module, 1, found.covered.covered_ms(),
                                      reached ? rules.duration_ms : found.duration_ms,
                                      rules.mastery_centipercent, found.mastered_ms, found.life})
              .second)
        last_sequence = std::max(last_sequence + 1, now_ms.value());
      states.push_back(found);
    }
    return states;
  }

  void put_module(const module_record& module) {
    modules[std::string(module.id.view())] = module;
    note(registry_change::kind::module, std::string(module.id.view()));
  }
  bool remove_module(const module_id& id) {
    if (modules.erase(std::string(id.view())) == 0) return false;
    note(registry_change::kind::module, std::string(id.view()));
    return true;
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
    next_lives[id] = {next_epoch, now_ms};
    highest_epoch = std::max(highest_epoch, next_epoch);
    gone += std::erase_if(assignments, [&](const key& entry) { return entry.first == id; });
    gone += std::erase_if(devices, [&](const auto& e) { return e.second.student == student; });
    note(registry_change::kind::student_erased, id);
    return gone > 0;
  }

  device_record with_epoch(device_record device) const {
    device.epoch = students.at(std::string(device.student.view())).epoch;
    return device;
  }

 private:
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
