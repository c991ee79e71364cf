#include "actors/stores/checkpointer.hpp"

#include <fmt/format.h>
#include <pthread.h>

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "storage/single_pairs.hpp"

namespace watchkeeper::actors {

namespace {
constexpr std::size_t urgent_batches_max = 4096;
}

checkpointer::checkpointer(dependencies deps)
    : deps_(std::move(deps)),
      judge_({.hot = *deps_.hot,
              .ledger = *deps_.ledger,
              .probe = deps_.probe,
              .hot_probe = deps_.hot_probe,
              .time = deps_.time,
              .log = deps_.log}),
      recovery_({.hot = *deps_.hot,
                 .ledger = *deps_.ledger,
                 .probe = deps_.probe,
                 .hot_probe = deps_.hot_probe,
                 .repeat_erasures = deps_.repeat_erasures,
                 .is_time_up = [this] { return is_time_up(); },
                 .log = deps_.log}),
      retirer_({.hot = *deps_.hot,
                .ledger = *deps_.ledger,
                .probe = deps_.probe,
                .hot_probe = deps_.hot_probe,
                .retention_ms = deps_.retention_ms,
                .time = deps_.time,
                .log = deps_.log}),
      urgent_(urgent_batches_max) {}

checkpointer::~checkpointer() {
  stop(false, {});
}

void checkpointer::start() {
  thread_ = std::thread([this] {
    ::pthread_setname_np(::pthread_self(), "wk-checkpoint");
    run();
  });
}

void checkpointer::stop(bool last_checkpoint, mono_us end) {
  want_last_ = last_checkpoint;
  deadline_ = end;
  urgent_.close();
  if (thread_.joinable()) thread_.join();
}

void checkpointer::checkpoint_now(std::vector<storage::pair_progress> pairs) {
  (void)urgent_.push(std::move(pairs));
}

void checkpointer::judge_now() {
  judge_.request();
  (void)urgent_.push({});  // wakes the thread; if the queue is full, it is awake
}

void checkpointer::run() {
  while (!urgent_.finished()) turn(std::chrono::milliseconds(deps_.interval_ms));
  try {
    last_complete_ = want_last_ && checkpoint_all();
  } catch (const std::exception& e) {
    deps_.log(log_level::error, "ledger", std::string("the last checkpoint failed: ") + e.what());
  }
}

void checkpointer::turn(std::chrono::milliseconds wait_max) {
  if (!next_round_at_) next_round_at_ = deps_.time.monotonic_now() + deps_.interval_ms;
  const std::chrono::milliseconds left(
      std::max<std::int64_t>(*next_round_at_ - deps_.time.monotonic_now(), 0));
  auto taken = urgent_.take_all(std::min(left, retirer_.wait_max(judge_.wait_max(wait_max))));
  try {
    // The watcher reports that the ledger went back by a batch without pairs.
    const bool is_called =
        std::any_of(taken.begin(), taken.end(), [](const auto& batch) { return batch.empty(); });
    write_mastered(taken);
    if (const auto now = deps_.time.monotonic_now(); is_called || now >= *next_round_at_) {
      next_round_at_ = now + deps_.interval_ms;
      (void)checkpoint_all();
      judge_.request();  // for what other gateways have begun and left
    }
    if (judge_.is_due() && !urgent_.closed()) judge_.step();
    if (retirer_.is_due() && !urgent_.closed()) retirer_.step();
  } catch (const std::exception& e) {
    deps_.log(log_level::error, "ledger",
              std::string("a checkpoint failed and will be tried again: ") + e.what());
  }
}

void checkpointer::write_mastered(std::vector<std::vector<storage::pair_progress>>& batches) {
  if (batches.empty()) return;
  // Two batches may report the same pair as mastered; a checkpoint takes each pair once.
  std::unordered_map<pair_key, progress> distinct;
  for (auto& batch : batches)
    for (auto& pair : batch) merge(distinct[pair.key], pair.state);
  std::vector<storage::pair_progress> pairs;
  for (auto& [key, state] : distinct) pairs.push_back({key, std::move(state)});
  if (!pairs.empty()) (void)write(pairs);
}

bool checkpointer::probe_hot_store() {
  auto health = deps_.hot->health();
  if (!health) {
    hot_failed(health.error());
    return false;
  }
  if (hot_incarnation_ == health->incarnation) return true;
  // Remembered only once the erasures are repeated: else the next round tries again.
  if (!repeat_erasures()) return false;
  if (hot_incarnation_)
    deps_.log(log_level::warning, "hot_store",
              "is not the one that it was; it is given what it may have lost");
  hot_incarnation_ = health->incarnation;
  deps_.hot_probe.refill_epoch.fetch_add(1, std::memory_order_acq_rel);
  return true;
}

bool checkpointer::repeat_erasures() {
  const auto erased = deps_.ledger->erased_students();
  if (!erased) {
    ledger_failed("the erasures could not be read: " + erased.error().detail);
    return false;
  }
  for (const auto& [student, epoch] : *erased) {
    if (is_time_up()) return false;
    if (auto done = deps_.hot->end_epochs_below(student, epoch, deps_.time.wall_now()); !done) {
      hot_failed(done.error());
      return false;
    }
  }
  return true;
}

bool checkpointer::look_at_ledger() {
  const auto before = deps_.probe.memory.changes();
  const bool is_fine = recovery_.look();
  if (deps_.probe.memory.changes() != before) deps_.heat.forget_rows();
  return is_fine;
}

bool checkpointer::checkpoint_all() {
  const auto started = deps_.time.monotonic_now();
  deps_.heat.round_begins();
  std::uint64_t pairs = 0;
  // Lost data leaves no mark in a store: a round would find nothing to do, and all pairs would
  // count as saved. Checked before the round and after it, because data may be lost in between.
  const auto probe_stores = [&] {
    const bool is_hot_store_fine = probe_hot_store();
    return look_at_ledger() && is_hot_store_fine;  // erasures need the ledger only
  };
  const bool complete = probe_stores() && checkpoint_partitions(pairs) && probe_stores();
  if (!is_time_up())
    if (const auto flushed = deps_.heat.flush_plays(*deps_.ledger); !flushed) {
      deps_.probe.failed(flushed.error());
      deps_.log(log_level::warning, "ledger",
                "plays could not be written, and will be: " + flushed.error().detail);
    }
  deps_.heat.round_ends(complete, *deps_.ledger);
  retirer_.round_ended();
  if (const auto left_out = deps_.heat.left_out(); left_out != left_out_) {
    deps_.log(log_level::warning, "heatmap",
              std::to_string(left_out - left_out_) +
                  " heartbeats were counted as viewers but not as plays: too many modules at once");
    left_out_ = left_out;
  }
  deps_.probe.dirty_pairs = pairs;
  if (!complete) return false;
  deps_.probe.last_checkpoint_at = deps_.time.monotonic_now();
  deps_.done(started);
  return true;
}

bool checkpointer::checkpoint_partitions(std::uint64_t& pairs) {
  bool complete = true;
  const auto begin = std::exchange(first_partition_, partition_index{0});
  for (std::uint32_t i = 0; i < limits::partitions; ++i) {
    const auto p = static_cast<partition_index>((begin + i) % limits::partitions);
    if (is_time_up()) return false;
    deps_.heat.partition_begins(p);
    const auto done = checkpoint_partition(p, pairs);
    deps_.heat.partition_ends(p);
    if (done) continue;
    complete = false;
    // One unreadable value must not keep the other partitions from the ledger. But a store that is
    // away is not asked 255 times more. The cause may also be one row that has been locked for
    // long: the next round begins behind it.
    if (done.error() == storage::storage_error::unavailable) {
      first_partition_ = static_cast<partition_index>((p + 1) % limits::partitions);
      break;
    }
  }
  return complete;
}

storage::storage_error checkpointer::hot_failed(const storage::storage_failure& failure) {
  deps_.hot_probe.failed(failure);
  deps_.log(log_level::warning, "hot_store",
            "a checkpoint could not read or mark pairs: " + failure.detail);
  return failure.code;
}

result<ok_t, storage::storage_error> checkpointer::checkpoint_partition(partition_index partition,
                                                                        std::uint64_t& pairs) {
  bool was_short = false;
  bool all_read = true, all_written = true;
  for (std::size_t samples = 0; samples < deps_.samples_max; ++samples) {
    auto dirty = deps_.hot->read_dirty(partition, storage_limits::checkpoint_batch_pairs_max);
    if (!dirty) return hot_failed(dirty.error());
    if (!dirty->unreadable.empty() && std::exchange(all_read, false))
      hot_failed({storage::storage_error::corrupt,
                  fmt::format("{} ({} in this sample) cannot be read", dirty->unreadable.front(),
                              dirty->unreadable.size())});
    const auto found = dirty->size(), readable = dirty->pairs.size();
    const auto written = checkpoint_sample(partition, std::move(dirty->pairs));
    if (!written) return written.error();
    pairs += *written;
    all_written = all_written && *written == readable;
    // A sample may be short because pairs have vanished from the store meanwhile: only the second
    // short sample in a row means that no pairs are left.
    const bool is_short = found < storage_limits::checkpoint_batch_pairs_max;
    const bool nothing_left = is_short && was_short;
    was_short = is_short;
    if (nothing_left && all_read && all_written) return ok;
    if (nothing_left || (found > 0 && *written == 0))
      return storage::storage_error::corrupt;  // what is left cannot be checkpointed
    if (is_time_up()) return storage::storage_error::unavailable;
  }
  // Pairs became dirty as fast as they were written: perhaps not all have had their turn.
  return storage::storage_error::contended;
}

result<std::size_t, storage::storage_error> checkpointer::checkpoint_sample(
    partition_index partition, std::vector<storage::dirty_pair> dirty) {
  if (dirty.empty()) return std::size_t{0};
  std::vector<storage::pair_progress> states;
  states.reserve(dirty.size());
  for (const auto& pair : dirty) states.push_back({pair.key, pair.state});
  const auto united = write(states);
  if (!united) return united.error();

  // If the ledger had more, the hot store gets it: it may have lost some of it, or the pair was
  // reset. What the ledger passed over goes from the hot store, too.
  std::vector<storage::pair_progress> richer;
  std::size_t written = 0;  // of them, moved to the front
  for (std::size_t i = 0; i < states.size(); ++i) {
    const auto& state = (*united)[i];
    if (!state) continue;
    if (storage::has_ended(*state)) {
      const auto ended = deps_.hot->end_epochs_below(states[i].key.student, state->life.epoch,
                                                     deps_.time.wall_now());
      if (!ended) return hot_failed(ended.error());
    } else if (!storage::is_passed_over(*state) &&
               (state->life != states[i].state.life || state->covered != states[i].state.covered ||
                state->mastered_ms != states[i].state.mastered_ms)) {
      richer.push_back({states[i].key, *state});
    }
    if (written != i) dirty[written] = std::move(dirty[i]);
    ++written;
  }
  if (!richer.empty())
    if (auto merged = deps_.hot->merge(richer, storage::merge_origin::ledger); !merged)
      if (auto code = hot_failed(merged.error()); code != storage::storage_error::refused)
        return code;
  if (auto cleaned = deps_.hot->mark_clean(partition, std::span(dirty).first(written)); !cleaned)
    return hot_failed(cleaned.error());
  return written;
}

result<checkpointer::merged_states, storage::storage_error> checkpointer::write(
    const std::vector<storage::pair_progress>& pairs) {
  merged_states states(pairs.size());
  const auto part_of_all =
      [&](std::span<const storage::pair_progress> part) -> storage::stored<ok_t> {
    auto united = write_part(part);
    if (!united) return united.error();
    std::move(united->begin(), united->end(), states.begin() + (part.data() - pairs.data()));
    return ok;
  };
  const auto failed = [&](const storage::pair_progress& pair, const storage::storage_failure& why) {
    ledger_failed(fmt::format("{}/{} could not be written: {}", pair.key.student.view(),
                              pair.key.module.view(), why.detail));
  };
  const std::span<const storage::pair_progress> all(pairs);
  for (std::size_t first = 0; first < all.size();) {
    if (is_time_up()) return storage::storage_error::unavailable;
    const auto part = all.subspan(
        first, std::min(all.size() - first, storage_limits::checkpoint_batch_pairs_max));
    if (const auto done = storage::run_in_parts(part, part_of_all, failed); !done) {
      deps_.probe.up = false;
      ledger_failed("a checkpoint failed and will be tried again: " + done.error().detail);
      return done.error().code;
    }
    first += part.size();
  }
  return states;
}

storage::stored<std::vector<progress>> checkpointer::write_part(
    std::span<const storage::pair_progress> pairs) {
  const auto started_at = deps_.time.monotonic_now_us();
  auto done = [&] {
    std::vector<storage::heatmap_delta> grown;
    // Until the heatmap is notified, it takes no row that this writes for the present one.
    const auto turn = deps_.heat.ledger_turn();
    auto written = deps_.ledger->checkpoint(pairs, deps_.time.wall_now(), &grown);
    if (written)
      deps_.heat.grown(grown);
    else if (!storage::is_of_single_pairs(written.error()))  // else the ledger has refused it
      deps_.heat.write_failed();
    return written;
  }();
  deps_.probe.latency.record_us(deps_.time.monotonic_now_us() - started_at);
  if (!done) return done;
  deps_.probe.up = true;
  bump(deps_.probe.checkpointed_pairs, pairs.size());
  return done;
}

void checkpointer::ledger_failed(const std::string& what) {
  deps_.probe.failed({storage::storage_error::unavailable, what});
  deps_.log(log_level::warning, "ledger", what);
}

}  // namespace watchkeeper::actors
