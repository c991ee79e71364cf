#pragma once

#include <cstdint>

#include "domain/credit_bucket.hpp"
#include "domain/ids.hpp"
#include "domain/problem.hpp"
#include "domain/progress.hpp"
#include "domain/replay_window.hpp"

namespace watchkeeper {

/// A verified heartbeat that asks for credit. `interval` lies within the module's duration already.
struct credit_request {
  student_id student;
  module_id module;
  thumbprint device;
  session_id session;
  std::uint32_t sequence = 0;
  std::uint32_t epoch = 0;  // of the student, from the device's record
  media_interval interval;
  wall_ms played_at_ms;                // `iat`
  wall_ms now_ms;                      // the server's clock
  media_ms duration_ms = 0;            // of the module, from the catalogue
  media_ms mastery_measured_ms = 0;    // see mastery_measured_ms(const module_rules&)
  std::int32_t max_rate_permille = 0;  // of the module, from the catalogue

  [[nodiscard]] pair_key pair() const noexcept { return {student, module}; }
  [[nodiscard]] session_key_id session_key() const noexcept { return {device, session}; }
};

enum class credit_status : std::uint8_t { credited = 0, limited = 1, duplicate = 2, rejected = 3 };

/// What is stale in a heartbeat that is rejected with problem::stale_token: `iat` or `exp` by the
/// server's clock, the sequence number by the session's replay window, or `iat` because it lies
/// before the life of the pair began.
enum class stale_cause : std::uint8_t { none, time, sequence_number, life };

struct credit_outcome {
  credit_status status = credit_status::rejected;
  problem why = problem::none;  // of `rejected`: stale_token, session_mismatch, sequence_reused,
                                // implausible_interval, unknown_device (the student was erased),
                                // storage_unavailable
  stale_cause stale = stale_cause::none;
  media_ms credited_ms = 0;  // length of the part of the interval that counts, from its beginning
  media_interval played;     // the part that was credited just now; empty if nothing was
  bool newly_mastered = false;
  progress_summary now;  // afterwards; zero where rejected
};

/// What a store keeps of a session. A session that has not been seen is empty.
struct session_state {
  module_id module;  // the first `cid`; empty: unbound
  replay_window window;
  friend bool operator==(const session_state&, const session_state&) = default;
};

/// How the epoch of a request compares with what a store holds of the student.
enum class epoch_check : std::uint8_t {
  same,
  ended,         // the request's: the student was erased since, and is not enrolled, or anew
  pair_missing,  // the pair is absent, or of an epoch that ended
};
/// `student_epoch`: the highest that the store has seen of the student. `pair`: null if absent.
[[nodiscard]] epoch_check check_epoch(std::uint32_t requested, std::uint32_t student_epoch,
                                      const progress* pair) noexcept;

/// The rules of docs/protocol.md section 5, rules 2 and 4 to 7, in the order of the list below. The
/// one definition of what a heartbeat earns: Redis, the embedded store and degraded mode all call
/// it, and the tests compare every store with it. Changes the three states only if the outcome is
/// `credited` or `limited`; the caller then stores all three together. Precondition: check_epoch
/// gave `same`.
///
/// 1. `session.module` set and different: rejected, session_mismatch. Played before the life of the
///    pair began: rejected, stale_token.
/// 2. Window: too old -> rejected, stale_token. Seen before: if the coverage has the interval, a
///    duplicate; if it has the beginning, the rest is credited, as that of a heartbeat that was
///    `limited`; if it has not even that, this is another interval: rejected, sequence_reused. (Of
///    a coverage that has all the pieces it may have: a duplicate, whose piece may have given way.)
/// 3. The bucket is refilled with `now_ms`; allowed = min(length, available). allowed < length ->
///    limited, the interval is cut at its end to `allowed`. With 0, nothing changes.
/// 4. Where a coverage would have more than limits::coverage_intervals_max pieces, the shortest
///    gives way to a longer new one. A new one that is the shortest itself: rejected,
///    implausible_interval (checked before anything changes). So covered_ms never falls.
/// 5. The bucket is charged the (cut) length plus the gap that was closed outside of it.
/// 6. resume_ms = end of the (cut) interval when played_at_ms >= resume_at_ms; updated_ms =
///    max(now); duration_ms = request's; playtime_ms += cut length.
/// 7. measured_ms >= mastery_measured_ms and not mastered yet: mastered_ms = now_ms,
/// newly_mastered.
credit_outcome apply_credit(const credit_request& request, session_state& session,
                            credit_bucket& bucket, progress& pair);

}  // namespace watchkeeper
