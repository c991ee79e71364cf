#pragma once

#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <deque>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "actors/credit/actors.hpp"
#include "actors/credit/pair_table.hpp"
#include "actors/credit/shard_services.hpp"
#include "actors/shared/actor_limits.hpp"
#include "actors/shared/probes.hpp"
#include "actors/shared/watch_observer.hpp"
#include "base/clock.hpp"

namespace watchkeeper::actors {

struct shard_dependencies {
  std::uint32_t index = 0;
  shard_services& services;
  shard_probe& probe;
  hot_store_probe& hot;
  const time_source& time;
  std::size_t pairs_max = actor_limits::shard_pairs_max;
  std::int64_t idle_pair_ms =
      600'000;  // a clean pair is evicted after this time without a heartbeat
  watch_observer* observer = nullptr;  // of every acknowledged heartbeat; may be null
  /// The actor has ended by a fault, and its memory is lost with it. Empty: std::abort().
  std::function<void(const std::string& why)> on_fatal;
};

/// The core of the shard, without its actor. One thread at a time.
class progress_shard_core {
 public:
  explicit progress_shard_core(const shard_dependencies& deps) : deps_(deps) {}
  ~progress_shard_core();
  progress_shard_core(const progress_shard_core&) = delete;
  progress_shard_core& operator=(const progress_shard_core&) = delete;

  void take(heartbeat_job_ptr job);
  /// Several that came together: one batch for all of them, if none is in flight.
  void take(std::span<heartbeat_job_ptr> jobs);
  void stored(credit_batch& batch);
  void look_up(std::shared_ptr<progress_query> query);
  void found(progress_query& query, storage::stored<std::optional<progress>>& found);
  void checkpointed(mono_ms started, mono_ms now);
  /// Forgets the epochs that have ended, and nothing of those that began since.
  void forget(const storage::erased_student& erased);
  /// The pair was reset: the stores know how it goes on, and the next heartbeat asks them.
  /// All lives below `begun` have ended.
  void forget_pair(const pair_key& pair, life_number begun);
  void tick();

  [[nodiscard]] std::size_t pairs() const noexcept { return pairs_.size(); }

 private:
  /// Heartbeats on their way to the stores and back.
  struct flight {
    std::shared_ptr<credit_batch> batch;          // null: there is none
    std::vector<heartbeat_job_ptr> jobs;          // in the order of its requests
    std::vector<storage::erased_student> erased;  // since it was sent
    std::uint64_t refill_epoch = 0;               // when it was sent
  };
  void send_batch();
  /// Sends those that need a row of the ledger on their way, and takes them out of `back`.
  void load_rows(flight& back);
  void finish(flight& back);
  /// Adds the heartbeat that came last to the batch in flight, if the writer has not taken it yet.
  void join_batch();
  storage::tiered_request request_of(const heartbeat_job& job) const;
  void report_result(heartbeat_job& job, const storage::tiered_request& request,
                     storage::applied_credit& applied,
                     std::vector<storage::pair_progress>& mastered);
  void remember(const flight& back, const storage::tiered_request& request,
                const storage::applied_credit& applied);
  /// Takes the outcome into the pair's entry, and sets `fresh_is_exact` and `fresh`. Null: the
  /// shard does not have the whole pair in memory.
  pair_entry* update(const storage::tiered_request& request, const storage::applied_credit& applied,
                     acknowledged_heartbeat& acknowledged, coverage::intervals& fresh);
  void refill_if_requested();
  void make_room();
  void set_dirty(pair_entry& pair, bool dirty) noexcept;
  void update_probe() noexcept;

  const shard_dependencies deps_;
  pair_table pairs_;
  std::uint64_t dirty_ = 0;
  std::deque<heartbeat_job_ptr>
      waiting_;  // bounded by actor_limits::heartbeats_in_flight_max at admission
  flight in_flight_;
  std::vector<flight> loading_;  // bounded as `waiting_`
  std::uint64_t handing_epoch_ = 0;
  std::uint64_t refill_epoch_ = 0;
  std::uint64_t checkpoints_lost_ = 0;  // as this shard has seen it
};

struct progress_shard_state {
  std::optional<progress_shard_core> core;
  static inline const char* name = "progress_shard";
};

progress_shard_actor::behavior_type progress_shard(
    progress_shard_actor::stateful_pointer<progress_shard_state> self, shard_dependencies deps);

}  // namespace watchkeeper::actors
