#pragma once

#include <caf/actor_system.hpp>
#include <caf/send.hpp>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "actors/credit/progress_shard.hpp"
#include "actors/credit/session.hpp"
#include "actors/shared/actor_limits.hpp"
#include "actors/shared/registry.hpp"
#include "actors/stores/checkpointer.hpp"
#include "actors/stores/hot_writer.hpp"
#include "actors/stores/ledger_recovery.hpp"
#include "actors/stores/registry_follower.hpp"
#include "actors/stores/repeated_erasures.hpp"
#include "actors/stores/row_loader.hpp"
#include "tests/actors/simulation/simulated_api.hpp"
#include "tests/actors/simulation/simulated_world.hpp"
#include "tests/actors/support.hpp"

namespace watchkeeper::actors::testing {

/// One gateway without its threads: the sessions, shards, writer, checkpointer and follower of the
/// registry of the product, wired as in actors/gateway*.cpp. They move when the simulation gives
/// them a turn. It dies at the point that its fate sets, in the middle of a call of a store, and is
/// silent from then on. Borrows the world and the actor system. It has to live until the end of the
/// run, because its actors may still have messages.
class simulated_process final : public shard_services {
 public:
  static constexpr std::uint32_t shard_count = 2;

  simulated_process(simulated_world& world, caf::actor_system& system, std::size_t place,
                    std::size_t pairs_max)
      : world_(world),
        system_(system),
        erasures_log_(world.erasure_logs[place]),
        addresses_({10'000, 1000}, 1),
        heat_(shard_count),
        probes_(shard_count) {
    // As in the product, a process whose ledger is away does not start.
    try {
      const auto ledger = make_ledger();
      if (!ledger->health() || !repeat_erasures(*ledger)) return;
      const bool hot_is_there = make_hot()->health().has_value();
      start(hot_is_there, pairs_max);
    } catch (const process_death&) {
      end();
    }
  }
  ~simulated_process() override { end(); }
  simulated_process(const simulated_process&) = delete;
  simulated_process& operator=(const simulated_process&) = delete;

  [[nodiscard]] bool is_alive() const noexcept { return *alive_; }
  /// A listener reads it before it passes a result to its device.
  [[nodiscard]] std::shared_ptr<const bool> liveness() const noexcept { return alive_; }
  [[nodiscard]] bool is_degraded() const noexcept { return hot_state_.degraded; }
  /// How often the writer has become degraded.
  [[nodiscard]] std::uint64_t degraded_spells() const noexcept { return degraded_spells_; }
  /// The clocks of its machine.
  [[nodiscard]] const time_source& time() const noexcept { return time_; }
  [[nodiscard]] bool is_busy() const noexcept { return *alive_ && orders_ > 0; }
  [[nodiscard]] std::uint64_t faults() const noexcept {
    return hot_link.faults + ledger_link.faults;
  }

  /// kill -9.
  void end() {
    if (!*alive_) return;
    *alive_ = false;
    for (auto& [device, actor] : sessions_) caf::anon_send_exit(actor, caf::exit_reason::kill);
    for (auto& actor : shards_) caf::anon_send_exit(actor, caf::exit_reason::kill);
    sessions_.clear();  // the shards stay: a session may have a last heartbeat for one
  }

  void submit(heartbeat_job_ptr job) {
    const auto key = job->credit.session_key();
    auto found = sessions_.find(key);
    if (found == sessions_.end())
      found = sessions_.emplace(key, system_.spawn(session, &*deps_)).first;
    caf::anon_send(found->second, std::move(job));
  }
  heartbeat_job_ptr job_for(const std::string& token, std::shared_ptr<heartbeat_listener> ear) {
    (void)heartbeats_.admit(actor_limits::heartbeats_in_flight_max);
    return std::make_shared<heartbeat_job>(heartbeat_request{token, std::move(ear), 0, {}},
                                           heartbeats_, time_);
  }

  /// The device as screening finds it. Empty: the ledger could not be read.
  std::optional<std::shared_ptr<const device_entry>> find_device(const thumbprint& kid) {
    auto found = registry_.find_device(kid, time_.monotonic_now());
    if (!found.is_cached) {
      mortal([&] {
        const auto generation = registry_.generation(kid);
        if (const auto records = ledger_->get_devices({&kid, 1}))
          registry_.put_device(kid, records->front(), generation, time_.monotonic_now());
      });
      found = registry_.find_device(kid, time_.monotonic_now());
    }
    if (!*alive_ || !found.is_cached) return std::nullopt;
    return found.entry;
  }
  /// The same for a module.
  std::optional<std::shared_ptr<const module_record>> find_module(const module_id& id) {
    auto found = registry_.find_module(id, time_.monotonic_now());
    if (!found.is_cached) {
      mortal([&] {
        const auto generation = registry_.generation(id);
        if (const auto record = ledger_->get_module(id))
          registry_.put_module(id, *record, generation, time_.monotonic_now());
      });
      found = registry_.find_module(id, time_.monotonic_now());
    }
    if (!*alive_ || !found.is_cached) return std::nullopt;
    return found.entry;
  }
  simulated_api& api() { return *api_; }
  /// Gives a call of the API its turn. It may end with the process.
  void go_on(simulated_call& call) {
    mortal([&] {
      ++orders_;
      try {
        call.go_on();
      } catch (const failed_call&) {
      }
    });
  }
  /// Changes of the registry up to here have reached memory and the hot store.
  [[nodiscard]] registry_position changes_heard() const noexcept { return changes_heard_; }
  [[nodiscard]] bool has_heard_all() const { return changes_heard_ >= world_.newest_change(); }
  /// Whether it has noticed that the ledger went back, and has not caught up with it.
  [[nodiscard]] bool has_noticed_loss() const { return ledger_state_.memory.is_catching_up(); }
  /// Complete rounds of checkpoints since the ledger has last gone back.
  [[nodiscard]] unsigned rounds_since_loss() const {
    return rounds_at_loss_ == world_.past.losses ? rounds_since_loss_ : 0;
  }
  /// The same since the hot store has last lost something.
  [[nodiscard]] unsigned rounds_since_hot_loss() const {
    return rounds_at_hot_loss_ == world_.hot_losses ? rounds_since_hot_loss_ : 0;
  }
  [[nodiscard]] std::uint64_t retired_pairs() const { return hot_state_.retired_pairs; }

  void turn_of_the_writer() {
    mortal([&] {
      orders_ = 0;
      // The loader may be late.
      if (world_.below(4) > 0) rows_->turn(std::chrono::milliseconds(0));
      orders_ += rows_->waiting();
      const registry_position ordered{ledger_->begun_at_loss, ledger_->changes_read};
      writer_->turn(std::chrono::milliseconds(0));
      changes_heard_ = ordered;
    });
  }
  void turn_of_the_checkpointer() {
    mortal([&] { checkpoints_->turn(std::chrono::milliseconds(0)); });
  }
  bool checkpoint_all() {
    bool complete = false;
    mortal([&] { complete = checkpoints_->checkpoint_all(); });
    return complete;
  }
  void turn_of_the_watcher(bool follows = true) {
    mortal([&] {
      if (follows) look_at_ledger();
      for (auto& shard : shards_) caf::anon_send(shard, shard_tick{});
    });
  }
  /// Queries the shard's memory by a message. The reply comes after a turn of the actors.
  std::shared_ptr<progress_query> ask(const pair_key& key) {
    auto query = std::make_shared<progress_query>(key);
    caf::anon_send(shards_[shard_of(key.student, shards_.size())], progress_lookup{query});
    return query;
  }

  // Called by the shards.
  void store(std::shared_ptr<credit_batch> batch) override {
    if (!*alive_) return;
    ++orders_;
    writer_->store(std::move(batch));
  }
  void load_rows(std::shared_ptr<credit_batch> batch) override {
    if (!*alive_) return;
    ++orders_;
    rows_->load(std::move(batch));
  }
  bool refill(std::vector<storage::pair_progress> pairs) override {
    if (!*alive_) return true;
    ++orders_;
    return writer_->refill(std::move(pairs));
  }
  bool has_unsaved_refills() const override { return *alive_ && writer_->has_unsaved_refills(); }
  void load(std::shared_ptr<progress_query> query) override {
    query->reply(std::optional<progress>{});  // the simulation itself reads the stores
  }
  void forget_device(const thumbprint& device) override { registry_.forget_device(device); }
  void checkpoint_now(std::vector<storage::pair_progress> pairs) override {
    if (*alive_) checkpoints_->checkpoint_now(std::move(pairs));
  }

  std::int64_t clock_offset_ms = 0;  // of its wall clock
  fate end_;
  store_link hot_link;
  store_link ledger_link;

 private:
  struct offset_clock final : time_source {
    explicit offset_clock(const simulated_process& process) : of(process) {}
    mono_us monotonic_now_us() const override { return of.world_.clock.monotonic_now_us(); }
    wall_ms wall_now() const override { return of.world_.clock.wall_now() + of.clock_offset_ms; }
    const simulated_process& of;
  };

  /// As watcher::probe_ledger.
  void look_at_ledger() {
    for (auto next = erased_again_.begin(); next != erased_again_.end();) {
      const auto it = next++;
      (void)forget_erased({it->first, it->second.next_epoch}, erased_again_);
    }
    const auto identity = read_identity(*ledger_, ledger_state_, hot_state_,
                                        [](log_level, const std::string&, const std::string&) {});
    if (const auto losses = ledger_state_.memory.losses(); std::exchange(losses_, losses) != losses)
      checkpoints_->checkpoint_now({});
    // The follower begins anew: what it waited for may not be among the changes any more.
    if (const auto changes = ledger_state_.memory.changes();
        std::exchange(memory_changes_, changes) != changes) {
      erasures_.clear();
      resets_.clear();
    }
    if (identity) (void)follower_->follow();
  }
  /// As gateway::implementation::repeat_erasures.
  storage::stored<ok_t> repeat_erasures(storage::ledger& in) {
    const auto loss = world_.past.losses;
    std::vector<storage::logged_erasure> logged;
    for (const auto& [who, erasure] : erasures_log_.entries) logged.push_back(erasure);
    const auto repeated = actors::repeat_erasures(
        in, logged, time_.wall_now(),
        [this](const storage::erased_student& erased) {
          registry_.forget_student(erased.student);
          if (writer_) erased_again_[erased.student].next_epoch = erased.next_epoch;
        },
        [] { return false; });
    if (!repeated) return repeated.error();
    erasures_log_.repeated_at_loss = loss;
    return ok;
  }

  template <class Work>
  void mortal(Work work) {
    if (!*alive_) return;
    try {
      work();
    } catch (const process_death&) {
      end();
    }
  }
  std::unique_ptr<storage::hot_store> make_hot() {
    return std::make_unique<simulated_hot_store>(
        world_.hot, weather_plan(world_.hot_weather, hot_link, end_, world_.random), end_);
  }
  std::unique_ptr<simulated_ledger> make_ledger() {
    return std::make_unique<simulated_ledger>(
        world_.ledger, weather_plan(world_.ledger_weather, ledger_link, end_, world_.random), end_,
        world_.past);
  }

  /// The erasure is news. The product's thread waits for the shard; this one looks again later.
  struct forgotten {
    std::uint32_t next_epoch = 0;
    std::future<void> done;
  };
  using forgetting = std::map<student_id, forgotten>;
  bool forget_erased(const storage::erased_student& erased, forgetting& begun) {
    auto& [next_epoch, done] = begun[erased.student];
    next_epoch = erased.next_epoch;
    if (!done.valid()) {
      auto promise = std::make_shared<std::promise<void>>();
      done = promise->get_future();
      caf::anon_send(shards_[shard_of(erased.student, shards_.size())],
                     student_erased{erased, std::move(promise)});
    }
    if (done.wait_for(std::chrono::seconds(0)) != std::future_status::ready) return false;
    begun.erase(erased.student);
    ++orders_;
    return writer_->forget_copies(erased);
  }
  bool begin_reset(const storage::pair_progress& reset) {
    auto& begun = resets_[reset.key];
    auto& shard = shards_[shard_of(reset.key.student, shards_.size())];
    const progress_reset message{reset.key, reset.state.life};
    if (!begun.valid()) {
      caf::anon_send(shard, message);
      ++orders_;
      begun = writer_->begin_attempt(reset);
    }
    if (begun.wait_for(std::chrono::seconds(0)) != std::future_status::ready) return false;
    const auto done = resets_.extract(reset.key).mapped().get();
    caf::anon_send(shard, message);
    ++orders_;
    return done || done.error().code != storage::storage_error::unavailable;
  }

  void log_erasure(const student_id& student, std::uint32_t next_epoch) {
    erasures_log_.add({student, next_epoch, time_.wall_now()});
  }

  void start_checkpointer();
  void start_writer(bool hot_is_there);
  void start_row_loader();
  void start_actors(std::size_t pairs_max);
  void start_follower();
  void start_api();
  void start(bool hot_is_there, std::size_t pairs_max);

  simulated_world& world_;
  offset_clock time_{*this};
  caf::actor_system& system_;
  simulated_erasure_log& erasures_log_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(false);
  std::uint64_t orders_ = 0;
  address_rate_limiter addresses_;
  heartbeat_probe heartbeats_;
  verification_probe verifications_;
  hot_store_probe hot_state_;
  ledger_probe ledger_state_;
  heatmap heat_;
  std::vector<shard_probe> probes_;
  std::vector<progress_shard_actor> shards_;
  std::unordered_map<session_key_id, session_actor> sessions_;
  std::optional<session_dependencies> deps_;
  registry registry_;
  std::unique_ptr<simulated_ledger> ledger_;  // of the threads that only read the registry
  registry_position changes_heard_;
  std::uint64_t losses_ = 0;  // of the ledger, that the checkpointer was told
  std::uint64_t degraded_spells_ = 0;
  std::uint64_t memory_changes_ = 0;  // up to which the follower has begun anew
  std::uint64_t rounds_at_loss_ = 0;
  unsigned rounds_since_loss_ = 0;
  std::uint64_t rounds_at_hot_loss_ = 0;
  unsigned rounds_since_hot_loss_ = 0;
  forgetting erasures_;      // heard of, and on their way to the shard
  forgetting erased_again_;  // in the ledger, by this gateway's log
  std::map<pair_key, hot_writer::reply> resets_;
  std::optional<registry_follower> follower_;
  std::optional<simulated_api> api_;
  std::optional<checkpointer> checkpoints_;
  std::optional<hot_writer> writer_;
  std::optional<row_loader> rows_;
};

}  // namespace watchkeeper::actors::testing
