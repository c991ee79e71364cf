#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "domain/attention.hpp"
#include "domain/ids.hpp"
#include "domain/units.hpp"

namespace watchkeeper::server {

struct call;

/// The students of a module in the order of their need, as of one moment: a list that pages may be
/// cut from while the students go on.
struct attention_list {
  struct entry {
    student_id student;
    attention what = attention::none;
  };
  std::string id;  // begins its cursors
  module_id module;
  unix_ms made_ms = 0;
  std::vector<entry> students;
  bool truncated = false;  // there are more than limits::attention_students_max
};

/// Keeps the lists that were made last. Any thread.
class attention_lists {
 public:
  attention_lists();

  /// A list that is at most api_limits::attention_fresh_ms old; made now if there is none. One
  /// thread makes one at a time. Throws storage_fault.
  std::shared_ptr<const attention_list> newest(call& c, const module_id& module);
  /// The list of this id; null where it is not kept any more, or another gateway's.
  std::shared_ptr<const attention_list> find(std::string_view id, const module_id& module);

 private:
  std::shared_ptr<const attention_list> fresh(const module_id& module, unix_ms now_ms);

  std::mutex making_;
  std::mutex mutex_;
  std::vector<std::shared_ptr<const attention_list>> kept_;  // newest last
  std::uint64_t next_id_;
};

}  // namespace watchkeeper::server
