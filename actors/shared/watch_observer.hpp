#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "actors/shared/heartbeat.hpp"
#include "domain/coverage.hpp"
#include "domain/credit.hpp"
#include "domain/engagement_token.hpp"
#include "domain/ids.hpp"
#include "domain/life.hpp"

/// How the heatmap, the live view and others learn of the results of heartbeats.
namespace watchkeeper::actors {

/// A heartbeat that was credited, limited or a duplicate; what it earned is durable. All references
/// and spans are valid during the call only.
struct acknowledged_heartbeat {
  const credit_request& request;  // student, module, device, session, sequence, now_ms …
  const credit_outcome& outcome;  // status, what was played, the numbers afterwards, newly_mastered
  /// The ranges that became covered, closed gaps included: sorted and disjoint. Their sum is what
  /// covered_ms grew by. Set only if `fresh_is_exact`.
  std::span<const media_interval> fresh;
  /// False if the shard did not have the coverage from before: at the pair's first heartbeat after
  /// a start or a long pause (unless it is the first of all), and while another gateway credits the
  /// pair too. `fresh` is empty then.
  bool fresh_is_exact = false;
  /// The pair's coverage afterwards; null if the shard does not have the pair in memory.
  const coverage* covered = nullptr;
};

/// A heartbeat that was rejected, at any step of its way. Views are valid during the call only.
struct rejected_heartbeat {
  problem why = problem::none;
  std::string_view detail;  // a sentence in static storage; may be empty
  stale_cause stale = stale_cause::none;
  wall_ms received_ms;  // the server's clock
  /// What the token says. It is not verified if the rejection came before the check of the
  /// signature. Null if the text is no token.
  const engagement_token* token = nullptr;
  /// Whether the token's device belongs to the student whom it names, by the registry in memory.
  enum class ownership : std::uint8_t { unknown, of_student, of_nobody_or_another };
  ownership device = ownership::unknown;
};

/// Is notified of heartbeats. Thread: any, several at once: shards, sessions and the reader call it
/// between a heartbeat and its result. An implementation takes no longer than a short uncontended
/// lock, and never waits for a store. The calls for one pair come in the order of its credits.
class watch_observer {
 public:
  virtual ~watch_observer() = default;
  virtual void acknowledged(const acknowledged_heartbeat& heartbeat) noexcept = 0;
  virtual void rejected(const rejected_heartbeat& heartbeat) noexcept = 0;
  /// The student is to be forgotten: all epochs below `next_epoch` have ended (all_epochs: the
  /// ledger no longer knows which ones). Called more than once for one erasure: before and after
  /// the heartbeats that were in flight have their results, and before and after the ledger erases.
  virtual void student_erased(const student_id&, std::uint32_t /*next_epoch*/) noexcept {}
  /// All lives of the pair below `begun` have ended. Called more than once for one reset, at last
  /// after the hot store has the new attempt.
  virtual void progress_reset(const pair_key&, life_number /*begun*/) noexcept {}
};

/// Notifies several observers. They are given at the start and never change.
class watch_observers final : public watch_observer {
 public:
  watch_observers() = default;
  explicit watch_observers(std::vector<std::shared_ptr<watch_observer>> all)
      : all_(std::move(all)) {}

  void acknowledged(const acknowledged_heartbeat& heartbeat) noexcept override {
    for (const auto& each : all_) each->acknowledged(heartbeat);
  }
  void rejected(const rejected_heartbeat& heartbeat) noexcept override {
    for (const auto& each : all_) each->rejected(heartbeat);
  }
  void student_erased(const student_id& student, std::uint32_t next_epoch) noexcept override {
    for (const auto& each : all_) each->student_erased(student, next_epoch);
  }
  void progress_reset(const pair_key& pair, life_number begun) noexcept override {
    for (const auto& each : all_) each->progress_reset(pair, begun);
  }

 private:
  std::vector<std::shared_ptr<watch_observer>> all_;
};

}  // namespace watchkeeper::actors
