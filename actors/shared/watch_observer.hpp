#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "domain/coverage.hpp"
#include "domain/credit.hpp"
#include "domain/engagement_token.hpp"

/// What becomes of heartbeats, told to those who watch: the heatmap, the live view.
namespace watchkeeper::actors {

/// A heartbeat that is settled: credited, limited or a duplicate; what it earned is durable. All
/// references and spans are good for the call only.
struct settled_heartbeat {
  const credit_request& request;  // student, module, device, session, sequence, now_ms …
  const credit_outcome& outcome;  // status, credited_ms, the numbers afterwards, newly_mastered
  /// What was played and counted: the interval, cut at its end to what was credited. Empty
  /// (from_ms == to_ms) of a duplicate, and of a heartbeat that was limited to nothing.
  media_interval played;
  /// The ranges that became covered, gaps that were closed included: sorted, disjoint, their sum is
  /// what covered_ms grew by. Only where `fresh_known`.
  std::span<const media_interval> fresh;
  /// False where the shard did not know what was covered before: the pair's first heartbeat after a
  /// start or a long pause (save when it is the first of all), and when another gateway credits the
  /// pair at the same time. `fresh` is empty then.
  bool fresh_known = false;
  /// The pair's coverage afterwards; null where the shard does not hold the pair.
  const coverage* covered = nullptr;
};

/// A heartbeat that was refused, wherever on its way that was. Views are good for the call only.
struct refused_heartbeat {
  problem why = problem::none;
  std::string_view detail;  // a sentence in static storage; may be empty
  unix_ms received_ms = 0;  // the server's clock
  /// What the token says; nobody has verified it where the refusal came before the signature was
  /// checked. Null where the text is no token.
  const engagement_token* token = nullptr;
  /// Whether the token's device is one of the student it names, as far as the registry's copy says.
  enum class ownership : std::uint8_t { unknown, of_student, of_nobody_or_another };
  ownership device = ownership::unknown;
};

/// Thread: any, several at once: every shard, session and reader calls, between a heartbeat and its
/// answer. An implementation takes no longer than a short uncontended lock and never waits for a
/// store. What is told of one pair comes in the order in which it was credited.
class watch_observer {
 public:
  virtual ~watch_observer() = default;
  virtual void settled(const settled_heartbeat& heartbeat) noexcept = 0;
  virtual void refused(const refused_heartbeat& heartbeat) noexcept = 0;
  /// The student is to be forgotten. More than once for one erasure: before and after what was
  /// under way has been settled.
  virtual void student_erased(const student_id&) noexcept {}
};

/// Tells several. They are given at the start and never change.
class watch_observers final : public watch_observer {
 public:
  watch_observers() = default;
  explicit watch_observers(std::vector<std::shared_ptr<watch_observer>> all)
      : all_(std::move(all)) {}

  void settled(const settled_heartbeat& heartbeat) noexcept override {
    for (const auto& each : all_) each->settled(heartbeat);
  }
  void refused(const refused_heartbeat& heartbeat) noexcept override {
    for (const auto& each : all_) each->refused(heartbeat);
  }
  void student_erased(const student_id& student) noexcept override {
    for (const auto& each : all_) each->student_erased(student);
  }

 private:
  std::vector<std::shared_ptr<watch_observer>> all_;
};

}  // namespace watchkeeper::actors
