#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <limits>
#include <string_view>
#include <variant>
#include <vector>

#include "actors/shared/watch_observer.hpp"
#include "base/lru_map.hpp"
#include "base/thread_safety.hpp"
#include "storage/erasure_log.hpp"

namespace watchkeeper::actors {

/// What a heartbeat that earned less than it asked for points at.
enum class refusal_kind : std::uint8_t { too_fast, skipping, spoofing, replay, clock, other };
std::string_view name_of(refusal_kind kind) noexcept;
/// `status` must not be `credited`. `why` and `stale` are those of a rejection. A stale_token is a
/// replay if its sequence number is too old, and a wrong clock if its time is.
refusal_kind classify(credit_status status, problem why, stale_cause stale) noexcept;

/// One heartbeat that was rejected, limited or a duplicate. If it was rejected before its signature
/// was checked, its contents are not verified.
struct refusal_entry {
  wall_ms at_ms;
  module_id module;
  thumbprint device;
  session_id session;
  std::uint32_t sequence = 0;
  credit_status status = credit_status::rejected;
  refusal_kind kind = refusal_kind::other;
  media_interval refused;       // of `limited`: the part that did not count
  problem why = problem::none;  // of `rejected`
  std::string_view detail;      // in static storage; may be empty
};

/// The last refusals of each student, in memory: at most per_student_max for one student, and
/// entries_max in all. Beyond this it evicts the student whose last refusal is the oldest.
/// It does not store refusals of a device that the registry has not as the student's own, because
/// anybody can write a student's id into a token, nor of a student who was erased, until a device
/// of the student is enrolled again. Thread: any; a refusal takes one short lock of its student's
/// stripe, a credited heartbeat none.
class refusal_log final : public watch_observer {
 public:
  static constexpr std::size_t per_student_max = 64;
  static constexpr std::size_t entries_max = 65'536;
  static constexpr std::size_t erased_max = 65'536;  // erased students that it remembers

  explicit refusal_log(std::size_t all_max = entries_max) : stripe_max_(all_max / stripes) {}

  /// Takes over who was erased before this process began. Of more than erased_max, the latest.
  void remember_erased(std::vector<storage::logged_erasure> earlier) noexcept;

  void acknowledged(const acknowledged_heartbeat& heartbeat) noexcept override;
  void rejected(const rejected_heartbeat& heartbeat) noexcept override;

  /// Newest first.
  [[nodiscard]] std::vector<refusal_entry> of(const student_id& student, std::size_t limit) const;
  void student_erased(const student_id& student, std::uint32_t next_epoch) noexcept override;

 private:
  static constexpr std::size_t stripes = 16;
  struct stripe {
    mutable annotated_mutex mutex;
    /// The oldest refusal comes first. Bounded by `entries`, not by the number of students.
    lru_map<student_id, std::deque<refusal_entry>> students GUARDED_BY(mutex){
        std::numeric_limits<std::size_t>::max()};
    std::size_t entries GUARDED_BY(mutex) = 0;
    /// Digests, not ids: of an erased student nothing else is stored.
    lru_map<std::uint64_t, std::monostate> erased GUARDED_BY(mutex){erased_max / stripes};
  };
  void add(const student_id& student, const refusal_entry& entry,
           rejected_heartbeat::ownership device) noexcept;
  [[nodiscard]] stripe& stripe_of(const student_id& student) noexcept {
    return stripes_[stable_hash(student.view()) % stripes];
  }
  [[nodiscard]] const stripe& stripe_of(const student_id& student) const noexcept {
    return stripes_[stable_hash(student.view()) % stripes];
  }

  const std::size_t stripe_max_;
  std::array<stripe, stripes> stripes_;
};

}  // namespace watchkeeper::actors
