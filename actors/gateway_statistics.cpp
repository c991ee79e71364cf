// The statistics of a gateway.
#include <algorithm>

#include "actors/gateway_implementation.hpp"

namespace watchkeeper::actors {

namespace {

latency_summary summarize(const latency_histogram& histogram) {
  return {histogram.count(), histogram.sum_us(), histogram.quantile_us(0.5),
          histogram.quantile_us(0.99)};
}

trace_statistics summarize(const trace_probe& traces) {
  const auto removed_at = traces.removed_at.load();
  return {traces.is_due, removed_at == never ? std::nullopt : std::optional(removed_at),
          traces.refusal.get()};
}

}  // namespace

gateway_statistics gateway::statistics() const {
  const auto& self = *implementation_;
  gateway_statistics s;
  for (std::size_t i = 0; i < s.heartbeats_by_status.size(); ++i)
    s.heartbeats_by_status[i] = self.heartbeats.by_status(i);
  for (std::size_t i = 0; i < s.heartbeats_by_problem.size(); ++i)
    s.heartbeats_by_problem[i] = self.heartbeats.by_problem(i);
  s.heartbeats_past_end = self.heartbeats.past_end();
  for (std::size_t i = 0; i < s.verification.size(); ++i) {
    s.verification[i] = summarize(self.verifications.latency[i]);
    s.verification_failures[i] = self.verifications.failures[i];
  }
  s.heartbeats_in_flight = self.heartbeats.in_flight();
  s.sessions = self.sessions.size();
  s.devices_cached = self.registry_cache.devices();
  s.modules_cached = self.registry_cache.modules();
  s.heartbeat_latency = summarize(self.heartbeats.latency());
  for (const auto& probe : self.shard_probes)
    s.shards.push_back({probe.pairs, probe.dirty, probe.parked, probe.queued, probe.batches,
                        probe.batch_heartbeats, probe.batch_size_max,
                        summarize(probe.batch_latency)});
  s.hot = {self.hot_state.up,
           self.hot_state.degraded,
           self.hot_state.description.get(),
           self.hot_state.durability,
           !self.hot_state.answers ||
               self.hot_state.durability.load() >= self.options.require_durability,
           summarize(self.hot_state.latency),
           self.hot_state.retired_pairs,
           self.hot_state.failures,
           self.hot_state.last_failure.get(),
           summarize(self.hot_state.traces)};
  const auto checkpointed_at = self.ledger_state.last_checkpoint_at.load();
  s.ledger = {self.ledger_state.up,
              self.ledger_state.description.get(),
              summarize(self.ledger_state.latency),
              self.ledger_state.checkpointed_pairs,
              self.heartbeats.mastered(),
              checkpointed_at != mono_ms{} ? self.time.monotonic_now() - checkpointed_at : 0,
              self.ledger_state.dirty_pairs,
              self.ledger_state.failures,
              self.ledger_state.last_failure.get(),
              self.ledger_state.memory.losses(),
              self.ledger_state.memory.is_catching_up()};
  for (auto& job : self.checkpoints->jobs())
    s.jobs.push_back({job.module, job.revision, job.done, job.total});
  return s;
}

result<ok_t, std::string> gateway::ready() const {
  const auto& self = *implementation_;
  if (self.draining) return std::string("draining");
  if (!self.ledger_state.up && (self.hot_state.degraded || !self.hot_state.up))
    return std::string("neither the hot store nor the ledger can be reached");
  return ok;
}

}  // namespace watchkeeper::actors
