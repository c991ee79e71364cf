#include "actors/stores/trace_remover.hpp"

#include <algorithm>

namespace watchkeeper::actors {

void trace_remover::erased_before(wall_ms at_ms) {
  const auto age_ms = std::max<std::int64_t>(deps_.time.wall_now() - at_ms, 0);
  if (age_ms > deps_.kept_ms + deps_.pause_ms + grain_ms) return;
  const auto now = deps_.time.monotonic_now();
  add(now + -age_ms, now + pause_at_start_ms);
}

void trace_remover::add(mono_ms erased_at, mono_ms due_at) {
  const auto now = deps_.time.monotonic_now();
  // What is due already has not begun, and serves this one too.
  if (!is_due(due_at)) due_.insert(due_at);
  const auto kept_until = erased_at.value() + deps_.kept_ms;
  if (const mono_ms later((kept_until / grain_ms + 1) * grain_ms); later > now) due_.insert(later);
}

void trace_remover::step(const step_of_store& remove) {
  const auto now = deps_.time.monotonic_now();
  if (is_running_ || (is_due(now) && now >= not_before_)) {
    const auto got = remove();
    if (!got) {
      failed(got.error(), now);
    } else if (*got == storage::trace_removal::begun) {
      take_due(now);
      is_running_ = true;
    } else if (*got == storage::trace_removal::done) {
      if (!std::exchange(is_running_, false)) take_due(now);
      succeeded();
    }
  }
  deps_.probe.is_due = is_running_ || is_due(now);
}

void trace_remover::take_due(mono_ms now) {
  due_.erase(due_.begin(), due_.upper_bound(now));
  not_before_ = now + deps_.pause_ms;
}

void trace_remover::failed(const storage::storage_failure& why, mono_ms now) {
  // What had begun may not have come to its end.
  if (std::exchange(is_running_, false)) due_.insert(now);
  if (why.code == storage::storage_error::unavailable) return;
  not_before_ = now + std::max(deps_.pause_ms, pause_after_refusal_ms);
  deps_.probe.refusal.set(why.detail);
  if (!std::exchange(is_refused_, true))
    deps_.log(
        log_level::warning, deps_.component,
        "keeps in its files what they have of erased students (docs/privacy.md): " + why.detail);
}

void trace_remover::succeeded() {
  deps_.probe.removed_at = deps_.time.wall_now();
  if (!std::exchange(is_refused_, false)) return;
  deps_.probe.refusal.set({});
  deps_.log(log_level::info, deps_.component, "drops what its files have of erased students again");
}

}  // namespace watchkeeper::actors
