#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>

#include "actors/registry.hpp"
#include "actors/statistics.hpp"
#include "domain/credit.hpp"
#include "domain/engagement_token.hpp"
#include "storage/hot_store.hpp"
#include "storage/ledger.hpp"

/// The actor layer as the rest of the server sees it.
namespace watchkeeper::actors {

/// What becomes of one heartbeat.
struct heartbeat_result {
  bool parsed = false;  // sid and sn below are known
  session_id session;
  std::uint32_t sequence = 0;
  credit_outcome outcome;
  std::string_view detail;         // of a refusal: a sentence in static storage; may be empty
  std::int64_t retry_after_ms = 0; // of rate_limited
};

/// Receives the results of one request's tokens, in any order and on any thread, each exactly once:
/// a heartbeat that is lost inside answers itself with `overloaded`.
class heartbeat_listener {
 public:
  virtual ~heartbeat_listener() = default;
  virtual void on_result(std::size_t index, const heartbeat_result& result) noexcept = 0;
};

struct heartbeat_request {
  std::string token;
  std::shared_ptr<heartbeat_listener> listener;
  std::size_t index = 0;  // handed back to the listener
  std::array<std::uint8_t, 16> peer{};
};

struct gateway_policy {
  time_policy time;
  media_ms max_interval_ms = 30'000;
  bool require_assignment = false;
  bool session_keys_allowed = true;  // HS256; refused while there are no session keys
  rate_limit device_rate{250'000, 64};         // tokens that verified
  rate_limit address_failures{10'000, 2'000};  // tokens that did not
};

using hot_store_factory = std::function<std::unique_ptr<hot_store>()>;
using ledger_factory = std::function<std::unique_ptr<ledger>()>;

struct gateway_options {
  unsigned worker_threads = 0;  // 0: one a core
  unsigned shards = 0;          // 0: two a worker
  std::int64_t checkpoint_interval_ms = 30'000;
  durability require_durability = durability::log;
  gateway_policy policy;
  hot_store_factory make_hot_store;
  ledger_factory make_ledger;
  std::function<unix_ms()> now;  // the wall clock
  /// Called for what an operator should read; any thread. level: 0 info, 1 warning, 2 error.
  std::function<void(int level, const std::string& component, const std::string& message)> log;
};

class gateway {
 public:
  /// Connects to the stores, recovers what an earlier process left un-checkpointed, starts the
  /// actors. Throws std::runtime_error with the reason when a store's durability is below
  /// `require_durability` or the ledger cannot be migrated.
  explicit gateway(gateway_options options);
  ~gateway();
  gateway(const gateway&) = delete;
  gateway& operator=(const gateway&) = delete;

  /// Takes a heartbeat. The listener is told in every case, possibly before this returns. Any thread.
  void submit(heartbeat_request&& request) noexcept;

  /// A pair's progress: from memory, else the hot store, else the ledger. Nothing: never seen.
  /// Not to be waited for on an actor's thread.
  [[nodiscard]] std::future<stored<std::optional<progress>>> progress_of(const pair_key& pair);

  /// Forgets the student in the memory of the actors and in the hot store, and refuses what is on
  /// its way. The ledger's part is the caller's. Blocks; any thread but an actor's.
  stored<ok_t> forget_student(const student_id& student);
  /// The student may earn credit again: called when a device is enrolled. Blocks.
  stored<ok_t> readmit_student(const student_id& student);

  [[nodiscard]] registry& known() noexcept;
  [[nodiscard]] gateway_statistics statistics() const;
  [[nodiscard]] bool ready(std::string* why_not) const;

  /// From now on heartbeats are answered `draining`.
  void begin_drain() noexcept;
  /// Waits for what is in flight, writes a last checkpoint. True when all was done in time.
  bool stop(std::chrono::milliseconds deadline);

 private:
  struct implementation;
  std::unique_ptr<implementation> implementation_;
};

}  // namespace watchkeeper::actors
