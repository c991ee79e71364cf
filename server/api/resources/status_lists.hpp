#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/thread_safety.hpp"
#include "domain/ids.hpp"
#include "domain/student_status.hpp"
#include "server/api/api_limits.hpp"

namespace watchkeeper::server {

struct call;

/// The students of a module in the order of their status, at one moment. Pages are cut from it
/// while the students go on.
struct status_list {
  struct entry {
    student_id student;
    student_status what = student_status::none;
  };
  std::string id;  // begins its cursors
  module_id module;
  mono_ms made_at;
  std::vector<entry> students;
  bool truncated = false;  // there are more than api_limits::status_list_students_max
};

/// Made now, from ledger and hot store. Throws storage_fault.
status_list make_status_list(call& c, const module_id& module);

/// Has the api_limits::status_lists_max lists that were made or read last. Thread: any.
class status_lists {
 public:
  using shared = std::shared_ptr<const status_list>;
  using make_function = std::function<status_list()>;
  status_lists();

  /// A list that is at most api_limits::status_list_fresh_ms old, or the previous one while another
  /// thread makes a new one; otherwise `make` makes it, and its exceptions pass. One thread at a
  /// time makes a list of a module. A thread waits for another only if the module has no list.
  shared newest(const module_id& module, mono_ms now, const make_function& make);
  /// The list with this id; null if it was evicted, or if it is another gateway's.
  shared find(std::string_view id, const module_id& module);
  /// Drops all lists, also one that is being made: a student is erased.
  void drop_all();
  /// Drops those of a module: a progress in it was reset.
  void drop(const module_id& module);

 private:
  [[nodiscard]] shared latest(const module_id& module) const REQUIRES(mutex_);
  void make_room(const module_id& module) REQUIRES(mutex_);

  annotated_mutex mutex_;
  std::condition_variable made_;
  std::set<module_id> making_ GUARDED_BY(mutex_);
  std::vector<shared> lists_ GUARDED_BY(mutex_);  // the one that was used last comes last
  std::uint64_t drops_ GUARDED_BY(mutex_) = 0;
  std::uint64_t next_id_ GUARDED_BY(mutex_);
};

}  // namespace watchkeeper::server
