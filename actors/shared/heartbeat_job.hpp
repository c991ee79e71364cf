#pragma once

#include <memory>

#include "actors/shared/heartbeat.hpp"
#include "actors/shared/probes.hpp"
#include "actors/shared/registry.hpp"
#include "actors/shared/session_memory.hpp"
#include "actors/shared/watch_observer.hpp"
#include "domain/credit.hpp"
#include "domain/engagement_token.hpp"

namespace watchkeeper::actors {

/// A heartbeat on its way: the token's text, what was learned of it so far, and whom to tell.
/// It answers exactly once: with `answer`, or by itself (`overloaded`) when the last owner lets go
/// of it unanswered, so that no path, not even a dying actor, can lose a reply.
/// Ownership: shared by whoever holds it in turn; touched by one thread at a time. Not movable,
/// since `token` borrows `text`.
class heartbeat_job {
 public:
  heartbeat_job(heartbeat_request&& request, heartbeat_probe& probe,
                std::uint64_t (*monotonic_us)(const void*), const void* clock,
                watch_observer* watching = nullptr)
      : text(std::move(request.token)),
        peer(request.peer),
        listener_(std::move(request.listener)),
        index_(request.index),
        probe_(probe),
        monotonic_us_(monotonic_us),
        clock_(clock),
        watching_(watching),
        admitted_at_us_(monotonic_us(clock)) {}
  heartbeat_job(const heartbeat_job&) = delete;
  heartbeat_job& operator=(const heartbeat_job&) = delete;
  ~heartbeat_job() {
    if (listener_) refuse(problem::overloaded, "the heartbeat could not be handled; send it again");
  }

  void refuse(problem why, std::string_view detail = {}, std::int64_t retry_after_ms = 0) noexcept {
    credit_outcome outcome;
    outcome.status = credit_status::rejected;
    outcome.why = why;
    answer(outcome, detail, retry_after_ms);
  }
  void answer(const credit_outcome& outcome, std::string_view detail = {},
              std::int64_t retry_after_ms = 0) noexcept {
    auto listener = std::move(listener_);
    if (!listener) return;
    // Before the device knows: its next heartbeat may be here at once.
    if (key_offer) {
      key_offer->session->settle(key_offer->number, key_offer->key,
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
    result.detail = detail;
    result.retry_after_ms = retry_after_ms;
    if (watching_ && outcome.status == credit_status::rejected)
      watching_->refused({outcome.why, detail, received_ms, parsed ? &token : nullptr});
    // In this order: nobody may think that all is answered while the last answer is being written.
    listener->on_result(index_, result);
    const auto now_us = monotonic_us_(clock_);
    probe_.answered(outcome, now_us > admitted_at_us_ ? now_us - admitted_at_us_ : 0);
  }

  const std::string text;
  engagement_token token;  // valid once `parsed`
  bool parsed = false;
  std::array<std::uint8_t, 16> peer;
  unix_ms received_ms = 0;  // the server's clock at admission

  // Filled in by screening.
  std::shared_ptr<const device_entry> device;
  credit_request credit;

  // Set by the session where the token offers a key.
  std::unique_ptr<offered_session_key> key_offer;

 private:
  std::shared_ptr<heartbeat_listener> listener_;
  std::size_t index_;
  heartbeat_probe& probe_;
  std::uint64_t (*monotonic_us_)(const void*);
  const void* clock_;
  watch_observer* watching_;
  std::uint64_t admitted_at_us_;
};

using heartbeat_job_ptr = std::shared_ptr<heartbeat_job>;

}  // namespace watchkeeper::actors
