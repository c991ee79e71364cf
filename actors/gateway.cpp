#include "actors/gateway.hpp"

#include <caf/send.hpp>

#include "actors/gateway_implementation.hpp"

namespace watchkeeper::actors {

gateway::gateway(gateway_options options)
    : implementation_(std::make_unique<implementation>(std::move(options))) {}
gateway::~gateway() = default;

void gateway::submit(std::span<heartbeat_request> requests) noexcept {
  implementation_->submit(requests);
}

std::future<storage::stored<std::optional<progress>>> gateway::progress_of(const pair_key& pair) {
  auto query = std::make_shared<progress_query>(pair);
  auto future = query->future();
  caf::anon_send(implementation_->shard_for(pair.student), progress_lookup{std::move(query)});
  return future;
}

storage::stored<ok_t> gateway::end_epochs_below(const student_id& student, std::uint32_t epoch) {
  auto& self = *implementation_;
  self.registry_cache.forget_student(student);
  // First the shard, so that no batch with this student follows; then the store; then the shard
  // again, for what was in flight in between.
  self.forget_in_shard({student, epoch});
  auto ended = self.writer->end_epochs_below(student, epoch).get();
  if (ended) self.forget_in_shard({student, epoch});
  return ended;
}

void gateway::implementation::forget_in_shard(const storage::erased_student& erased) {
  auto promise = std::make_shared<std::promise<void>>();
  auto done = promise->get_future();
  caf::anon_send(shard_for(erased.student), student_erased{erased, std::move(promise)});
  done.wait();
  heat->end_epochs(erased);
}

storage::stored<ok_t> gateway::begin_attempt(const storage::pair_progress& pair) {
  auto& self = *implementation_;
  auto begun = self.writer->begin_attempt(pair).get();
  // Behind the results of what the hot store credited to the attempt before.
  caf::anon_send(self.shard_for(pair.key.student), progress_reset{pair.key, pair.state.life});
  self.heat->end_attempt(pair.key);
  return begun;
}

void gateway::judge_modules() {
  implementation_->checkpoints->judge_now();
}

storage::stored<heatmap_view> gateway::heatmap_of(const module_id& module, media_ms duration_ms,
                                                  storage::ledger& ledger,
                                                  storage::hot_store& hot) {
  return implementation_->heat->read(module, duration_ms, ledger, hot);
}

void gateway::seen_elsewhere(const module_id& module,
                             std::span<const student_id> students) noexcept {
  implementation_->heat->seen_elsewhere(module, students);
}

storage::stored<ok_t> gateway::log_erasure(const student_id& student, std::uint32_t next_epoch) {
  const storage::erased_student erased{student, next_epoch};
  return implementation_->log_erasures({&erased, 1});
}

std::uint32_t gateway::erased_below(const student_id& student) const {
  const auto& log = implementation_->options.erasures;
  return log ? log->next_epoch_of(student) : 0;
}

std::int64_t gateway::last_sequence_seen() const {
  const auto seen = implementation_->ledger_state.memory.seen();
  return seen ? seen->last_sequence : 0;
}

void gateway::student_has_gone(const student_id& student) {
  // Until now the registry could read devices and assignments again, for heartbeats that still
  // came.
  implementation_->registry_cache.forget_student(student);
  bump(implementation_->erasures);
}

void gateway::forget_heatmap_rows() {
  implementation_->heat->forget_rows();
}

registry& gateway::registry_cache() noexcept {
  return implementation_->registry_cache;
}

bool gateway::stop(std::chrono::milliseconds deadline) {
  return implementation_->stop(deadline);
}

}  // namespace watchkeeper::actors
