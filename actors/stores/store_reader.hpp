#pragma once

#include <functional>
#include <memory>
#include <span>
#include <thread>
#include <variant>

#include "actors/shared/bounded_queue.hpp"
#include "actors/shared/messages.hpp"
#include "actors/shared/registry.hpp"
#include "base/clock.hpp"
#include "storage/circuit_breaker.hpp"
#include "storage/hot_store.hpp"
#include "storage/ledger.hpp"

namespace watchkeeper::actors {

/// The thread that reads what is not in memory: devices, modules and assignments for heartbeats
/// that wait for them, and pairs for progress queries. It reads what several wait for once.
class store_reader {
 public:
  struct dependencies {
    std::unique_ptr<storage::hot_store> hot;
    std::unique_ptr<storage::ledger> ledger;
    registry& registry_cache;
    ledger_probe& ledger_state;
    const time_source& time;
    /// Count the stores' replies to the watcher. Empty: a store that has hung is asked again after
    /// a while.
    storage::success_counter hot_successes = {}, ledger_successes = {};
    /// Whether credit goes to the ledger: it may then have more of a pair than the hot store, which
    /// can often still be read. Empty: never.
    std::function<bool()> is_degraded = {};
    /// The record that the heartbeat needed is in memory: screen it again.
    std::function<void(heartbeat_job_ptr)> loaded;
    std::function<void(const heartbeat_job&)> module_absent;  // its module is not in the ledger
    std::function<void(progress_found)> found;
    std::function<void()> idle;  // nothing has come for a second
  };
  explicit store_reader(dependencies deps);
  ~store_reader();  // as close()

  /// A device that changes during every read is read this often. Then its heartbeat is rejected.
  static constexpr int device_reads_max = 4;

  /// Finishes what is queued and ends the thread. Heartbeats that come later get `overloaded`. A
  /// store that fails meanwhile is not asked again; the heartbeats that need it are rejected.
  void close();

  /// Any thread. If the queue is full, the heartbeat gets `overloaded`.
  void load(heartbeat_job_ptr job, registry_record missing);
  /// Any thread. If the queue is full, the query fails.
  void load(std::shared_ptr<progress_query> query);

 private:
  struct waiting_heartbeat {
    heartbeat_job_ptr job;
    registry_record missing = registry_record::device;
  };
  using order = std::variant<waiting_heartbeat, std::shared_ptr<progress_query>>;

  /// The stores that are asked. A store that has failed is not asked for the other orders that were
  /// taken together, nor for a while after it has hung: each of these calls would take seconds.
  struct sources {
    bool ledger = true;
    bool hot = true;
  };

  void run();
  [[nodiscard]] sources sources_now() const;
  /// Reads the devices that these wait for with one call. False: the ledger failed.
  [[nodiscard]] bool read_devices(std::span<const waiting_heartbeat* const> waiting);
  void serve(order& taken, sources& asks);
  void load_device(waiting_heartbeat& waiting, sources& asks);
  void load_module(heartbeat_job_ptr& job, sources& asks);
  void load_assignment(heartbeat_job_ptr& job, sources& asks);
  void load_progress(const std::shared_ptr<progress_query>& query, sources& asks);
  /// The result of `read`, or a failure at once if the ledger has failed already.
  template <class Read>
  auto read_ledger(sources& asks, Read read) -> decltype(read());
  /// Nothing: the pair is not there, or the hot store failed.
  std::optional<progress> in_hot_store(const pair_key& key, sources& asks);

  dependencies deps_;
  bounded_queue<order> orders_;
  storage::circuit_breaker ledger_hangs_, hot_hangs_;  // the thread's
  std::thread thread_;
};

}  // namespace watchkeeper::actors
