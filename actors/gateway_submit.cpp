// The way of a heartbeat into the actors: admitted, screened, and sent to its session or its shard.
#include <caf/send.hpp>

#include "actors/credit/screening.hpp"
#include "actors/gateway_implementation.hpp"
#include "actors/shared/actor_limits.hpp"

namespace watchkeeper::actors {

void gateway::implementation::submit(std::span<heartbeat_request> requests) {
  route last;
  outbox out;
  const heartbeat_listener* request_of = nullptr;
  for (auto& each : requests) {
    if (each.listener.get() != request_of) last = {};
    request_of = each.listener.get();
    submit(std::move(each), last, out);
  }
  send(out);
}

void gateway::implementation::send(outbox& out) {
  if (out.size() == 1) {
    caf::anon_send(shards[out[0].first], credit_job{std::move(out[0].second)});
  } else if (!out.empty()) {
    for (std::size_t shard = 0; shard < shards.size(); ++shard) {
      credit_jobs all;
      for (auto& [to, job] : out)
        if (to == shard && job) all.jobs.push_back(std::move(job));
      if (!all.jobs.empty()) caf::anon_send(shards[shard], std::move(all));
    }
  }
  out.clear();
}

void gateway::implementation::loaded(heartbeat_job_ptr job) {
  // A session that has verified something is found in the directory, or has ended since.
  if (after_reading.known.memory) after_reading = {};
  after_reading.waits = false;
  outbox out;
  screen(std::move(job), after_reading, out);
  send(out);
}

void gateway::implementation::submit(heartbeat_request&& request, route& last, outbox& out) {
  const bool admitted = heartbeats.admit(actor_limits::heartbeats_in_flight_max);
  if (!admitted) {
    heartbeat_result result;
    result.outcome.why = problem::overloaded;
    result.detail = "too many heartbeats are under way; send it again a little later";
    watching.refused({problem::overloaded, result.detail, options.now(), nullptr});
    heartbeats.refused_at_the_door(problem::overloaded);
    request.listener->on_result(request.index, result);
    return;
  }
  auto job =
      std::make_shared<heartbeat_job>(std::move(request), heartbeats, &read_clock, this, &watching);
  job->received_ms = options.now();
  if (draining.load(std::memory_order_relaxed))
    return job->refuse(problem::draining, "the gateway is about to stop; send it again");
  // Before the token is even read: that is half of what one costs that is refused.
  if (!addresses.admits(job->peer, job->received_ms))
    return job->refuse(problem::rate_limited, too_many_failures,
                       addresses.retry_after_ms(job->peer, job->received_ms));
  const auto verdict = parse_job(*job, options.policy, job->received_ms);
  if (verdict.what == screening_verdict::kind::refused)
    return job->refuse(verdict.why, verdict.detail, verdict.retry_after_ms);
  screen(std::move(job), last, out);
}

void gateway::implementation::screen(heartbeat_job_ptr job, route& last, outbox& out) {
  using kind = screening_verdict::kind;
  const auto now_ms = options.now();
  const auto verdict = screen_job(*job, options.policy, known, addresses, now_ms);
  auto wait_for = [&](store_reader::missing what) {
    last.waits = true;
    reader->load(std::move(job), what);
  };
  switch (verdict.what) {
    case kind::refused:
      // A made-up device costs a look into the ledger: it counts like a signature that fails.
      if (verdict.why == problem::unknown_device) addresses.failed(job->peer, now_ms);
      return job->refuse(verdict.why, verdict.detail, verdict.retry_after_ms);
    case kind::device_unknown:
      return wait_for(store_reader::missing::device);
    case kind::module_unknown:
      return wait_for(store_reader::missing::module);
    case kind::assignment_unknown:
      return wait_for(store_reader::missing::assignment);
    case kind::pass:
      if (last.waits) return wait_for(store_reader::missing::device);
      break;
  }
  const auto key = job->credit.session_key();
  if (last.key != key) last.known = {};
  last.key = key;
  // Looked for again as long as it was not in there: its first heartbeat is being verified.
  if (!last.known.memory)
    if (auto found = sessions.find(key, now_ms); found.actor) last.known = std::move(found);
  if (job->token.algorithm == signature_algorithm::hs256) {
    // No actor for a session that nothing is known of: it could only say so.
    if (!last.known.actor) return refuse_without_key(*job);
    if (last.known.memory) {
      const auto mac = verify_mac(*job, *last.known.memory, *session_deps);
      if (mac == mac_verdict::refused) return;
      if (mac == mac_verdict::holds) {
        const auto shard = shard_of(job->credit.student, shards.size());
        return out.emplace_back(shard, std::move(job)), void();
      }
    }
  }
  if (!last.known.actor) last.known.actor = system.spawn(session, &*session_deps);
  caf::anon_send(last.known.actor, std::move(job));
}

}  // namespace watchkeeper::actors
