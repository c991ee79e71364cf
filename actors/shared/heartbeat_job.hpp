#pragma once

#include <memory>

#include "actors/shared/heartbeat.hpp"
#include "actors/shared/probes.hpp"
#include "actors/shared/registry.hpp"
#include "actors/shared/session_memory.hpp"
#include "actors/shared/watch_observer.hpp"
#include "base/clock.hpp"
#include "domain/credit.hpp"
#include "domain/engagement_token.hpp"

namespace watchkeeper::actors {

/// A heartbeat in flight: the token's text, what its checks have found so far, and its listener.
/// It reports its result exactly once: by `report` or `reject`, or `overloaded` from the destructor
/// if neither was called. So no path can lose a result, not even an actor that dies.
/// Ownership: shared by its owners in turn; one thread at a time. Not movable, because `token`
/// borrows `text`.
class heartbeat_job {
 public:
  heartbeat_job(heartbeat_request&& request, heartbeat_probe& probe, const time_source& time,
                watch_observer* observer = nullptr)
      : text(std::move(request.token)),
        peer(request.peer),
        listener_(std::move(request.listener)),
        index_(request.index),
        probe_(probe),
        time_(time),
        observer_(observer),
        admitted_at_(time.monotonic_now_us()) {}
  heartbeat_job(const heartbeat_job&) = delete;
  heartbeat_job& operator=(const heartbeat_job&) = delete;
  ~heartbeat_job() {
    if (listener_)
      reject({problem::overloaded, "the heartbeat could not be handled; send it again"});
  }

  void reject(const rejection& cause) noexcept {
    credit_outcome outcome;
    outcome.status = credit_status::rejected;
    outcome.why = cause.why;
    report(outcome, cause);
  }
  /// `cause` is used only if the outcome is a rejection. Its `why` is the same as the outcome's.
  void report(const credit_outcome& outcome, const rejection& cause = {}) noexcept {
    auto listener = std::move(listener_);
    if (!listener) return;
    // Before the device has the result: its next heartbeat may be here at once.
    if (key_offer) {
      key_offer->session->resolve(key_offer->number, key_offer->key,
                                  outcome.status != credit_status::rejected);
      key_offer.reset();
    }
    heartbeat_result result;
    result.parsed = parsed;
    if (parsed) {
      result.session = token.claims.session;
      result.sequence = token.claims.sequence;
    }
    result.outcome = outcome;
    result.detail = cause.detail;
    result.retry_after_ms = cause.retry_after_ms;
    if (observer_ && outcome.status == credit_status::rejected)
      observer_->rejected({.why = outcome.why,
                           .detail = cause.detail,
                           .stale = cause.stale,
                           .received_ms = received_ms,
                           .token = parsed ? &token : nullptr});
    // In this order: the gateway must not look idle while the last result is being written.
    listener->on_result(index_, result);
    const bool is_past_end =
        outcome.status != credit_status::rejected &&
        token.claims.interval.to_ms - credit.duration_ms > limits::interval_overshoot_ms;
    probe_.finished(outcome, is_past_end, time_.monotonic_now_us() - admitted_at_);
  }

  const std::string text;
  engagement_token token;  // valid once `parsed`
  bool parsed = false;
  std::array<std::uint8_t, 16> peer;
  wall_ms received_ms;  // the server's clock at admission
  /// The moment of the admission on the monotonic clock, for rates.
  [[nodiscard]] mono_ms admitted_at() const noexcept { return to_ms(admitted_at_); }

  // Set by screening.
  std::shared_ptr<const device_entry> device;
  credit_request credit;

  // Set by the session if the token offers a key.
  std::unique_ptr<offered_session_key> key_offer;

 private:
  std::shared_ptr<heartbeat_listener> listener_;
  std::size_t index_;
  heartbeat_probe& probe_;
  const time_source& time_;
  watch_observer* observer_;
  const mono_us admitted_at_;
};

using heartbeat_job_ptr = std::shared_ptr<heartbeat_job>;

}  // namespace watchkeeper::actors
