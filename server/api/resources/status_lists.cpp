#include "server/api/resources/status_lists.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <random>
#include <tuple>

#include "server/api/api_limits.hpp"
#include "server/api/api_problem.hpp"
#include "server/api/call.hpp"
#include "server/api/resources/read_latest.hpp"
#include "storage/limits.hpp"

namespace watchkeeper::server {
namespace {

struct ranked {
  status_list::entry entry;
  wall_ms updated_ms;
};

/// What this gateway refused since the attempt began, because it was played too fast.
coverage refused_as_too_fast(const call& c, const pair_key& pair, wall_ms begins_ms) {
  coverage refused;
  for (const auto& entry :
       c.gateway.refusals_of(pair.student, actors::refusal_log::per_student_max))
    if (!entry.refused.empty() && entry.module == pair.module && entry.at_ms >= begins_ms)
      refused.add(entry.refused);
  return refused;
}

void rank(const call& c, const pair_key& pair, const progress& state, std::vector<ranked>& all) {
  const auto refused = refused_as_too_fast(c, pair, state.begins_ms);
  all.push_back({{pair.student, student_status_of(state, c.now_ms, refused)}, state.updated_ms});
}

}  // namespace

status_list make_status_list(call& c, const module_id& module) {
  std::vector<ranked> all;
  std::string cursor;
  bool truncated = false;
  do {
    auto page =
        need(c.store.ledger().progress_of_module(module, cursor, storage_limits::list_items_max));
    cursor = page.next.value_or("");
    // Fresh state for a class; of a large module the last checkpoint has to do.
    if (all.size() < api_limits::status_list_fresh_students_max) {
      std::vector<student_id> students;
      for (const auto& item : page.items) students.push_back(item.key.student);
      const auto states = read_latest(c, std::move(page.items));
      for (std::size_t i = 0; i < students.size(); ++i)
        if (states[i]) rank(c, {students[i], module}, *states[i], all);
    } else {
      for (auto& item : page.items) {
        if (item.duration_ms > 0) item.state.duration_ms = item.duration_ms;
        rank(c, item.key, item.state, all);
      }
    }
    if (all.size() > api_limits::status_list_students_max) {
      all.resize(api_limits::status_list_students_max);
      truncated = true;
    }
  } while (!cursor.empty() && !truncated && all.size() < api_limits::status_list_students_max);
  truncated = truncated || !cursor.empty();

  // Within a status, the most recently active first.
  std::sort(all.begin(), all.end(), [](const ranked& a, const ranked& b) {
    return std::tie(a.entry.what, b.updated_ms, a.entry.student) <
           std::tie(b.entry.what, a.updated_ms, b.entry.student);
  });
  status_list made;
  made.module = module;
  made.made_at = c.time.monotonic_now();
  made.truncated = truncated;
  made.students.reserve(all.size());
  for (const auto& each : all) made.students.push_back(each.entry);
  return made;
}

status_lists::status_lists() {
  std::random_device random;  // another gateway's cursor must not name a list of this one
  next_id_ = static_cast<std::uint64_t>(random()) << 32 | random();
}

status_lists::shared status_lists::latest(const module_id& module) const {
  const auto found =
      std::max_element(lists_.begin(), lists_.end(), [&](const auto& a, const auto& b) {
        const auto age = [&](const shared& list) {
          return std::tuple(list->module == module, list->made_at);
        };
        return age(a) < age(b);
      });
  return found != lists_.end() && (*found)->module == module ? *found : nullptr;
}

status_lists::shared status_lists::newest(const module_id& module, mono_ms now,
                                          const make_function& make) {
  std::uint64_t drops = 0;
  {
    mutex_lock lock(mutex_);
    for (;;) {
      drops = drops_;
      auto previous = latest(module);
      const bool fresh = previous && now - previous->made_at < api_limits::status_list_fresh_ms;
      // While another thread makes a list, the previous one will do: a wait would delay others.
      if (previous && (fresh || making_.contains(module))) return previous;
      if (making_.insert(module).second) break;
      made_.wait(lock.native());
    }
  }
  std::shared_ptr<status_list> made;
  try {
    made = std::make_shared<status_list>(make());
  } catch (...) {
    const mutex_lock lock(mutex_);
    making_.erase(module);
    made_.notify_all();
    throw;
  }
  const mutex_lock lock(mutex_);
  making_.erase(module);
  made_.notify_all();
  made->id = fmt::format("{:016x}", next_id_++);
  if (drops != drops_) return made;  // it may have an erased student: for this response only
  if (lists_.size() >= api_limits::status_lists_max) make_room(module);
  lists_.push_back(made);
  return made;
}

void status_lists::make_room(const module_id& module) {
  // A caller who reads one module again and again must not evict the lists of the others.
  const auto is_of_module = [&](const shared& list) { return list->module == module; };
  const bool some = std::count_if(lists_.begin(), lists_.end(), is_of_module) > 1;
  lists_.erase(some ? std::find_if(lists_.begin(), lists_.end(), is_of_module) : lists_.begin());
}

status_lists::shared status_lists::find(std::string_view id, const module_id& module) {
  const mutex_lock lock(mutex_);
  const auto found = std::find_if(lists_.begin(), lists_.end(), [&](const shared& list) {
    return list->id == id && list->module == module;
  });
  if (found == lists_.end()) return nullptr;
  std::rotate(found, std::next(found), lists_.end());
  return lists_.back();
}

void status_lists::drop(const module_id& module) {
  const mutex_lock lock(mutex_);
  std::erase_if(lists_, [&](const shared& list) { return list->module == module; });
  ++drops_;
}

void status_lists::drop_all() {
  const mutex_lock lock(mutex_);
  lists_.clear();
  ++drops_;
}

}  // namespace watchkeeper::server
