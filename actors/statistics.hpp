#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "domain/credit.hpp"
#include "domain/engagement_token.hpp"
#include "domain/ids.hpp"
#include "domain/problem.hpp"
#include "storage/storage_error.hpp"

/// The statistics of the actors: plain snapshots, taken by gateway::statistics().
namespace watchkeeper::actors {

struct latency_summary {
  std::uint64_t count = 0;
  std::uint64_t sum_us = 0;
  std::uint64_t p50_us = 0;
  std::uint64_t p99_us = 0;
};

struct shard_statistics {
  std::uint64_t pairs = 0;           // in memory
  std::uint64_t dirty = 0;           // of them, changed since the last checkpoint
  std::uint64_t parked_replies = 0;  // heartbeats in the batch that is being stored
  std::uint64_t queue_depth = 0;     // heartbeats that wait for the next batch
  std::uint64_t batches = 0;
  std::uint64_t batch_heartbeats = 0;  // sum; divided by `batches`: mean batch size
  std::uint64_t batch_size_max = 0;
  latency_summary batch_latency;  // from handing a batch to the hot store until it is durable
};

/// Whether the files of a store have dropped what they had of erased students.
struct trace_statistics {
  bool is_due = false;
  std::optional<wall_ms> removed_at;  // the last time
  std::string refusal;                // why the store does not; empty: it does
};

struct hot_store_statistics {
  bool up = false;
  bool degraded = false;  // acknowledgements go through the ledger
  std::string description;
  storage::durability_level durability = storage::durability_level::memory;
  bool durable_enough = true;       // as `require_durability` demands; also while it is away
  latency_summary latency;          // of a call
  std::uint64_t retired_pairs = 0;  // by this gateway, since it was started
  std::uint64_t failures = 0;
  std::string last_failure;
  trace_statistics traces;
};

struct ledger_statistics {
  bool up = false;
  std::string description;
  latency_summary latency;  // of a checkpoint batch
  std::uint64_t checkpointed_pairs = 0;
  std::uint64_t completions_created =
      0;                          // pairs that heartbeats of this gateway mastered: one each
  std::int64_t lag_ms = 0;        // since the last complete checkpoint
  std::uint64_t dirty_pairs = 0;  // in the hot store at the last checkpoint
  std::uint64_t failures = 0;
  std::string last_failure;
  std::uint64_t went_back = 0;  // how often it was found to lack transactions that it had
  bool catching_up = false;     // it is not yet given all that it lacks
};

/// How far the pairs of a module are judged by its new rules, by any gateway.
struct judging_statistics {
  module_id module;
  std::int32_t revision = 0;
  std::uint64_t done = 0;              // pairs
  std::optional<std::uint64_t> total;  // nothing: it has not begun
};

struct gateway_statistics {
  std::array<std::uint64_t, 4> heartbeats_by_status{};  // index: credit_status
  std::array<std::uint64_t, problem_count> heartbeats_by_problem{};
  std::uint64_t heartbeats_past_end =
      0;  // by more than limits::interval_overshoot_ms; not rejected
  std::array<latency_summary, signature_algorithm_count> verification{};
  std::array<std::uint64_t, signature_algorithm_count> verification_failures{};
  std::uint64_t heartbeats_in_flight = 0;
  std::uint64_t sessions = 0;
  std::uint64_t devices_cached = 0;
  std::uint64_t modules_cached = 0;
  latency_summary heartbeat_latency;  // from the request's last byte to the hand-over of the result
  std::vector<shard_statistics> shards;
  hot_store_statistics hot;
  ledger_statistics ledger;
  std::vector<judging_statistics> jobs;  // at most revision_judge::jobs_max
};

}  // namespace watchkeeper::actors
