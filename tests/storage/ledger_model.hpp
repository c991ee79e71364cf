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
  std::map<key, completion> completions;
  std::map<std::string, module_record> modules;
  std::map<thumbprint, device_record> devices;
  std::set<key> assignments;
  std::set<std::string> erased;
  std::vector<std::pair<registry_change::kind, std::string>> changes;

  std::vector<progress> checkpoint(const std::vector<pair_progress>& batch, wall_ms now_ms) {
    std::vector<progress> states;
    for (const auto& [pair, given] : batch) {
      const auto at = key_of(pair);
      if (erased.contains(at.first)) {
        states.emplace_back();
        continue;
      }
      auto& found = pairs.try_emplace(at, given).first->second;
      merge(found, given);
      const auto known = modules.find(at.second);
      const module_rules rules = known != modules.end()
                                     ? known->second.rules
                                     : module_rules{found.duration_ms, 9500, 2000};
      const bool reached =
          rules.duration_ms > 0 && found.covered.covered_ms() >= mastery_covered_ms(rules);
      if (reached && found.mastered_ms == never) found.mastered_ms = now_ms;
      if (found.mastered_ms != never)
        completions.try_emplace(
            at, completion{0, pair.student, pair.module, 1, found.covered.covered_ms(),
                           reached ? rules.duration_ms : found.duration_ms,
                           rules.mastery_centipercent, found.mastered_ms});
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

  bool put_device(const device_record& device) {
    const auto found = devices.find(device.kid);
    if (found != devices.end() && found->second.student != device.student) return false;
    const auto created_ms = found != devices.end() ? found->second.created_ms : device.created_ms;
    devices[device.kid] = device;
    devices[device.kid].created_ms = created_ms;
    erased.erase(std::string(device.student.view()));
    note(registry_change::kind::device, device.kid.text());
    return true;
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
      if (device.student == student) found.push_back(device);
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

  bool erase_student(const student_id& student) {
    const std::string id(student.view());
    const auto of_student = [&](const auto& entry) { return entry.first.first == id; };
    std::size_t gone = std::erase_if(pairs, of_student);
    gone += std::erase_if(completions, of_student);
    gone += std::erase_if(assignments, [&](const key& entry) { return entry.first == id; });
    gone += std::erase_if(devices, [&](const auto& e) { return e.second.student == student; });
    erased.insert(id);
    note(registry_change::kind::student_erased, id);
    return gone > 0;
  }

 private:
  void note(registry_change::kind what, std::string text) {
    changes.emplace_back(what, std::move(text));
  }
  void note_assignment(const pair_key& pair) {
    const auto [student, module] = key_of(pair);
    note(registry_change::kind::assignment, student + "/" + module);
  }
};

}  // namespace watchkeeper::test
