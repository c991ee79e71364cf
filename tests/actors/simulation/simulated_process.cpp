#include "tests/actors/simulation/simulated_process.hpp"

/// How a simulated gateway is joined, as in actors/gateway_start.cpp.
namespace watchkeeper::actors::testing {

void simulated_process::start(bool hot_is_there, std::size_t pairs_max) {
  *alive_ = true;
  hot_state_.degraded = !hot_is_there;
  hot_state_.up = hot_is_there;
  start_checkpointer();
  start_writer(hot_is_there);
  start_row_loader();
  start_actors(pairs_max);
  start_follower();
  start_api();
  if (hot_is_there) (void)checkpoint_all();  // what an earlier process has left
}

void simulated_process::start_checkpointer() {
  checkpoints_.emplace(checkpointer::dependencies{
      .hot = make_hot(),
      .ledger = make_ledger(),
      .probe = ledger_state_,
      .hot_probe = hot_state_,
      .heat = heat_,
      .interval_ms = 20'000,
      .retention_ms = world_.retention_ms,
      .time = time_,
      .done =
          [this](mono_ms started) {
            ++world_.checkpoints;
            const auto loss = world_.past.losses;
            if (std::exchange(rounds_at_loss_, loss) != loss) rounds_since_loss_ = 0;
            ++rounds_since_loss_;
            if (std::exchange(rounds_at_hot_loss_, world_.hot_losses) != world_.hot_losses)
              rounds_since_hot_loss_ = 0;
            ++rounds_since_hot_loss_;
            for (auto& shard : shards_)
              caf::anon_send(shard, checkpoint_done{started, time_.monotonic_now()});
          },
      .log = [this](log_level level, const std::string&,
                    const std::string& what) { world_.hear(level, what); },
      .repeat_erasures = [this](storage::ledger& in,
                                const std::function<bool()>&) { return repeat_erasures(in); }});
}

void simulated_process::start_writer(bool hot_is_there) {
  writer_.emplace(hot_writer::dependencies{
      .hot = make_hot(),
      .ledger = make_ledger(),
      .hot_probe = hot_state_,
      .ledger_state = ledger_state_,
      .time = time_,
      .stored =
          [this](std::shared_ptr<credit_batch> batch) {
            if (*alive_) caf::anon_send(shards_[batch->shard], batch_stored{batch});
          },
      .heatmaps_grown = [this](const auto& deltas) { heat_.grown(deltas); },
      .log =
          [this](log_level level, const std::string&, const std::string& what) {
            world_.hear(level, what);
            if (level == log_level::error && what.starts_with("away; ")) ++degraded_spells_;
          },
      .shards = shard_count,
      .retention_ms = world_.retention_ms,
      .start_degraded = !hot_is_there,
      .own_thread = false});
}

void simulated_process::start_row_loader() {
  rows_.emplace(row_loader::dependencies{
      .ledger = make_ledger(),
      .ledger_state = ledger_state_,
      .time = time_,
      .loaded = [this](std::shared_ptr<credit_batch> batch) { writer_->store_loaded(batch); },
      .failed = [this](std::shared_ptr<credit_batch> batch) { writer_->fail(batch); },
      .log = [this](log_level level, const std::string&,
                    const std::string& what) { world_.hear(level, what); },
      .own_thread = false});
}

void simulated_process::start_actors(std::size_t pairs_max) {
  for (std::uint32_t i = 0; i < shard_count; ++i)
    shards_.push_back(system_.spawn(progress_shard, shard_dependencies{.index = i,
                                                                       .services = *this,
                                                                       .probe = probes_[i],
                                                                       .hot = hot_state_,
                                                                       .time = time_,
                                                                       .pairs_max = pairs_max,
                                                                       .observer = &heat_}));
  deps_.emplace(session_dependencies{.policy = world_.policy,
                                     .addresses = addresses_,
                                     .probe = verifications_,
                                     .shards = shards_,
                                     .time = time_,
                                     .verified = [](const auto&, const auto&, mono_ms) {}});
}

void simulated_process::start_follower() {
  ledger_ = make_ledger();
  changes_heard_.loss = ledger_->begun_at_loss;
  follower_.emplace(registry_follower::dependencies{
      .ledger = *ledger_,
      .registry_cache = registry_,
      .last_change = 0,
      .time = time_,
      .student_erased =
          [this](const storage::erased_student& who) { return forget_erased(who, erasures_); },
      .progress_reset = [this](const storage::pair_progress& reset) { return begin_reset(reset); },
      .erased =
          [this](std::span<const storage::erased_student> all) {
            for (const auto& [who, epoch] : all) log_erasure(who, epoch);
            return storage::stored<ok_t>(ok);
          },
      .memory = &ledger_state_.memory});
}

void simulated_process::start_api() {
  api_.emplace(simulated_api::dependencies{
      .hot = make_hot(),
      .ledger = make_ledger(),
      .registry_cache = registry_,
      .writer = *writer_,
      .shards = shards_.data(),
      .shard_count = shards_.size(),
      .time = time_,
      .log_erasure = [this](const student_id& who,
                            std::uint32_t epoch) { log_erasure(who, epoch); },
      .erased_below =
          [this](const student_id& who) {
            const auto known = erasures_log_.entries.find(who);
            return known == erasures_log_.entries.end() ? 0 : known->second.next_epoch;
          },
      .judge_modules = [this] { checkpoints_->judge_now(); }});
}

}  // namespace watchkeeper::actors::testing
