#pragma once

#include "actors/shared/registry.hpp"
#include "actors/shared/watch_observer.hpp"

namespace watchkeeper::actors {

/// Tells of a refusal whose device it was: only the registry knows.
class refusal_annotator final : public watch_observer {
 public:
  refusal_annotator(const registry& known, watch_observer& next) : known_(known), next_(next) {}
  void settled(const settled_heartbeat& heartbeat) noexcept override { next_.settled(heartbeat); }
  void refused(const refused_heartbeat& heartbeat) noexcept override {
    auto told = heartbeat;
    if (told.token != nullptr) {
      using ownership = refused_heartbeat::ownership;
      const auto found = known_.find_device(told.token->device, told.received_ms);
      if (found.found)
        told.device = found.entry && found.entry->record.student == told.token->claims.student
                          ? ownership::of_student
                          : ownership::of_nobody_or_another;
    }
    next_.refused(told);
  }
  void student_erased(const student_id& student) noexcept override {
    next_.student_erased(student);
  }

 private:
  const registry& known_;
  watch_observer& next_;
};

}  // namespace watchkeeper::actors
