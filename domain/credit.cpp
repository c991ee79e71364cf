#include "domain/credit.hpp"

#include <algorithm>

namespace watchkeeper {
namespace {

credit_outcome rejected(problem why, stale_cause stale = stale_cause::none) noexcept {
  credit_outcome outcome;
  outcome.why = why;
  outcome.stale = stale;
  return outcome;
}

/// The outcome of a heartbeat that changes nothing.
credit_outcome unchanged(credit_status status, media_ms credited_ms, const credit_request& request,
                         const progress& pair) {
  credit_outcome outcome;
  outcome.status = status;
  outcome.credited_ms = credited_ms;
  outcome.now = summarize(pair, request.duration_ms);
  return outcome;
}

}  // namespace

epoch_check check_epoch(std::uint32_t requested, std::uint32_t student_epoch,
                        const progress* pair) noexcept {
  if (requested < student_epoch || (pair && requested < pair->life.epoch))
    return epoch_check::ended;
  return pair && requested == pair->life.epoch ? epoch_check::same : epoch_check::pair_missing;
}

credit_outcome apply_credit(const credit_request& request, session_state& session,
                            credit_bucket& bucket, progress& pair) {
  if (!session.module.empty() && session.module != request.module)
    return rejected(problem::session_mismatch);
  if (request.played_at_ms < pair.begins_ms)
    return rejected(problem::stale_token, stale_cause::life);

  auto interval = request.interval;
  const auto number = session.window.check(request.sequence);
  if (number == replay_window::sequence_state::too_old)
    return rejected(problem::stale_token, stale_cause::sequence_number);
  if (number == replay_window::sequence_state::seen) {
    const auto rest_ms = pair.covered.covered_until(interval.from_ms);
    if (rest_ms == interval.from_ms) {
      // At the limit of pieces it may have counted, and have given way since.
      if (pair.covered.pieces().size() < limits::coverage_intervals_max)
        return rejected(problem::sequence_reused);
      return unchanged(credit_status::duplicate, 0, request, pair);
    }
    if (rest_ms >= interval.to_ms) return unchanged(credit_status::duplicate, 0, request, pair);
    interval.from_ms = rest_ms;
  }

  // A copy: a heartbeat that is refused further down must not leave a refilled bucket behind.
  auto refilled = bucket;
  refilled.refill(request.now_ms);
  const auto rate_permille = request.max_rate_permille;
  const auto allowed_ms = std::min(interval.length_ms(), refilled.available_ms(rate_permille));
  const auto before_ms = interval.from_ms - request.interval.from_ms;
  if (allowed_ms == 0) return unchanged(credit_status::limited, before_ms, request, pair);
  const media_interval played{interval.from_ms, interval.from_ms + allowed_ms};

  const auto gain = pair.covered.gain_of(played);
  if (gain.pieces > limits::coverage_intervals_max &&
      !pair.covered.makes_room_for(played, request.duration_ms))
    return rejected(problem::implausible_interval);

  // Nothing is refused from here on.
  pair.covered.add(played);
  pair.covered.trim();
  refilled.charge(allowed_ms + gain.closed_gap_ms, rate_permille);
  bucket = refilled;
  session.module = request.module;
  if (number == replay_window::sequence_state::fresh) session.window.mark(request.sequence);

  if (request.played_at_ms >= pair.resume_at_ms) {
    pair.resume_ms = played.to_ms;
    pair.resume_at_ms = request.played_at_ms;
  }
  pair.updated_ms = std::max(pair.updated_ms, request.now_ms);
  pair.duration_ms = request.duration_ms;
  pair.playtime_ms += allowed_ms;

  auto outcome = unchanged(
      allowed_ms < interval.length_ms() ? credit_status::limited : credit_status::credited,
      before_ms + allowed_ms, request, pair);
  outcome.played = played;
  if (pair.mastered_ms == never && outcome.now.measured_ms >= request.mastery_measured_ms) {
    pair.mastered_ms = outcome.now.mastered_ms = request.now_ms;
    outcome.newly_mastered = true;
  }
  return outcome;
}

}  // namespace watchkeeper
