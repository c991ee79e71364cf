#pragma once

#include <boost/test/unit_test.hpp>
#include <memory>
#include <optional>
#include <vector>

#include "actors/credit/progress_shard.hpp"
#include "tests/actors/support.hpp"

namespace watchkeeper::actors::testing {

/// Stores what an observer is notified of.
struct recording_observer final : watch_observer {
  struct event {
    credit_status status;
    media_interval played;
    std::vector<media_interval> fresh;
    bool fresh_is_exact;
    media_ms covered_ms;  // of the coverage that came along; -1: none came
  };
  void acknowledged(const acknowledged_heartbeat& heartbeat) noexcept override {
    events.push_back({heartbeat.outcome.status,
                      heartbeat.outcome.played,
                      {heartbeat.fresh.begin(), heartbeat.fresh.end()},
                      heartbeat.fresh_is_exact,
                      heartbeat.covered ? heartbeat.covered->covered_ms() : -1});
  }
  void rejected(const rejected_heartbeat& heartbeat) noexcept override {
    rejections.push_back({heartbeat.why, heartbeat.stale});
    BOOST_TEST(heartbeat.token != nullptr);
    BOOST_TEST(heartbeat.received_ms > never);
  }
  std::vector<event> events;
  /// How many rejections came before each erasure.
  void student_erased(const student_id&, std::uint32_t) noexcept override {
    erased_after.push_back(rejections.size());
  }
  std::vector<std::size_t> erased_after;
  struct rejected_for {
    problem why;
    stale_cause stale;
  };
  std::vector<rejected_for> rejections;
};

/// A shard over a hot store in memory. A batch becomes durable when the test says so.
struct shard_world {
  explicit shard_world(std::size_t pairs_max = 1000)
      : shard(std::make_unique<progress_shard_core>(shard_dependencies{.index = 3,
                                                                       .services = services,
                                                                       .probe = probe,
                                                                       .hot = hot_probe,
                                                                       .time = clock,
                                                                       .pairs_max = pairs_max,
                                                                       .idle_pair_ms = 60'000,
                                                                       .observer = &watching})) {}

  void heartbeat(int who, std::uint32_t sequence, media_ms from_ms, media_ms to_ms,
                 media_ms duration_ms = 600'000) {
    shard->take(verified_job(listener, heartbeats, clock, student(who), sequence, from_ms, to_ms,
                             duration_ms, &watching));
  }
  /// Lets the oldest batch become durable.
  void finish_batch() {
    BOOST_REQUIRE(!services.batches.empty());
    auto batch = services.batches.front();
    services.batches.erase(services.batches.begin());
    store_batch(*batch, *hot, clock.wall_now());
    shard->stored(*batch);
  }
  std::optional<progress> ask(int who) {
    auto query = std::make_shared<progress_query>(pair_key{student(who), module_named("m1")});
    auto future = query->future();
    shard->look_up(query);
    if (!services.queries.empty()) return std::nullopt;
    auto found = future.get();
    BOOST_REQUIRE(found.has_value());
    return *found;
  }

  manual_clock clock;
  recording_observer watching;
  heartbeat_probe heartbeats;
  shard_probe probe;
  hot_store_probe hot_probe;
  scripted_services services;
  std::unique_ptr<storage::hot_store> hot = storage::make_memory_store();
  std::shared_ptr<result_recorder> listener = std::make_shared<result_recorder>();
  std::unique_ptr<progress_shard_core> shard;
};

}  // namespace watchkeeper::actors::testing
