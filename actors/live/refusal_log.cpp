#include "actors/live/refusal_log.hpp"

#include <algorithm>

namespace watchkeeper::actors {

std::string_view name_of(refusal_kind kind) noexcept {
  constexpr std::string_view names[] = {"too_fast", "skipping", "spoofing",
                                        "replay",   "clock",    "other"};
  return names[static_cast<std::size_t>(kind)];
}

refusal_kind classify(credit_status status, problem why, stale_cause stale) noexcept {
  // More media than time has passed.
  if (status == credit_status::limited) return refusal_kind::too_fast;
  if (status == credit_status::duplicate) return refusal_kind::replay;
  switch (why) {
    case problem::implausible_interval:
      return refusal_kind::skipping;
    case problem::bad_signature:
    case problem::subject_mismatch:
    case problem::unknown_device:
    case problem::revoked_device:
    case problem::session_mismatch:
    case problem::malformed_token:
      return refusal_kind::spoofing;
    case problem::stale_token:
      if (stale == stale_cause::life) return refusal_kind::other;  // kept since before it began
      return stale == stale_cause::sequence_number ? refusal_kind::replay : refusal_kind::clock;
    case problem::future_token:
      return refusal_kind::clock;
    default:
      return refusal_kind::other;
  }
}

void refusal_log::acknowledged(const acknowledged_heartbeat& heartbeat) noexcept {
  const auto status = heartbeat.outcome.status;
  if (status == credit_status::credited) return;
  const auto& request = heartbeat.request;
  media_interval refused;
  if (status == credit_status::limited)
    refused = {request.interval.from_ms + heartbeat.outcome.credited_ms, request.interval.to_ms};
  add(request.student,
      {.at_ms = request.now_ms,
       .module = request.module,
       .device = request.device,
       .session = request.session,
       .sequence = request.sequence,
       .status = status,
       .kind = classify(status, problem::none, stale_cause::none),
       .refused = refused},
      rejected_heartbeat::ownership::of_student);  // it was verified
}

void refusal_log::rejected(const rejected_heartbeat& heartbeat) noexcept {
  if (heartbeat.token == nullptr) return;  // it names no student
  if (heartbeat.device == rejected_heartbeat::ownership::of_nobody_or_another) return;
  const auto& claims = heartbeat.token->claims;
  add(claims.student,
      {.at_ms = heartbeat.received_ms,
       .module = claims.module,
       .device = heartbeat.token->device,
       .session = claims.session,
       .sequence = claims.sequence,
       .status = credit_status::rejected,
       .kind = classify(credit_status::rejected, heartbeat.why, heartbeat.stale),
       .why = heartbeat.why,
       .detail = heartbeat.detail},
      heartbeat.device);
}

void refusal_log::add(const student_id& student, const refusal_entry& entry,
                      rejected_heartbeat::ownership device) noexcept {
  try {
    auto& s = stripe_of(student);
    const mutex_lock lock(s.mutex);
    // Heartbeats that were in flight at the erasure, or come from a device that goes on, are not
    // stored. The registry has a device of the student again only after a new enrolment.
    if (!s.erased.empty() && device != rejected_heartbeat::ownership::of_student &&
        s.erased.contains(stable_hash(student.view())))
      return;
    auto& entries = s.students.try_emplace(student).first;
    entries.push_back(entry);
    ++s.entries;
    if (entries.size() > per_student_max) {
      entries.pop_front();
      --s.entries;
    }
    while (s.entries > stripe_max_ && s.students.size() > 1) {
      s.entries -= s.students.oldest()->value.size();
      s.students.evict_oldest();
    }
  } catch (...) {  // out of memory: the heartbeat has its result and is counted all the same
  }
}

std::vector<refusal_entry> refusal_log::of(const student_id& student, std::size_t limit) const {
  const auto& s = stripe_of(student);
  const mutex_lock lock(s.mutex);
  const auto* const entries = s.students.peek(student);
  if (!entries) return {};
  std::vector<refusal_entry> newest(entries->rbegin(), entries->rend());
  if (newest.size() > limit) newest.resize(limit);
  return newest;
}

void refusal_log::remember_erased(std::vector<storage::logged_erasure> earlier) noexcept {
  // The latest last: they stay longest.
  std::sort(earlier.begin(), earlier.end(),
            [](const auto& a, const auto& b) { return a.at_ms < b.at_ms; });
  for (const auto& erasure : earlier) student_erased(erasure.student, erasure.next_epoch);
}

void refusal_log::student_erased(const student_id& student, std::uint32_t /*next_epoch*/) noexcept {
  auto& s = stripe_of(student);
  const mutex_lock lock(s.mutex);
  if (const auto* const entries = s.students.peek(student)) {
    s.entries -= entries->size();
    s.students.erase(student);
  }
  try {
    s.erased.try_emplace(stable_hash(student.view()));
  } catch (...) {  // out of memory: refusals from now on may be stored
  }
}

}  // namespace watchkeeper::actors
