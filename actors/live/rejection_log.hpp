#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <list>
#include <mutex>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "actors/shared/watch_observer.hpp"

namespace watchkeeper::actors {

/// What a heartbeat that earned less than it asked for points at.
enum class refusal_kind : std::uint8_t { skipping, spoofing, replay, clock, other };
std::string_view name_of(refusal_kind kind) noexcept;
/// `status` must not be `credited`. `detail` tells a number that was used long ago (a replay) from
/// a time that was (the clock): both are stale_token.
refusal_kind classify(credit_status status, problem why, std::string_view detail) noexcept;

/// One heartbeat that was rejected, limited or a duplicate. Nobody has verified what it says where
/// it was rejected before its signature was checked.
struct refusal_entry {
  unix_ms at_ms = 0;
  module_id module;
  thumbprint device;
  session_id session;
  std::uint32_t sequence = 0;
  credit_status status = credit_status::rejected;
  problem why = problem::none;  // of `rejected`
  std::string_view detail;      // in static storage; may be empty
};

/// Of whom it keeps nothing: a device that the registry does not know as the student's own (anybody
/// may write a student's id into a token), and a student who was erased, until a device of theirs
/// is enrolled again. The last refusals of each student, in memory: at most per_student_max a
/// student and entries_max in all; then the student who was not refused anything for longest is
/// forgotten. Thread: any; a refusal takes one short lock of its student's stripe, a credited
/// heartbeat none.
class refusal_log final : public watch_observer {
 public:
  static constexpr std::size_t per_student_max = 64;
  static constexpr std::size_t entries_max = 65'536;
  static constexpr std::size_t erased_max = 65'536;  // of whom it is known

  explicit refusal_log(std::size_t all_max = entries_max) : stripe_max_(all_max / stripes) {}

  void settled(const settled_heartbeat& heartbeat) noexcept override;
  void refused(const refused_heartbeat& heartbeat) noexcept override;

  /// Newest first.
  [[nodiscard]] std::vector<refusal_entry> of(const student_id& student, std::size_t limit) const;
  void student_erased(const student_id& student) noexcept override;

 private:
  static constexpr std::size_t stripes = 16;
  struct held {
    std::deque<refusal_entry> entries;         // oldest first
    std::list<student_id>::iterator in_order;  // of stripe::order
  };
  struct stripe {
    mutable std::mutex mutex;
    std::unordered_map<student_id, held> students;
    std::list<student_id> order;  // who was refused something last comes last
    std::size_t entries = 0;
    // Digests, not ids. Beyond the limit the one who was erased first is given up.
    std::unordered_set<std::uint64_t> erased;
    std::deque<std::uint64_t> erased_order;
  };
  void add(const student_id& student, const refusal_entry& entry,
           refused_heartbeat::ownership device) noexcept;
  void drop(stripe& s, const student_id& student);
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
