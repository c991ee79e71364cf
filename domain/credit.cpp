#include "domain/credit.hpp"

#include <algorithm>

namespace watchkeeper {
namespace {

credit_outcome rejected(problem why) noexcept {
  credit_outcome outcome;
  outcome.why = why;
  return outcome;
}

}  // namespace

credit_outcome apply_credit(const credit_request& request, session_state& session,
                            credit_bucket& bucket, progress& pair) {
  if (!session.module.empty() && session.module != request.module)
    return rejected(problem::session_mismatch);

  switch (session.window.check(request.sequence)) {
    case replay_window::sequence_state::fresh:
      break;
    case replay_window::sequence_state::seen: {
      credit_outcome outcome;
      outcome.status = credit_status::duplicate;
      outcome.now = summarize(pair);
      return outcome;
    }
    case replay_window::sequence_state::too_old:
      return rejected(problem::stale_token);
  }

  // A copy: a heartbeat that is refused further down must not leave a refilled bucket behind.
  auto refilled = bucket;
  refilled.refill(request.now_ms, request.rate_permille);
  const auto length_ms = request.interval.length_ms();
  const auto allowed_ms = std::min(length_ms, refilled.available_ms());
  const media_interval credited{request.interval.from_ms, request.interval.from_ms + allowed_ms};

  coverage::gain gain;
  if (allowed_ms > 0) {
    gain = pair.covered.gain_of(credited);
    if (gain.pieces > limits::coverage_intervals_max)
      return rejected(problem::implausible_interval);
    pair.covered.add(credited);
  }

  // Nothing is refused from here on.
  refilled.charge(allowed_ms + gain.closed_gap_ms);
  bucket = refilled;
  session.module = request.module;
  session.window.mark(request.sequence);

  if (request.played_at_ms >= pair.resume_at_ms) {
    pair.resume_ms = request.interval.to_ms;
    pair.resume_at_ms = request.played_at_ms;
  }
  pair.updated_ms = std::max(pair.updated_ms, request.now_ms);
  pair.duration_ms = request.duration_ms;
  pair.playtime_ms += allowed_ms;

  credit_outcome outcome;
  outcome.status = allowed_ms < length_ms ? credit_status::limited : credit_status::credited;
  outcome.credited_ms = allowed_ms;
  outcome.now = summarize(pair);
  if (pair.mastered_ms == 0 && outcome.now.covered_ms >= request.mastery_covered_ms) {
    pair.mastered_ms = outcome.now.mastered_ms = request.now_ms;
    outcome.newly_mastered = true;
  }
  return outcome;
}

}  // namespace watchkeeper
