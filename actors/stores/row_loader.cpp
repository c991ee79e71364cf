#include "actors/stores/row_loader.hpp"

#include <pthread.h>

#include <string>
#include <utility>

#include "actors/shared/actor_limits.hpp"

namespace watchkeeper::actors {

namespace {

constexpr std::chrono::milliseconds idle_wait{1000};

}  // namespace

row_loader::row_loader(dependencies deps)
    : deps_(std::move(deps)),
      reader_(*deps_.ledger, deps_.time, deps_.ledger_successes,
              [this](const storage::storage_failure& why) { deps_.ledger_state.failed(why); }),
      // A batch has one heartbeat at least.
      orders_(actor_limits::row_loads_waiting_max) {
  if (deps_.own_thread)
    thread_ = std::thread([this] {
      ::pthread_setname_np(::pthread_self(), "wk-row-loader");
      run();
    });
}

row_loader::~row_loader() {
  close();
}

void row_loader::close() {
  orders_.close();
  if (thread_.joinable()) thread_.join();
}

void row_loader::load(std::shared_ptr<credit_batch> batch) {
  const auto count = batch->count;
  if (heartbeats_waiting_.fetch_add(count) + count <= actor_limits::row_loads_waiting_max &&
      orders_.push(std::shared_ptr(batch)))
    return;
  heartbeats_waiting_.fetch_sub(count);
  deps_.failed(std::move(batch));
}

void row_loader::run() {
  while (!orders_.finished()) turn(idle_wait);
}

void row_loader::turn(std::chrono::milliseconds wait_max) {
  auto taken = orders_.take_all(wait_max);
  if (taken.empty()) return;
  try {
    read_together(taken);
  } catch (const std::exception& e) {
    deps_.log(log_level::error, "ledger",
              std::string("rows could not be loaded, and the loader goes on: ") + e.what());
  }
  for (auto& batch : taken) {
    if (!batch) continue;
    heartbeats_waiting_.fetch_sub(batch->count);  // left by the fault
    deps_.failed(std::move(batch));
  }
}

void row_loader::read_together(std::vector<order>& taken) {
  std::vector<pair_key> keys;
  for (const auto& batch : taken)
    for (const auto& request : batch->requests) keys.push_back(request.credit.pair());
  const auto rows = std::make_shared<const storage::ledger_rows>(reader_.read(std::move(keys)));
  for (auto& batch : taken) {
    batch->rows = rows;
    const auto count = batch->count;
    deps_.loaded(batch);  // if this throws, the batch is still here, and comes back failed
    batch.reset();
    heartbeats_waiting_.fetch_sub(count);
  }
}

}  // namespace watchkeeper::actors
