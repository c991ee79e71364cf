#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "base/units.hpp"
#include "domain/ids.hpp"
#include "domain/student_status.hpp"
#include "server/api/api_limits.hpp"

namespace watchkeeper::server {

struct call;

/// The students of a module in the order of their need, as of one moment: a list that pages may be
/// cut from while the students go on.
struct status_list {
  struct entry {
    student_id student;
    student_status what = student_status::none;
  };
  std::string id;  // begins its cursors
  module_id module;
  unix_ms made_ms = 0;
  std::vector<entry> students;
  bool truncated = false;  // there are more than api_limits::status_list_students_max
};

/// Made now, from ledger and hot store. Throws storage_fault.
status_list make_status_list(call& c, const module_id& module);

/// Keeps api_limits::status_lists_max lists: those that were made or read on last. Any thread.
class status_lists {
 public:
  using shared = std::shared_ptr<const status_list>;
  using make_function = std::function<status_list()>;
  status_lists();

  /// A list that is at most api_limits::status_list_fresh_ms old, or the one before while another
  /// thread makes one; else made by `make`, whose exceptions pass. One thread makes one of a module
  /// at a time; a thread waits for another only where there is no list of the module at all.
  shared newest(const module_id& module, unix_ms now_ms, const make_function& make);
  /// The list of this id; null where it is not kept any more, or another gateway's.
  shared find(std::string_view id, const module_id& module);
  /// A student is to be forgotten. A list that is being made is not kept.
  void drop_all();

 private:
  [[nodiscard]] shared latest(const module_id& module) const;
  void make_room(const module_id& module);

  std::mutex mutex_;
  std::condition_variable made_;
  std::set<module_id> making_;  // guarded by mutex_, as all below
  std::vector<shared> kept_;    // who was used last comes last
  std::uint64_t drops_ = 0;
  std::uint64_t next_id_;
};

}  // namespace watchkeeper::server
