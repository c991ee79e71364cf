#include "actors/live/rejection_log.hpp"

#include <algorithm>

namespace watchkeeper::actors {

std::string_view name_of(refusal_kind kind) noexcept {
  constexpr std::string_view names[] = {"skipping", "spoofing", "replay", "clock", "other"};
  return names[static_cast<std::size_t>(kind)];
}

refusal_kind classify(credit_status status, problem why, std::string_view detail) noexcept {
  // More media than time has passed: the player jumped, or plays faster than allowed.
  if (status == credit_status::limited) return refusal_kind::skipping;
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
      return detail.starts_with("sn ") ? refusal_kind::replay : refusal_kind::clock;
    case problem::future_token:
      return refusal_kind::clock;
    default:
      return refusal_kind::other;
  }
}

void refusal_log::settled(const settled_heartbeat& heartbeat) noexcept {
  const auto status = heartbeat.outcome.status;
  if (status == credit_status::credited) return;
  const auto& request = heartbeat.request;
  add(request.student,
      {.at_ms = request.now_ms,
       .module = request.module,
       .device = request.device,
       .session = request.session,
       .sequence = request.sequence,
       .status = status},
      refused_heartbeat::ownership::of_student);  // it was verified
}

void refusal_log::refused(const refused_heartbeat& heartbeat) noexcept {
  if (heartbeat.token == nullptr) return;  // nobody's
  if (heartbeat.device == refused_heartbeat::ownership::of_nobody_or_another) return;
  const auto& claims = heartbeat.token->claims;
  add(claims.student,
      {.at_ms = heartbeat.received_ms,
       .module = claims.module,
       .device = heartbeat.token->device,
       .session = claims.session,
       .sequence = claims.sequence,
       .status = credit_status::rejected,
       .why = heartbeat.why,
       .detail = heartbeat.detail},
      heartbeat.device);
}

void refusal_log::add(const student_id& student, const refusal_entry& entry,
                      refused_heartbeat::ownership device) noexcept {
  try {
    auto& s = stripe_of(student);
    const std::lock_guard lock(s.mutex);
    // What was under way when the student was erased, or comes from a device that goes on. The
    // registry knows of a device again only after it was enrolled anew.
    if (!s.erased.empty() && device != refused_heartbeat::ownership::of_student &&
        s.erased.contains(stable_hash(student.view())))
      return;
    auto found = s.students.find(student);
    if (found == s.students.end()) {
      s.order.push_back(student);
      found = s.students.emplace(student, held{{}, std::prev(s.order.end())}).first;
    } else {
      s.order.splice(s.order.end(), s.order, found->second.in_order);
    }
    auto& entries = found->second.entries;
    entries.push_back(entry);
    ++s.entries;
    if (entries.size() > per_student_max) {
      entries.pop_front();
      --s.entries;
    }
    while (s.entries > stripe_max_ && s.order.size() > 1) drop(s, student_id(s.order.front()));
  } catch (...) {  // out of memory: the refusal itself is answered and counted all the same
  }
}

void refusal_log::drop(stripe& s, const student_id& student) {
  const auto found = s.students.find(student);
  if (found == s.students.end()) return;
  s.entries -= found->second.entries.size();
  s.order.erase(found->second.in_order);
  s.students.erase(found);
}

std::vector<refusal_entry> refusal_log::of(const student_id& student, std::size_t limit) const {
  const auto& s = stripe_of(student);
  const std::lock_guard lock(s.mutex);
  const auto found = s.students.find(student);
  if (found == s.students.end()) return {};
  const auto& entries = found->second.entries;
  std::vector<refusal_entry> newest(entries.rbegin(), entries.rend());
  if (newest.size() > limit) newest.resize(limit);
  return newest;
}

void refusal_log::student_erased(const student_id& student) noexcept {
  auto& s = stripe_of(student);
  const std::lock_guard lock(s.mutex);
  drop(s, student);
  try {
    const auto digest = stable_hash(student.view());
    if (!s.erased.insert(digest).second) return;
    s.erased_order.push_back(digest);
    if (s.erased_order.size() <= erased_max / stripes) return;
    s.erased.erase(s.erased_order.front());
    s.erased_order.pop_front();
  } catch (...) {  // out of memory: what is refused from now on may be kept
  }
}

}  // namespace watchkeeper::actors
