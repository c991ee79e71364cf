#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "actors/shared/bounded_queue.hpp"
#include "actors/shared/messages.hpp"
#include "actors/shared/probes.hpp"
#include "base/clock.hpp"
#include "base/log_level.hpp"
#include "storage/ledger.hpp"
#include "storage/ledger_reader.hpp"

namespace watchkeeper::actors {

/// The thread that reads rows of the ledger for heartbeats of pairs that the hot store lacks: they
/// are new, returned or lost. A ledger that is slow, or locked, holds up these alone: the writer
/// does not wait for it while the hot store is there. It reads what several wait for once.
class row_loader {
 public:
  struct dependencies {
    std::unique_ptr<storage::ledger> ledger;
    ledger_probe& ledger_state;
    const time_source& time;
    /// Takes a batch with its rows, for the writer.
    std::function<void(std::shared_ptr<credit_batch>)> loaded;
    /// Takes a batch that could not be loaded: it comes back failed.
    std::function<void(std::shared_ptr<credit_batch>)> failed;
    log_function log;
    storage::success_counter ledger_successes = {};  // see ledger_reader
    bool own_thread = true;                          // false: the owner calls `turn`
  };
  explicit row_loader(dependencies deps);
  ~row_loader();  // as close()

  /// Finishes what is queued and ends the thread; from then on every batch comes back failed at
  /// once.
  void close();
  /// One turn of the thread's loop: waits for orders, and executes those that are there.
  void turn(std::chrono::milliseconds wait_max);

  /// Any thread. The batch always reaches `loaded` or `failed`. It fails at once if it would make
  /// more heartbeats wait than actor_limits::row_loads_waiting_max.
  void load(std::shared_ptr<credit_batch> batch);

  /// Any thread. Heartbeats that wait.
  [[nodiscard]] std::size_t waiting() const noexcept { return heartbeats_waiting_; }

 private:
  using order = std::shared_ptr<credit_batch>;

  void run();
  void read_together(std::vector<order>& taken);

  dependencies deps_;
  storage::ledger_reader reader_;
  bounded_queue<order> orders_;
  std::atomic<std::size_t> heartbeats_waiting_{0};
  std::thread thread_;
};

}  // namespace watchkeeper::actors
