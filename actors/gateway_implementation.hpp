#pragma once

#include <atomic>
#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/send.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "actors/credit/progress_shard.hpp"
#include "actors/credit/refusal_annotator.hpp"
#include "actors/credit/session.hpp"
#include "actors/credit/session_directory.hpp"
#include "actors/gateway.hpp"
#include "actors/stores/checkpointer.hpp"
#include "actors/stores/hot_writer.hpp"
#include "actors/stores/row_loader.hpp"
#include "actors/stores/store_reader.hpp"
#include "actors/stores/watcher.hpp"
#include "base/address_rate_limiter.hpp"
#include "base/clock.hpp"

/// The parts of a gateway and how they are joined. Only actors/gateway*.cpp include it.
namespace watchkeeper::actors {

struct gateway_system_config : caf::actor_system_config {
  explicit gateway_system_config(unsigned workers) {
    set("scheduler.max-threads", workers);
    // A hot shard must not hold a worker for ever.
    set("scheduler.max-throughput", std::size_t{64});
    // Sharing wakes an idle worker at once. Stealing lets it sleep up to 10 ms (measured: a batch
    // of one waited 10 ms), and the actors do little but pass heartbeats on.
    set("scheduler.policy", caf::atom("sharing"));
    set("logger.verbosity", caf::atom("quiet"));
  }
};

struct gateway::implementation final : shard_services {
  // -- start and end: gateway_start.cpp

  explicit implementation(gateway_options given);
  ~implementation() override { (void)stop(std::chrono::milliseconds(0)); }
  bool stop(std::chrono::milliseconds deadline);

  /// False: it cannot be reached, and the gateway starts degraded.
  bool admit_hot_store(storage::hot_store& hot);
  void recover();
  void start_writer(std::unique_ptr<storage::hot_store> hot,
                    std::unique_ptr<storage::ledger> ledger, bool hot_is_there);
  void start_row_loader();
  void start_reader();
  void start_shards();
  void start_watcher();
  void stop_after_fatal(const std::string& why) const;

  // -- the way in: gateway_submit.cpp

  /// Where the heartbeat before, of the same request, went. The tokens of a buffer mostly belong to
  /// one session, and must reach it in order even before it is in the directory.
  struct route {
    session_key_id key;
    session_handle session;
    bool waits = false;  // one of them is at the reader: the others queue up behind it
  };

  /// Verified heartbeats, each with the index of its shard.
  using outbox = std::vector<std::pair<std::size_t, heartbeat_job_ptr>>;

  void submit(std::span<heartbeat_request> requests);
  /// Sends each shard its heartbeats in one message, in order.
  void send(outbox& out);
  /// The reader has loaded the record that was missing. Thread: the reader's.
  void loaded(heartbeat_job_ptr job);
  void submit(heartbeat_request&& request, route& last, outbox& out);
  void screen(heartbeat_job_ptr job, route& last, outbox& out);

  progress_shard_actor& shard_for(const student_id& student) {
    return shards[shard_of(student, shards.size())];
  }
  /// Waits until the shard has forgotten the student, so that it hands over nothing more of them.
  void forget_in_shard(const storage::erased_student& erased);
  /// The ledger has the erasure of the student. False: try again later.
  [[nodiscard]] bool forget_erased(const storage::erased_student& erased) {
    forget_in_shard(erased);
    return writer->forget_copies(erased);
  }
  /// Erases again whom the ledger has in an epoch that the log of erasures says has ended.
  storage::stored<ok_t> repeat_erasures(storage::ledger& in,
                                        const std::function<bool()>& is_time_up);
  /// The ledger has these erasures, of any gateway.
  storage::stored<ok_t> log_erasures(std::span<const storage::erased_student> erased);
  /// The ledger has a reset of the pair, by any gateway. False: try again later.
  [[nodiscard]] bool begin_reset(const storage::pair_progress& reset) {
    const progress_reset message{reset.key, reset.state.life};
    auto& shard = shard_for(reset.key.student);
    caf::anon_send(shard, message);
    const auto begun = writer->begin_attempt(reset).get();
    // Once more, behind the results of what the hot store credited to the attempt before.
    caf::anon_send(shard, message);
    heat->end_attempt(reset.key);
    return begun || begun.error().code != storage::storage_error::unavailable;
  }

  // -- shard_services

  void store(std::shared_ptr<credit_batch> batch) override { writer->store(std::move(batch)); }
  void load_rows(std::shared_ptr<credit_batch> batch) override { rows->load(std::move(batch)); }
  bool refill(std::vector<storage::pair_progress> pairs) override {
    return writer->refill(std::move(pairs));
  }
  bool has_unsaved_refills() const override { return writer->has_unsaved_refills(); }
  void load(std::shared_ptr<progress_query> query) override { reader->load(std::move(query)); }
  void forget_device(const thumbprint& device) override { registry_cache.forget_device(device); }
  void checkpoint_now(std::vector<storage::pair_progress> pairs) override {
    checkpoints->checkpoint_now(std::move(pairs));
  }

  gateway_options options;
  const time_source& time{*options.time};
  route after_reading;  // the reader thread's
  registry registry_cache;
  std::shared_ptr<heatmap> heat;
  watch_observers observers;
  refusal_annotator annotator{registry_cache, time, observers};
  heartbeat_probe heartbeats;
  verification_probe verifications;
  hot_store_probe hot_state;
  ledger_probe ledger_state;
  counter erasures{0};  // that the stores have from this gateway: their files may still have more
  std::vector<shard_probe> shard_probes;
  address_rate_limiter addresses;
  std::atomic<bool> draining{false};
  std::atomic<bool> stopped{false};
  bool stopped_well = false;

  gateway_system_config config;
  caf::actor_system system;
  std::vector<progress_shard_actor> shards;
  session_directory sessions;
  std::optional<session_dependencies> session_deps;
  std::unique_ptr<checkpointer> checkpoints;
  std::unique_ptr<hot_writer> writer;
  std::unique_ptr<row_loader> rows;
  std::unique_ptr<store_reader> reader;
  std::unique_ptr<watcher> store_watcher;
};

}  // namespace watchkeeper::actors
