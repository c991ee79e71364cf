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
  // A session that has verified a heartbeat is in the directory, or has ended since.
  if (after_reading.session.memory) after_reading = {};
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
    result.detail = "too many heartbeats are in flight; send it again a little later";
    annotator.rejected({.why = problem::overloaded,
                        .detail = result.detail,
                        .received_ms = time.wall_now(),
                        .token = nullptr});
    heartbeats.rejected_at_admission(problem::overloaded);
    request.listener->on_result(request.index, result);
    return;
  }
  auto job = std::make_shared<heartbeat_job>(std::move(request), heartbeats, time, &annotator);
  job->received_ms = time.wall_now();
  if (draining.load(std::memory_order_relaxed))
    return job->reject({problem::draining, "the gateway is about to stop; send it again"});
  // Before the token is parsed, which is half of the cost of a rejected token.
  if (!addresses.admits(job->peer, job->admitted_at()))
    return job->reject({problem::rate_limited, too_many_failures,
                        addresses.retry_after_ms(job->peer, job->admitted_at())});
  if (const auto parsed = parse_job(*job, options.policy, job->received_ms); !parsed)
    return job->reject(parsed.error());
  screen(std::move(job), last, out);
}

void gateway::implementation::screen(heartbeat_job_ptr job, route& last, outbox& out) {
  const auto now = time.monotonic_now();
  const auto screened = screen_job(*job, options.policy, registry_cache, addresses, now);
  if (const auto* cause = std::get_if<rejection>(&screened)) {
    // A made-up device costs a read of the ledger: it counts like a signature that fails.
    if (cause->why == problem::unknown_device) addresses.failed(job->peer, now);
    return job->reject(*cause);
  }
  const auto* missing = std::get_if<registry_record>(&screened);
  if (missing || last.waits) {
    last.waits = true;
    return reader->load(std::move(job), missing ? *missing : registry_record::device);
  }
  const auto key = job->credit.session_key();
  if (last.key != key) last.session = {};
  last.key = key;
  // As long as the session is not in the directory, its first heartbeat is being verified.
  if (!last.session.memory)
    if (auto found = sessions.find(key, now); found.actor) last.session = std::move(found);
  if (job->token.algorithm == signature_algorithm::hs256) {
    // No actor for a session that is not in memory: it has no key to check the MAC with.
    if (!last.session.actor) return refuse_without_key(*job);
    if (last.session.memory) {
      const auto mac = verify_mac(*job, *last.session.memory, *session_deps);
      if (mac == mac_check::rejected) return;
      if (mac == mac_check::valid) {
        const auto shard = shard_of(job->credit.student, shards.size());
        return out.emplace_back(shard, std::move(job)), void();
      }
    }
  }
  if (!last.session.actor) last.session.actor = system.spawn(session, &*session_deps);
  caf::anon_send(last.session.actor, std::move(job));
}

}  // namespace watchkeeper::actors
