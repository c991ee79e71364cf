#pragma once

#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "actors/bounded_queue.hpp"
#include "actors/messages.hpp"
#include "actors/probes.hpp"
#include "storage/tiered_store.hpp"

namespace watchkeeper::actors {

/// The thread that makes credit durable: it takes the batches of all shards that wait, stores them
/// in one round trip, and hands them back. While one round trip is under way the next batches fill:
/// group commit without a timer.
class hot_writer {
 public:
  struct surroundings {
    std::unique_ptr<hot_store> hot;
    std::unique_ptr<ledger> behind;
    hot_store_probe& hot_probe;
    ledger_probe& behind_probe;
    std::function<unix_ms()> now;
    std::function<std::uint64_t()> monotonic_us;
    std::function<void(std::shared_ptr<credit_batch>)> stored;  // hands a batch back to its shard
    std::function<void(int, const std::string&, const std::string&)> log;
    std::size_t shards = 1;
    bool start_degraded = false;
  };
  explicit hot_writer(surroundings around);
  ~hot_writer();  // finishes what is queued

  /// Any thread. Always answered through `stored`; at the queue's limit at once, with failures.
  void store(std::shared_ptr<credit_batch> batch);
  /// Any thread. At the queue's limit the pairs are passed over: the next epoch brings them again.
  void refill(std::vector<pair_progress> pairs);
  /// Any thread but this one's. Waits until the student is forgotten in the hot store and here.
  watchkeeper::stored<ok_t> forget_student(const student_id& student);
  watchkeeper::stored<ok_t> readmit_student(const student_id& student);

 private:
  struct student_order {
    student_id student;
    bool erase = false;
    std::promise<watchkeeper::stored<ok_t>> done;
  };
  struct order {  // exactly one of them
    std::shared_ptr<credit_batch> batch;
    std::vector<pair_progress> pairs;
    std::shared_ptr<student_order> student;
  };

  void run();
  void store_together(std::vector<std::shared_ptr<credit_batch>>& batches);
  void obey(student_order& asked);
  watchkeeper::stored<ok_t> command(const student_id& student, bool erase);

  surroundings around_;
  tiered_store tiers_;
  bounded_queue<order> orders_;
  std::thread thread_;
};

}  // namespace watchkeeper::actors
