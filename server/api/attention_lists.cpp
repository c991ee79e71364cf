#include "server/api/attention_lists.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <random>
#include <tuple>

#include "server/api/api_limits.hpp"
#include "server/api/call.hpp"
#include "server/api/freshest.hpp"
#include "server/api/refusal.hpp"

namespace watchkeeper::server {
namespace {

struct ranked {
  attention_list::entry entry;
  unix_ms updated_ms;
};

void rank(std::vector<ranked>& all, const student_id& student, const progress& state,
          unix_ms now_ms) {
  all.push_back({{student, attention_of(state, now_ms)}, state.updated_ms});
}

attention_list make(call& c, const module_id& module) {
  std::vector<ranked> all;
  std::string cursor;
  bool truncated = false;
  do {
    auto page = need(c.store.book().progress_of_module(module, cursor, limits::list_items_max));
    cursor = page.next.value_or("");
    // A class is read as of now; of a large module what the last checkpoint knew has to do.
    if (all.size() < api_limits::attention_fresh_students_max) {
      std::vector<pair_key> keys;
      std::vector<std::optional<progress>> recorded;
      for (auto& item : page.items) {
        keys.push_back(item.key);
        recorded.emplace_back(std::move(item.state));
      }
      const auto states = freshest(c, keys, std::move(recorded));
      for (std::size_t i = 0; i < keys.size(); ++i)
        if (states[i]) rank(all, keys[i].student, *states[i], c.now_ms);
    } else {
      for (const auto& item : page.items) rank(all, item.key.student, item.state, c.now_ms);
    }
    if (all.size() > limits::attention_students_max) {
      all.resize(limits::attention_students_max);
      truncated = true;
    }
  } while (!cursor.empty() && !truncated && all.size() < limits::attention_students_max);
  truncated = truncated || !cursor.empty();

  // The most recently active first, within each need.
  std::sort(all.begin(), all.end(), [](const ranked& a, const ranked& b) {
    return std::tie(a.entry.what, b.updated_ms, a.entry.student) <
           std::tie(b.entry.what, a.updated_ms, b.entry.student);
  });
  attention_list made;
  made.module = module;
  made.made_ms = c.now_ms;
  made.truncated = truncated;
  made.students.reserve(all.size());
  for (const auto& each : all) made.students.push_back(each.entry);
  return made;
}

}  // namespace

attention_lists::attention_lists() {
  std::random_device random;  // so that another gateway's cursor is not taken for one of ours
  next_id_ = static_cast<std::uint64_t>(random()) << 32 | random();
}

std::shared_ptr<const attention_list> attention_lists::fresh(const module_id& module,
                                                             unix_ms now_ms) {
  const std::lock_guard lock(mutex_);
  for (auto it = kept_.rbegin(); it != kept_.rend(); ++it) {
    const auto age_ms = now_ms - (*it)->made_ms;
    if ((*it)->module == module && age_ms >= 0 && age_ms < api_limits::attention_fresh_ms)
      return *it;
  }
  return nullptr;
}

std::shared_ptr<const attention_list> attention_lists::newest(call& c, const module_id& module) {
  if (auto held = fresh(module, c.now_ms)) return held;
  const std::lock_guard one_at_a_time(making_);
  if (auto held = fresh(module, c.now_ms)) return held;
  auto made = std::make_shared<attention_list>(make(c, module));
  const std::lock_guard lock(mutex_);
  made->id = fmt::format("{:016x}", next_id_++);
  if (kept_.size() >= api_limits::attention_lists_max) kept_.erase(kept_.begin());
  kept_.push_back(made);
  return made;
}

std::shared_ptr<const attention_list> attention_lists::find(std::string_view id,
                                                            const module_id& module) {
  const std::lock_guard lock(mutex_);
  for (const auto& each : kept_)
    if (each->id == id && each->module == module) return each;
  return nullptr;
}

}  // namespace watchkeeper::server
