#include "actors/stores/revision_judge.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace watchkeeper::actors {

namespace {
constexpr std::chrono::milliseconds look_again_after{1000};
}

void revision_judge::step() {
  // Before the step: a request that comes meanwhile must not be lost.
  is_due_.store(false, std::memory_order_release);
  others_judge_ = false;
  auto judged = deps_.ledger.judge_next(deps_.time.wall_now(), deps_.pairs_a_step);
  if (!judged) return failed(judged.error());
  const bool has_judged = judged->has_value();
  if (has_judged) {
    request();
    for (const auto& pair : (*judged)->unreadable)
      deps_.log(
          log_level::warning, "ledger",
          fmt::format("{}/{} cannot be read, and is not judged by the new rules of its module",
                      pair.student.view(), pair.module.view()));
    tell_hot_store(std::move((*judged)->mastered));
  }
  others_judge_ = note_jobs() && !has_judged;
}

std::chrono::milliseconds revision_judge::wait_max(std::chrono::milliseconds else_ms) const {
  if (is_due_.load(std::memory_order_acquire)) return std::chrono::milliseconds(0);
  return others_judge_ ? std::min(else_ms, look_again_after) : else_ms;
}

void revision_judge::failed(const storage::storage_failure& failure) {
  deps_.probe.failed(failure);
  deps_.log(log_level::warning, "ledger",
            "the pairs of a module could not be judged by its new rules; trying again later: " +
                failure.detail);
}

void revision_judge::tell_hot_store(std::vector<storage::pair_progress> mastered) {
  if (mastered.empty()) return;
  std::vector<pair_key> keys;
  for (const auto& pair : mastered) keys.push_back(pair.key);
  const auto found = deps_.hot.read(keys);
  if (!found) return deps_.hot_probe.failed(found.error());
  std::vector<storage::pair_progress> there;
  for (std::size_t i = 0; i < mastered.size(); ++i)
    if ((*found)[i]) there.push_back(std::move(mastered[i]));
  if (there.empty()) return;
  // If it fails, the checkpoint after the pair's next credit brings the news.
  if (const auto merged = deps_.hot.merge(there, storage::merge_origin::ledger); !merged)
    deps_.hot_probe.failed(merged.error());
}

bool revision_judge::note_jobs() {
  auto left = deps_.ledger.judgings(jobs_max);
  if (!left) {
    failed(left.error());
    return false;
  }
  const mutex_lock lock(mutex_);
  jobs_ = std::move(*left);
  return !jobs_.empty();
}

std::vector<storage::judging_progress> revision_judge::jobs() const {
  const mutex_lock lock(mutex_);
  return jobs_;
}

}  // namespace watchkeeper::actors
