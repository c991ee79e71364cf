#pragma once

#include <functional>
#include <memory>
#include <span>
#include <thread>
#include <variant>

#include "actors/shared/bounded_queue.hpp"
#include "actors/shared/messages.hpp"
#include "actors/shared/registry.hpp"
#include "storage/circuit_breaker.hpp"
#include "storage/hot_store.hpp"
#include "storage/ledger.hpp"

namespace watchkeeper::actors {

/// The thread that reads what is not in memory: devices, modules and assignments for heartbeats
/// that wait for them, and pairs that somebody asks about. Equal questions are asked once.
class store_reader {
 public:
  struct dependencies {
    std::unique_ptr<storage::hot_store> hot;
    std::unique_ptr<storage::ledger> behind;
    registry& known;
    ledger_probe& behind_probe;
    std::function<unix_ms()> now;
    /// Of the watcher. Empty: one that has hung is asked again after a while.
    storage::success_counter hot_successes = {}, ledger_successes = {};
    std::function<void(heartbeat_job_ptr)>
        screened_again;                                 // what the heartbeat lacked is known now
    std::function<void(const heartbeat_job&)> in_vain;  // it named a module that is not there
    std::function<void(progress_found)> found;
    std::function<void()> idle;  // nothing has come for a second
  };
  explicit store_reader(dependencies deps);
  ~store_reader();  // as close()

  /// A device that changes each time it is read is read so often, then its heartbeat is given back.
  static constexpr int device_reads_max = 4;

  /// Finishes what is queued and ends the thread; what comes later answers `overloaded` by itself.
  /// Where a store fails meanwhile it is not asked for the others; those that need it are refused.
  void close();

  enum class missing : std::uint8_t { device, module, assignment };
  /// Any thread. Refuses the heartbeat (`overloaded`) when the queue is full.
  void load(heartbeat_job_ptr job, missing what);
  void load(std::shared_ptr<progress_query> query);

 private:
  struct order {
    heartbeat_job_ptr job;
    missing what = missing::device;
    std::shared_ptr<progress_query> query;
  };

  /// Which stores are asked. One that has failed is not, for the orders that were taken together,
  /// and after a hang for a while, or each of them would take seconds.
  struct sources {
    bool ledger = true;
    bool hot = true;
  };

  void run();
  [[nodiscard]] sources sources_now() const;
  /// False: the ledger failed.
  [[nodiscard]] bool read_devices(std::span<const order> orders);
  void serve(order& taken, sources& asks);
  void load_device(order& taken, sources& asks);
  void load_module(heartbeat_job_ptr& job, sources& asks);
  void load_assignment(heartbeat_job_ptr& job, sources& asks);
  void answer(const std::shared_ptr<progress_query>& query, sources& asks);
  /// What `ask` gives, unless the ledger has failed already.
  template <class Ask>
  auto asked(sources& asks, Ask ask) -> decltype(ask());
  /// Nothing: it is not there, or the hot store cannot say.
  std::optional<progress> in_hot_store(const pair_key& key, sources& asks);

  dependencies deps_;
  bounded_queue<order> orders_;
  storage::circuit_breaker ledger_hangs_, hot_hangs_;  // the thread's
  std::thread thread_;
};

}  // namespace watchkeeper::actors
