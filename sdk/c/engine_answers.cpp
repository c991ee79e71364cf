// What comes back: answers, failures, and what the app is told of them.

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "sdk/c/defaults.hpp"
#include "sdk/c/engine.hpp"

namespace watchkeeper::sdk {

bool engine::answered(std::uint64_t id, http_answer&& answer) {
  if (!flight_ || flight_->id != id || stashed_) return false;
  if (sending_) {
    stashed_ = stashed{id, std::move(answer), true, {}};
    return true;
  }
  const auto when = now();
  over(trouble::transport);
  if (answer.body.size() > sdk_limits::answer_bytes_max) {
    answer.too_long = true;
    answer.body.clear();
  }
  if (flight_->asks_for_keys)
    read_keys(std::move(answer), when);
  else
    land(std::move(answer), when);
  persist(when);
  return true;
}

bool engine::failed(std::uint64_t id, bool sent, std::string_view why) {
  if (!flight_ || flight_->id != id || stashed_) return false;
  if (sending_) {
    stashed_ = stashed{id, std::nullopt, sent, std::string{why}};
    return true;
  }
  const auto when = now();
  const bool keys = flight_->asks_for_keys;
  flight_.reset();
  tell_trouble(trouble::transport, std::string{why});
  want_progress();
  if (keys) {
    // Something on the way may let this one path fail for ever: heartbeats do not wait for it.
    keys_asked_ = true;
    keys_not_before_ms_ = when.monotonic_ms + options_.backoff_cap_ms;
  } else {
    const auto count = buffer_.in_flight();
    if (sent) {
      probing_ = true;
      for (std::size_t i = 0; i < count; ++i) buffer_.at(i).in_doubt = true;
    }
    dirty_ = true;
    tell_dropped(buffer_.land(std::vector<bool>(count, false)));
  }
  pause(when, std::nullopt);
  persist(when);
  return true;
}

void engine::read_keys(http_answer&& answer, const instant& now) {
  flight_.reset();
  keys_asked_ = true;
  if (answer.status == 200 && !answer.too_long) gateway_key_ = read_key_set(answer.body);
  // Heartbeats do not wait for it: they go with the device's signature.
  const bool later = answer.status == 429 || answer.status >= 500;
  keys_not_before_ms_ = now.monotonic_ms + (later ? std::max(options_.backoff_cap_ms,
                                                             answer.retry_after_ms.value_or(0))
                                                  : sdk_limits::keys_retry_ms);
}

void engine::land(http_answer&& answer, const instant& now) {
  auto flown = std::move(*flight_);
  flight_.reset();
  const auto retry_after_ms = answer.retry_after_ms;
  const auto status = answer.status;
  auto reading = read_heartbeat_answer(answer, flown.tokens, flown.minimal);
  note_fullness(status, reading);

  bool clock_moved = false;
  if (reading.server_time_ms) {
    const auto before = clock_.at(now);
    const bool known = clock_.known();
    clock_.learn(*reading.server_time_ms, now.monotonic_ms - flown.sent_ms, now);
    clock_moved = !known || std::abs(clock_.at(now) - before) > 1000;
  }
  if (flown.offer && key_ && key_->point == flown.offer_point &&
      reading.outcomes[*flown.offer].what == verdict::accepted)
    key_->key = derive_session_key(key_->z, flown.offer_input);

  const auto& held = buffer_.claims();
  const std::vector<claim> sent(held.begin(),
                                held.begin() + static_cast<std::ptrdiff_t>(buffer_.in_flight()));
  std::vector<bool> removed;
  std::vector<dropped_claim> dropped;
  bool pauses = reading.pause;
  const bool not_enrolled =
      std::any_of(reading.outcomes.begin(), reading.outcomes.end(),
                  [](const token_outcome& each) { return each.what == verdict::enrol; });
  const bool late =
      sent.size() > 1 || std::any_of(sent.begin(), sent.end(), [&](const claim& each) {
        return clock_.at(now) - clock_.issued_at(each, now) >= sdk_limits::late_ms;
      });
  if (late) catching_up_until_ms_ = now.monotonic_ms + sdk_limits::catching_up_ms;
  probing_ =
      std::any_of(reading.outcomes.begin(), reading.outcomes.end(),
                  [](const token_outcome& each) { return each.what == verdict::keep_in_doubt; });
  bool lost_key = false;
  std::int64_t remaining_ms = 0;
  for (std::size_t i = 0; i < sent.size(); ++i) {
    const auto& outcome = reading.outcomes[i];
    auto& held_one = buffer_.at(i);
    // What an earlier session lost says nothing of this one.
    lost_key = lost_key ||
               (outcome.what == verdict::sign_by_device && flown.tokens[i].session == session_);
    if (outcome.what == verdict::accepted && flown.tokens[i].session_key) key_losses_ = 0;
    removed.push_back(land_one(held_one, outcome, clock_moved, pauses, dropped));
    if (removed.back() && keep_remainder(held_one, outcome, now)) {
      removed.back() = false;
      remaining_ms += held_one.interval.length_ms();
    }
  }
  if (lost_key) {
    if (key_) key_->key.reset();  // the pair stays: the same `epk` is offered again
    if (++key_losses_ >= sdk_limits::session_key_losses_max - 1) {
      // The gateways' own key may be another by now.
      drop_session_key();
      gateway_key_.reset();
      keys_not_before_ms_ = 0;
    }
  }
  dirty_ = true;
  auto pushed_out = buffer_.land(removed);
  one_by_one_ = reading.one_by_one || (one_by_one_ && !buffer_.empty());
  tell_progress(sent, reading.outcomes);
  tell_dropped(std::move(dropped));
  tell_dropped(pushed_out);

  const auto said = "status " + std::to_string(status);
  if (reading.odd == oddity::redirected)
    tell_trouble(trouble::redirect, "the gateway redirects (" + said + "), which is not followed");
  else if (reading.odd != oddity::none)
    tell_trouble(trouble::answer, "the answer is not one of a gateway (" + said + ")");
  if (reading.odd == oddity::none) {
    over(trouble::answer);
    over(trouble::redirect);
  }
  if (not_enrolled)
    tell_trouble(trouble::not_enrolled,
                 "the gateway does not know this device; heartbeats wait until it is enrolled");
  else if (reading.odd == oddity::none && !pauses)
    over(trouble::not_enrolled);
  if (pauses) {
    pause(now, retry_after_ms);
    return;
  }
  if (not_enrolled) {
    cooldown_.wait(now.monotonic_ms, sdk_limits::enrolment_retry_ms, ports_.random());
    return;
  }
  cooldown_.succeeded();
  // The budget fills while time passes; asked too early, the remainder would only be cut again.
  if (remaining_ms > 0) pause(now, std::min(remaining_ms, sdk_limits::remainder_wait_ms_max));
}

/// What the next answer has to tell.
void engine::note_fullness(int status, const answer_reading& reading) noexcept {
  if (status == 204 && reading.odd == oddity::none) {
    ++minimal_answers_;
    return;
  }
  // What was refused or failed told no progress; what was limited will change.
  wants_progress_ = wants_progress_ || std::any_of(reading.outcomes.begin(), reading.outcomes.end(),
                                                   [](const token_outcome& each) {
                                                     return !each.progress || each.limited;
                                                   });
  minimal_answers_ = 0;
}

/// What the budget had no room for, while late heartbeats use it up: `of` becomes the rest of it, a
/// session of its own. Otherwise playback is faster than the module allows, and that is final.
bool engine::keep_remainder(claim& of, const token_outcome& outcome, const instant& now) {
  if (!outcome.limited || !outcome.credited_ms || of.remainders >= sdk_limits::remainders_max ||
      now.monotonic_ms >= catching_up_until_ms_ || *outcome.credited_ms >= of.interval.length_ms())
    return false;
  const auto session = session_id::parse(make_uuid(ports_.random(), ports_.random()));
  if (!session) return false;
  of.session = *session;
  of.sequence = 0;
  of.interval.from_ms += *outcome.credited_ms;
  of.in_doubt = of.device_signature = false;
  of.clock_tries = 0;
  ++of.remainders;
  ++counts_.made;
  return true;
}

bool engine::land_one(claim& of, const token_outcome& outcome, bool clock_moved, bool& pauses,
                      std::vector<dropped_claim>& dropped) {
  switch (outcome.what) {
    case verdict::accepted:
      ++counts_.acknowledged;
      if (outcome.limited) ++counts_.limited;
      return true;
    case verdict::enrol:
    case verdict::keep:
      // It was in doubt from an earlier attempt: then this answer says nothing about that one.
      return false;
    case verdict::keep_in_doubt:
      of.in_doubt = true;
      return false;
    case verdict::sign_by_device:
      of.device_signature = true;
      return false;
    case verdict::refused:
      dropped.push_back({of, drop_reason::refused, outcome.problem});
      return true;
    case verdict::set_clock:
      break;
  }
  if (clock_moved && of.clock_tries < sdk_limits::clock_tries_max) {
    ++of.clock_tries;
    return false;  // signed again at once
  }
  if (std::string_view{outcome.problem} == "future-token") {
    // No heartbeat of ours is dated later than the gateway's own clock: it will be right soon.
    of.clock_tries = 0;
    pauses = true;
    return false;
  }
  dropped.push_back({of, drop_reason::too_old, outcome.problem});
  return true;
}

void engine::pause(const instant& now, std::optional<std::int64_t> retry_after_ms) {
  cooldown_.failed(now.monotonic_ms, retry_after_ms, ports_.random());
}

// -- What the app is told.

void engine::tell_progress(const std::vector<claim>& claims,
                           const std::vector<token_outcome>& outcomes) {
  // The tokens of a request may be credited in another order than their results have: what counts
  // of a module is the largest, and the place of the last.
  std::vector<event> made;
  for (std::size_t i = 0; i < claims.size(); ++i) {
    if (!outcomes[i].progress) continue;
    const auto& report = *outcomes[i].progress;
    auto at = std::find_if(made.begin(), made.end(),
                           [&](const event& each) { return each.module == claims[i].module; });
    if (at == made.end()) {
      made.emplace_back();
      at = made.end() - 1;
      at->what = event::kind::progress;
      at->module = claims[i].module;
    }
    at->session = claims[i].session;
    at->progress.resume_ms = report.resume_ms;
    at->progress.mastered = at->progress.mastered || report.mastered;
    if (report.seconds_watched >= at->progress.seconds_watched) {
      at->progress.seconds_watched = report.seconds_watched;
      at->progress.completion_percentage = report.completion_percentage;
    }
  }
  for (auto& each : made) {
    const bool own = open_ && each.module == module_;
    each.newly_mastered = each.progress.mastered && !(own && progress_ && progress_->mastered);
    if (own) progress_ = each.progress;
    push(std::move(each));
  }
}

void engine::tell_dropped(std::vector<dropped_claim> dropped) {
  if (dropped.empty()) return;
  counts_.dropped += dropped.size();
  event made;
  made.what = event::kind::drop;
  made.dropped = std::move(dropped);
  push(std::move(made));
}

void engine::tell_dropped(const std::vector<claim>& pushed_out) {
  std::vector<dropped_claim> dropped;
  dropped.reserve(pushed_out.size());
  for (const auto& each : pushed_out) dropped.push_back({each, drop_reason::buffer_full, ""});
  tell_dropped(std::move(dropped));
}

void engine::tell_trouble(trouble which, std::string text) {
  const auto bit = 1u << static_cast<unsigned>(which);
  if (troubles_ & bit) return;
  troubles_ |= bit;
  event made;
  made.which = which;
  made.text = std::move(text);
  push(std::move(made));
}

void engine::push(event&& made) {
  // One report may push out thousands: they are told together.
  if (made.what == event::kind::drop && !events_.empty() &&
      events_.back().what == event::kind::drop) {
    auto& last = events_.back().dropped;
    last.insert(last.end(), made.dropped.begin(), made.dropped.end());
    return;
  }
  // Nobody takes them: what the app may do without goes first.
  if (events_.size() >= sdk_limits::events_max) {
    const auto idle = std::find_if(events_.begin(), events_.end(), [](const event& each) {
      return each.what != event::kind::drop;
    });
    events_.erase(idle == events_.end() ? events_.begin() : idle);
  }
  events_.push_back(std::move(made));
}

std::optional<event> engine::take_event() {
  if (events_.empty()) return std::nullopt;
  auto made = std::move(events_.front());
  events_.erase(events_.begin());
  if (events_.empty()) events_.shrink_to_fit();
  return made;
}

}  // namespace watchkeeper::sdk
