#pragma once

#include "actors/shared/registry.hpp"
#include "actors/shared/watch_observer.hpp"
#include "base/clock.hpp"

namespace watchkeeper::actors {

/// Adds to a rejection whose device it was, which only the registry knows, and passes it on.
class refusal_annotator final : public watch_observer {
 public:
  refusal_annotator(const registry& registry_cache, const time_source& time, watch_observer& next)
      : registry_cache_(registry_cache), time_(time), next_(next) {}
  void acknowledged(const acknowledged_heartbeat& heartbeat) noexcept override {
    next_.acknowledged(heartbeat);
  }
  void rejected(const rejected_heartbeat& heartbeat) noexcept override {
    auto annotated = heartbeat;
    if (const auto* token = annotated.token) {
      using ownership = rejected_heartbeat::ownership;
      const auto device = registry_cache_.find_device(token->device, time_.monotonic_now());
      if (device.is_cached)
        annotated.device = device.entry && device.entry->record.student == token->claims.student
                               ? ownership::of_student
                               : ownership::of_nobody_or_another;
    }
    next_.rejected(annotated);
  }
  void student_erased(const student_id& student, std::uint32_t next_epoch) noexcept override {
    next_.student_erased(student, next_epoch);
  }
  void progress_reset(const pair_key& pair, life_number begun) noexcept override {
    next_.progress_reset(pair, begun);
  }

 private:
  const registry& registry_cache_;
  const time_source& time_;
  watch_observer& next_;
};

}  // namespace watchkeeper::actors
