#include "actors/stores/hot_writer.hpp"
#include "actors/shared/actor_limits.hpp"
#include "storage/limits.hpp"

#include <fmt/format.h>
#include <pthread.h>

#include <algorithm>
#include <utility>

namespace watchkeeper::actors {

namespace {

// Each kind of order is counted by itself, so that none takes the place of a batch.
constexpr std::size_t refills_waiting_max = 4096;
constexpr std::size_t drops_waiting_max = 256;
constexpr std::size_t student_orders_max = 256;  // the callers wait, and are fewer
constexpr std::int64_t refill_again_after_ms = 5'000;
constexpr std::chrono::milliseconds idle_wait{500};

}  // namespace

hot_writer::hot_writer(dependencies deps)
    : deps_(std::move(deps)),
      tiers_(
          *deps_.hot, *deps_.ledger, deps_.time,
          {.mode_changed =
               [this](bool degraded, const std::string& why) {
                 deps_.hot_probe.degraded = degraded;
                 deps_.hot_probe.up = !degraded;
                 // In either direction the shards hand over what may be in their memory only.
                 deps_.hot_probe.refill_epoch.fetch_add(1, std::memory_order_acq_rel);
                 deps_.log(degraded ? log_level::error : log_level::info, "hot_store",
                           degraded ? "away; heartbeats are stored in the ledger: " + why
                                    : "back: " + why);
               },
           .hot_failed =
               [this](const storage::storage_failure& failure) { deps_.hot_probe.failed(failure); },
           .ledger_failed =
               [this](const storage::storage_failure& failure) {
                 deps_.ledger_state.failed(failure);
               },
           .data_lost =
               [this] {
                 deps_.hot_probe.refill_epoch.fetch_add(1, std::memory_order_acq_rel);
                 deps_.log(log_level::warning, "hot_store", "has lost pairs; filling it again");
               },
           .heatmaps_grown = deps_.heatmaps_grown,
           .hot_successes = deps_.hot_successes,
           .ledger_successes = deps_.ledger_successes,
           .hot_durability = [this] { return deps_.hot_probe.durability.load(); }},
          deps_.required, {}, deps_.retention_ms),
      orders_(deps_.shards + actor_limits::row_loads_waiting_max + refills_waiting_max +
              drops_waiting_max + student_orders_max) {
  if (deps_.start_degraded) tiers_.start_degraded("not reachable at start");
  if (deps_.own_thread)
    thread_ = std::thread([this] {
      ::pthread_setname_np(::pthread_self(), "wk-hot-writer");
      run();
    });
}

hot_writer::~hot_writer() {
  if (thread_.joinable()) close();
}

void hot_writer::close(mono_us end) {
  orders_.close();
  if (thread_.joinable()) thread_.join();
  hand_over_the_rest(end);
}

void hot_writer::store(std::shared_ptr<credit_batch> batch) {
  batch->open();
  if (orders_.push(batch)) return;
  batch->close();
  fail(std::move(batch));
}

void hot_writer::store_loaded(std::shared_ptr<credit_batch> batch) {
  if (!orders_.push(batch)) fail(std::move(batch));
}

void hot_writer::fail(std::shared_ptr<credit_batch> batch) {
  batch->results.assign(batch->count, {});
  batch->requests.resize(batch->count);
  deps_.stored(std::move(batch));
}

bool hot_writer::refill(std::vector<storage::pair_progress> pairs) {
  // Counted separately, so that refills never take the place of a batch that devices wait for.
  if (refills_waiting_.fetch_add(1) < refills_waiting_max) {
    refills_unsaved_.fetch_add(1);
    if (orders_.push(std::move(pairs))) return true;
    refills_unsaved_.fetch_sub(1);
  }
  refills_waiting_.fetch_sub(1);
  return false;
}

bool hot_writer::forget_copies(const storage::erased_student& erased) {
  if (drops_waiting_.fetch_add(1) < drops_waiting_max && orders_.push(drop_order{erased}))
    return true;
  drops_waiting_.fetch_sub(1);
  return false;
}

hot_writer::reply hot_writer::end_epochs_below(const student_id& student, std::uint32_t epoch) {
  auto asked = std::make_shared<student_order>();
  asked->student = student;
  asked->epoch = epoch;
  return push(std::move(asked));
}

hot_writer::reply hot_writer::begin_attempt(const storage::pair_progress& pair) {
  auto asked = std::make_shared<student_order>();
  asked->student = pair.key.student;
  asked->attempt = pair;
  return push(std::move(asked));
}

hot_writer::reply hot_writer::push(std::shared_ptr<student_order> asked) {
  auto done = asked->done.get_future();
  if (!orders_.push(asked))
    asked->done.set_value(
        storage::storage_failure{storage::storage_error::unavailable, "the writer is stopping"});
  return done;
}

void hot_writer::run() {
  while (!orders_.finished()) turn(refills_.empty() ? idle_wait : std::chrono::milliseconds(0));
}

void hot_writer::turn(std::chrono::milliseconds wait_max) {
  taken_batches batches;
  auto taken = take_orders(wait_max);
  look_at_hot_store();
  if (taken.empty()) (void)run_guarded([&] { tiers_.probe(); });
  for (auto& o : taken) take(o, batches);
  store_or_fail(batches.fresh);
  apply_loaded(batches.loaded);
  (void)run_guarded([&] { refill_one(); });
}

void hot_writer::look_at_hot_store() {
  const auto epoch = deps_.hot_probe.refill_epoch.load(std::memory_order_acquire);
  if (epoch == looked_at_epoch_ || tiers_.degraded()) return;
  looked_at_epoch_ = epoch;
  (void)run_guarded([&] { (void)deps_.hot->health(); });
}

template <class Step>
bool hot_writer::run_guarded(Step step) {
  try {
    step();
    return true;
  } catch (const std::exception& e) {
    deps_.log(log_level::error, "hot_store",
              std::string("the writer failed and goes on: ") + e.what());
    return false;
  }
}

/// A batch may have waited for long, while another gateway credited the same student: by its own
/// time a clock would seem to have been set back, and the bucket would fill twice.
void hot_writer::date(std::span<storage::tiered_request> requests) const {
  const auto now_ms = deps_.time.wall_now();
  for (auto& request : requests) request.credit.now_ms = now_ms;
}

void hot_writer::store_or_fail(std::vector<std::shared_ptr<credit_batch>>& batches) {
  if (run_guarded([&] { store_together(batches); })) return;
  // After a fault some batches are left, and their shards wait for them.
  for (auto& batch : batches) {
    if (batch) fail(std::move(batch));
  }
  batches.clear();
}

void hot_writer::apply_loaded(std::vector<std::shared_ptr<credit_batch>>& batches) {
  for (auto& batch : batches) {
    date(batch->requests);
    const bool is_done =
        run_guarded([&] { tiers_.apply_found(batch->requests, *batch->rows, batch->results); });
    if (is_done)
      deps_.stored(std::move(batch));
    else
      fail(std::move(batch));
  }
}

/// At the end the refills that wait are still written; the first failure ends that.
void hot_writer::hand_over_the_rest(mono_us end) {
  try {
    while (!refills_.empty() && !refill_again_at_ && deps_.time.monotonic_now_us() < end)
      refill_one();
    if (const auto left = std::exchange(refills_, {}).size(); left > 0)
      deps_.log(log_level::error, "hot_store",
                fmt::format("{} groups of pairs were not handed over at the end", left));
  } catch (const std::exception& e) {
    deps_.log(log_level::error, "hot_store",
              std::string("pairs were not handed over at the end: ") + e.what());
  }
}

std::vector<hot_writer::order> hot_writer::take_orders(std::chrono::milliseconds wait_max) {
  auto taken = orders_.take_all(wait_max);
  std::size_t in_hand = 0;
  const auto count = [&] {
    in_hand = 0;
    for (const auto& o : taken)
      if (const auto* batch = std::get_if<std::shared_ptr<credit_batch>>(&o))
        in_hand += (*batch)->waiting();
  };
  count();
  // The batches in hand grow meanwhile: their shards add to them. An owner that calls `turn` itself
  // does not wait.
  const auto begun = deps_.time.monotonic_now_us();
  for (auto now = begun; deps_.own_thread;) {
    const auto wait_us = linger_.wait_us(in_hand, now);
    if (wait_us == 0) break;
    const auto passed_us = now - begun;
    if (passed_us >= batch_linger::wait_us_max) break;
    auto more = orders_.take_all(
        std::chrono::microseconds(std::min(wait_us, batch_linger::wait_us_max - passed_us)));
    const bool time_is_up = more.empty();
    for (auto& o : more) taken.push_back(std::move(o));
    count();
    if (time_is_up) break;
    now = deps_.time.monotonic_now_us();
  }
  for (auto& o : taken)
    if (const auto* batch = std::get_if<std::shared_ptr<credit_batch>>(&o)) (void)(*batch)->close();
  if (in_hand > 0) linger_.took(in_hand, deps_.time.monotonic_now_us());
  return taken;
}

void hot_writer::take(order& taken, taken_batches& batches) {
  if (auto* batch = std::get_if<std::shared_ptr<credit_batch>>(&taken)) {
    auto& those = (*batch)->rows ? batches.loaded : batches.fresh;
    those.push_back(std::move(*batch));
  } else if (auto* pairs = std::get_if<refill_order>(&taken)) {
    refills_.push_back(std::move(*pairs));
  } else {
    store_or_fail(batches.fresh);  // what came before an erasure is stored before it
    if (auto* student = std::get_if<std::shared_ptr<student_order>>(&taken))
      execute(**student);
    else
      drop(std::get<drop_order>(taken).erased);
  }
}

void hot_writer::drop(const storage::erased_student& erased) {
  drops_waiting_.fetch_sub(1);
  drop_refills(erased);
  (void)run_guarded([&] { tiers_.drop_copies(erased); });
}

void hot_writer::drop_refills(const storage::erased_student& erased) {
  for (auto& pairs : refills_) storage::erase_pairs_below(erased.student, erased.next_epoch, pairs);
}

/// One at a time: the batches of heartbeats come first.
void hot_writer::refill_one() {
  const auto now = deps_.time.monotonic_now();
  if (!refills_.empty()) {
    const auto pairs = std::move(refills_.front());
    refills_.pop_front();
    refills_waiting_.fetch_sub(1);
    // It counts as failed until it is done, because it may throw; the shards still have the pairs.
    const auto again_at = refill_again_at_;
    ++refills_failed_;
    if (!refill_again_at_) refill_again_at_ = now + refill_again_after_ms;
    if (tiers_.refill(pairs)) {
      --refills_failed_;
      refill_again_at_ = again_at;
      deps_.hot_probe.refilled_at = deps_.time.monotonic_now();
      refills_unsaved_.fetch_sub(1);
    }
  }
  if (refill_again_at_ && now >= *refill_again_at_) {
    refill_again_at_.reset();
    deps_.hot_probe.refill_epoch.fetch_add(1, std::memory_order_acq_rel);
    refills_unsaved_.fetch_sub(std::exchange(refills_failed_, 0));  // after the epoch has moved
  }
}

void hot_writer::store_together(std::vector<std::shared_ptr<credit_batch>>& batches) {
  std::size_t first = 0;
  while (first < batches.size()) {
    std::vector<storage::tiered_request> requests = std::move(batches[first]->requests);
    std::size_t last = first + 1;
    while (last < batches.size() && requests.size() + batches[last]->requests.size() <=
                                        storage_limits::batch_heartbeats_max) {
      auto& more = batches[last++]->requests;
      std::move(more.begin(), more.end(), std::back_inserter(requests));
    }
    date(requests);
    const auto started = deps_.time.monotonic_now_us();
    auto results = tiers_.apply(requests);
    deps_.hot_probe.latency.record_us(deps_.time.monotonic_now_us() - started);
    std::size_t next = 0;
    for (; first < last; ++first) {
      auto& batch = batches[first];
      // The shard expects as many as it sent: requests and results go back in step.
      const auto count = batch->count;
      auto request = requests.begin() + static_cast<std::ptrdiff_t>(next);
      auto result = results.begin() + static_cast<std::ptrdiff_t>(next);
      batch->requests.assign(std::move_iterator(request),
                             std::move_iterator(request + static_cast<std::ptrdiff_t>(count)));
      batch->results.assign(std::move_iterator(result),
                            std::move_iterator(result + static_cast<std::ptrdiff_t>(count)));
      next += count;
      deps_.stored(std::move(batch));
    }
  }
  batches.clear();
}

void hot_writer::execute(student_order& taken) {
  storage::stored<ok_t> done =
      storage::storage_failure{storage::storage_error::unavailable, "the writer failed"};
  // Also if it fails: the shard has forgotten them. Those of a reset pair lose against the new
  // attempt wherever they arrive.
  if (taken.epoch > 0) drop_refills({taken.student, taken.epoch});
  (void)run_guarded([&] {
    if (taken.attempt) {
      done = tiers_.begin_attempt(*taken.attempt);
      return;
    }
    done = deps_.hot->end_epochs_below(taken.student, taken.epoch, deps_.time.wall_now());
    if (done) tiers_.drop_copies({taken.student, taken.epoch});
  });
  taken.done.set_value(std::move(done));
}

}  // namespace watchkeeper::actors
