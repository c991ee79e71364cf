#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "domain/credit.hpp"
#include "tests/domain/media_bitmap.hpp"

namespace watchkeeper::test {

/// What docs/protocol.md section 5 (rules 4 to 7) says, written down a second time from the text:
/// flags a millisecond, the set of all numbers ever seen, time earned one millisecond at a time.
/// One student with one session and any modules.
class credit_model {
 public:
  explicit credit_model(media_ms universe_ms) : universe_ms_(universe_ms) {}

  credit_outcome apply(const credit_request& request) {
    credit_outcome out;
    const std::string module{request.module.view()};
    auto& pair = pairs_.try_emplace(module, pair_model{media_bitmap{universe_ms_}}).first->second;
    if (!bound_to_.empty() && bound_to_ != module) {
      out.why = problem::session_mismatch;
      return out;
    }
    if (!seen_.empty() && std::int64_t{*seen_.rbegin()} - std::int64_t{request.sequence} >= 64) {
      out.why = problem::stale_token;
      return out;
    }
    const auto from = first_uncovered(request, pair);
    if (from == request.interval.from_ms && seen_.count(request.sequence) != 0) {
      out.why = problem::sequence_reused;
      return out;
    }
    if (from == request.interval.to_ms) {
      out.status = credit_status::duplicate;
      out.now = summary(pair, request.duration_ms);
      return out;
    }

    auto level_us = level_us_;
    auto refilled_at = refilled_at_;
    refill(level_us, refilled_at, request.now_ms);
    // In thousandths of a microsecond a millisecond of media costs a whole number.
    const auto asked = request.interval.to_ms - from;
    media_ms allowed = 0;
    while (allowed < asked &&
           (allowed + 1) * std::int64_t{1'000'000} <= level_us * request.max_rate_permille)
      ++allowed;
    out.credited_ms = from - request.interval.from_ms + allowed;
    out.status = allowed < asked ? credit_status::limited : credit_status::credited;
    if (allowed == 0) {
      out.now = summary(pair, request.duration_ms);
      return out;
    }

    auto covered = pair.covered;
    const auto change = covered.add({from, from + allowed});
    if (covered.runs().size() > 1024) {
      out = {};
      out.why = problem::implausible_interval;
      return out;
    }
    const auto cost = (allowed + change.closed_gap_ms) * std::int64_t{1'000'000};
    level_us_ =
        level_us - cost / request.max_rate_permille - (cost % request.max_rate_permille != 0);
    refilled_at_ = refilled_at;
    bound_to_ = module;
    seen_.insert(request.sequence);
    pair.covered = covered;
    pair.playtime_ms += allowed;
    pair.duration_ms = request.duration_ms;
    if (request.now_ms > pair.updated_ms) pair.updated_ms = request.now_ms;
    if (request.played_at_ms >= pair.resume_at_ms) {
      pair.resume_at_ms = request.played_at_ms;
      pair.resume_ms = from + allowed;
    }
    if (pair.mastered_ms == never &&
        measured(pair.covered, request.duration_ms) >= request.mastery_measured_ms) {
      pair.mastered_ms = request.now_ms;
      out.newly_mastered = true;
    }
    out.played = {from, from + allowed};
    out.now = summary(pair, request.duration_ms);
    return out;
  }

  [[nodiscard]] credit_bucket bucket() const { return {level_us_, refilled_at_}; }
  [[nodiscard]] bool has_seen(std::uint32_t n) const { return seen_.count(n) != 0; }
  [[nodiscard]] std::string bound_to() const { return bound_to_; }
  [[nodiscard]] std::vector<media_interval> runs(const std::string& module) const {
    const auto found = pairs_.find(module);
    return found == pairs_.end() ? std::vector<media_interval>{} : found->second.covered.runs();
  }

 private:
  struct pair_model {
    media_bitmap covered;
    media_ms duration_ms = 0;
    std::int64_t playtime_ms = 0;
    media_ms resume_ms = 0;
    wall_ms resume_at_ms;
    wall_ms updated_ms;
    wall_ms mastered_ms;
  };
  /// Where what is to be credited begins: of a number that was used, behind what is covered.
  [[nodiscard]] media_ms first_uncovered(const credit_request& request,
                                         const pair_model& pair) const {
    auto from = request.interval.from_ms;
    if (seen_.count(request.sequence) != 0)
      while (from < request.interval.to_ms && pair.covered.contains(from)) ++from;
    return from;
  }
  /// One millisecond after the other.
  static void refill(std::int64_t& level_us, wall_ms& refilled_at, wall_ms now_ms) {
    if (refilled_at == never || refilled_at > now_ms + 30'000) refilled_at = now_ms;
    for (; refilled_at < now_ms; refilled_at += 1) {
      level_us += 1'100;
      if (level_us > 150'000'000) level_us = 150'000'000;
    }
  }

  /// Millisecond by millisecond: those within the duration, and short gaps at its ends.
  static media_ms measured(const media_bitmap& covered, media_ms duration_ms) {
    std::vector<bool> counts(static_cast<std::size_t>(duration_ms));
    for (media_ms at = 0; at < duration_ms; ++at)
      counts[static_cast<std::size_t>(at)] = covered.contains(at);
    const auto close = [&](auto first, auto last) {
      const auto seen = std::find(first, last, true);
      if (seen != last && seen - first <= limits::gap_closed_ms) std::fill(first, seen, true);
    };
    close(counts.begin(), counts.end());
    close(counts.rbegin(), counts.rend());
    return static_cast<media_ms>(std::count(counts.begin(), counts.end(), true));
  }
  static progress_summary summary(const pair_model& p, media_ms duration_ms) {
    return {.covered_ms = p.covered.covered_ms(),
            .measured_ms = measured(p.covered, duration_ms),
            .duration_ms = duration_ms,
            .playtime_ms = p.playtime_ms,
            .resume_ms = p.resume_ms,
            .updated_ms = p.updated_ms,
            .mastered_ms = p.mastered_ms};
  }

  media_ms universe_ms_;
  std::map<std::string, pair_model> pairs_;
  std::string bound_to_;
  std::set<std::uint32_t> seen_;
  std::int64_t level_us_ = 60'000'000;
  wall_ms refilled_at_;
};

}  // namespace watchkeeper::test
