#include "actors/credit/progress_shard.hpp"
#include "storage/limits.hpp"

#include <algorithm>
#include <caf/sec.hpp>
#include <cstdlib>
#include <exception>
#include <utility>

namespace watchkeeper::actors {

namespace {

constexpr std::size_t candidates_examined_max = 32;

/// A rejection by a store, with its sentence.
rejection rejection_of(const credit_outcome& outcome) noexcept {
  const auto why = outcome.why;
  switch (why) {
    case problem::stale_token:
      return {.why = why,
              .detail = outcome.stale == stale_cause::life
                            ? "iat is before the progress began anew"
                            : "sn is older than the last 64 of the session",
              .stale = outcome.stale};
    case problem::session_mismatch:
      return {why, "the session is bound to another module"};
    case problem::sequence_reused:
      return {why, "sn came before, with an interval that begins elsewhere"};
    case problem::implausible_interval:
      return {why, "the coverage has as many pieces as it may, and each is longer"};
    default:
      return {why};
  }
}

progress begun_anew(const progress_summary& now) {
  progress state;
  state.life = now.life;
  state.begins_ms = now.begins_ms;
  return state;
}

}  // namespace

progress_shard_core::~progress_shard_core() = default;  // the jobs that wait get `overloaded`

void progress_shard_core::take(heartbeat_job_ptr job) {
  waiting_.push_back(std::move(job));
  if (!in_flight_.batch)
    send_batch();
  else if (waiting_.size() == 1)  // no earlier heartbeat waits for the next batch
    join_batch();
  update_probe();
}

void progress_shard_core::take(std::span<heartbeat_job_ptr> jobs) {
  const bool idle = !in_flight_.batch;
  for (auto& job : jobs) {
    waiting_.push_back(std::move(job));
    if (!idle && waiting_.size() == 1) join_batch();
  }
  if (idle) send_batch();
  update_probe();
}

storage::tiered_request progress_shard_core::request_of(const heartbeat_job& job) const {
  storage::tiered_request request{job.credit, std::nullopt};
  if (const auto* entry = pairs_.find(job.credit.pair())) {
    request.in_memory = entry->state;
    request.is_partial = entry->is_partial;
  }
  return request;
}

void progress_shard_core::join_batch() {
  auto& job = waiting_.back();
  if (!in_flight_.batch->join(request_of(*job))) return;
  auto& jobs = in_flight_.jobs;
  jobs.push_back(std::move(job));
  waiting_.pop_back();
  bump(deps_.probe.batch_heartbeats);
  if (jobs.size() > deps_.probe.batch_size_max) deps_.probe.batch_size_max = jobs.size();
}

void progress_shard_core::send_batch() {
  if (waiting_.empty()) return;
  auto batch = std::make_shared<credit_batch>();
  const auto count = std::min(waiting_.size(), storage_limits::batch_heartbeats_max);
  batch->shard = deps_.index;
  batch->count = count;
  batch->requests.reserve(count);
  in_flight_.jobs.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    auto& job = waiting_.front();
    batch->requests.push_back(request_of(*job));
    in_flight_.jobs.push_back(std::move(job));
    waiting_.pop_front();
  }
  bump(deps_.probe.batches);
  bump(deps_.probe.batch_heartbeats, count);
  if (count > deps_.probe.batch_size_max) deps_.probe.batch_size_max = count;
  batch->sent_at = deps_.time.monotonic_now_us();
  in_flight_.batch = batch;
  in_flight_.refill_epoch = deps_.hot.refill_epoch.load(std::memory_order_acquire);
  deps_.services.store(std::move(batch));
}

void progress_shard_core::stored(credit_batch& batch) {
  if (in_flight_.batch.get() == &batch) {
    deps_.probe.batch_latency.record_us(deps_.time.monotonic_now_us() - batch.sent_at);
    auto back = std::exchange(in_flight_, {});
    load_rows(back);
    finish(back);
  } else {
    const auto found = std::find_if(loading_.begin(), loading_.end(),
                                    [&](const flight& each) { return each.batch.get() == &batch; });
    if (found == loading_.end()) return;
    auto back = std::move(*found);
    loading_.erase(found);
    finish(back);
  }
  refill_if_requested();
  update_probe();
}

void progress_shard_core::load_rows(flight& back) {
  auto& requests = back.batch->requests;
  auto& results = back.batch->results;
  const auto waits = [](const storage::applied_credit& each) {
    return storage::needs_row(each.state);
  };
  if (std::none_of(results.begin(), results.end(), waits)) return;
  auto batch = std::make_shared<credit_batch>();
  batch->shard = deps_.index;
  flight sent{.batch = batch,
              .refill_epoch = deps_.hot.refill_epoch.load(std::memory_order_acquire)};
  std::size_t kept = 0;
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (waits(results[i])) {
      batch->requests.push_back(std::move(requests[i]));
      batch->results.push_back(std::move(results[i]));
      sent.jobs.push_back(std::move(back.jobs[i]));
    } else {
      if (kept != i) {
        requests[kept] = std::move(requests[i]);
        results[kept] = std::move(results[i]);
        back.jobs[kept] = std::move(back.jobs[i]);
      }
      ++kept;
    }
  }
  requests.resize(kept);
  results.resize(kept);
  back.jobs.resize(kept);
  batch->count = batch->requests.size();
  batch->sent_at = deps_.time.monotonic_now_us();
  loading_.push_back(std::move(sent));
  deps_.services.load_rows(std::move(batch));
}

void progress_shard_core::finish(flight& back) {
  auto& batch = *back.batch;
  for (std::size_t i = 0; i < back.jobs.size(); ++i)
    remember(back, batch.requests[i], batch.results[i]);
  // The hot store may have lost this batch while its results were on their way here. The hand-over
  // at that time did not include it.
  if (deps_.hot.refill_epoch.load(std::memory_order_acquire) != back.refill_epoch)
    refill_epoch_ = back.refill_epoch;
  // The next batch goes out before the results of this one: the store works while they are sent.
  if (!in_flight_.batch) send_batch();
  std::vector<storage::pair_progress> mastered;
  for (std::size_t i = 0; i < back.jobs.size(); ++i)
    report_result(*back.jobs[i], batch.requests[i], batch.results[i], mastered);
  if (!mastered.empty()) deps_.services.checkpoint_now(std::move(mastered));
}

void progress_shard_core::remember(const flight& back, const storage::tiered_request& request,
                                   const storage::applied_credit& applied) {
  const auto& outcome = applied.outcome;
  if (applied.state != storage::applied_state::done || outcome.status == credit_status::rejected)
    return;
  const auto& credit = request.credit;
  const auto ended = [&](const storage::erased_student& erased) {
    return erased.student == credit.student && credit.epoch < erased.next_epoch;
  };
  if (std::any_of(back.erased.begin(), back.erased.end(), ended)) return;
  acknowledged_heartbeat acknowledged{.request = credit, .outcome = outcome};
  coverage::intervals fresh;
  const auto* pair = update(request, applied, acknowledged, fresh);
  if (!deps_.observer) return;
  acknowledged.fresh = {fresh.data(), fresh.size()};
  acknowledged.covered = pair ? &pair->state.covered : nullptr;
  deps_.observer->acknowledged(acknowledged);
}

pair_entry* progress_shard_core::update(const storage::tiered_request& request,
                                        const storage::applied_credit& applied,
                                        acknowledged_heartbeat& acknowledged,
                                        coverage::intervals& fresh) {
  const auto& credit = request.credit;
  const auto& outcome = applied.outcome;
  const auto played = outcome.played;
  acknowledged.fresh_is_exact = played.from_ms == played.to_ms;
  auto* entry = pairs_.find(credit.pair());
  if (entry && outcome.now.life < entry->state.life) return nullptr;  // it ended meanwhile
  if (entry && outcome.now.life > entry->state.life) entry->state = begun_anew(outcome.now);
  if (applied.covered) {
    if (!entry) {
      make_room();
      entry = &pairs_.add(credit.pair());
      entry->state = begun_anew(outcome.now);
      // The first credit of all: all of the coverage is new. In every other case only the store
      // knows the coverage from before.
      if (outcome.now.playtime_ms == played.length_ms() && !acknowledged.fresh_is_exact &&
          applied.covered->covered_ms() == played.length_ms()) {
        acknowledged.fresh_is_exact = true;
        fresh.push_back(played);
      }
    } else if (!acknowledged.fresh_is_exact && entry->state.updated_ms != never) {
      // Another heartbeat of the batch has brought the pair into memory.
      auto before = entry->state.covered;
      fresh = before.fresh_ranges(played);
      before.add(played);
      before.trim();
      acknowledged.fresh_is_exact = before == *applied.covered;
    }
    // United: the store may have lost what memory has.
    entry->state.covered.unite(*applied.covered);
    entry->state.covered.trim();
    entry->is_partial = false;
  } else if (!entry) {
    return nullptr;  // evicted while the batch was in flight: the stores have it
  } else if (played.from_ms < played.to_ms) {
    acknowledged.fresh_is_exact = true;
    fresh = entry->state.covered.fresh_ranges(played);
    entry->state.covered.add(played);
    entry->state.covered.trim();  // as the store did, if it was at the limit
  }
  if (!acknowledged.fresh_is_exact) fresh.clear();
  auto& pair = *entry;
  auto& state = pair.state;
  const auto now = deps_.time.monotonic_now();
  pair.used_at = now;
  const auto changed = [&] {
    set_dirty(pair, true);
    pair.dirtied_at = now;
    pair.handed_over = false;
  };
  // The credit behind a duplicate may be that of another gateway, which died since. What the store
  // returned with it may be nowhere else either.
  if (!played.empty() || applied.covered) changed();
  if (state.covered.covered_ms() != outcome.now.covered_ms) {
    acknowledged.fresh_is_exact = played.from_ms == played.to_ms;
    fresh.clear();
    // A later element of this batch may have brought the union already.
    if (outcome.now.updated_ms < state.updated_ms) return pair.is_partial ? nullptr : &pair;
    // The store went back in time: memory keeps what it has, and counts it as unsaved until the
    // store has it again.
    if (state.covered.covered_ms() > outcome.now.covered_ms) {
      (void)deps_.services.refill({{credit.pair(), state}});
      changed();
      return pair.is_partial ? nullptr : &pair;
    }
    // Another gateway credits this pair too, or a reply was lost. Memory has a part of the
    // coverage; the next heartbeat of the pair completes it from the store. It is not evicted:
    // until it is checkpointed, the store may lose it.
    pair.is_partial = true;
    return nullptr;
  }
  state.duration_ms = outcome.now.duration_ms;
  state.playtime_ms = outcome.now.playtime_ms;
  // The stores move it with credit only. Else memory would win over a later position of another
  // gateway when the two are merged.
  if (!played.empty()) state.resume_at_ms = std::max(state.resume_at_ms, credit.played_at_ms);
  state.resume_ms = outcome.now.resume_ms;
  state.updated_ms = outcome.now.updated_ms;
  state.mastered_ms = outcome.now.mastered_ms;
  return pair.is_partial ? nullptr : &pair;
}

void progress_shard_core::report_result(heartbeat_job& job, const storage::tiered_request& request,
                                        storage::applied_credit& applied,
                                        std::vector<storage::pair_progress>& mastered) {
  if (applied.state != storage::applied_state::done) {
    job.reject({problem::storage_unavailable, "the credit could not be stored and is not counted"});
    return;
  }
  const auto& outcome = applied.outcome;
  if (outcome.why == problem::unknown_device) {
    // The device's record is of an epoch that ended. If the student has enrolled again, the record
    // that is read next is of the new one, and the heartbeat, sent again, may count.
    deps_.services.forget_device(request.credit.device);
    job.reject({problem::storage_unavailable, "the student's devices have changed; send it again"});
    return;
  }
  job.report(outcome, rejection_of(outcome));
  if (!outcome.newly_mastered) return;
  const auto key = request.credit.pair();
  if (const auto* entry = pairs_.find(key); entry && !entry->is_partial)
    mastered.push_back({key, entry->state});
  // Otherwise the pair is dirty in the hot store, where the checkpointer finds it.
}

void progress_shard_core::look_up(std::shared_ptr<progress_query> query) {
  if (const auto* entry = pairs_.find(query->key); entry && !entry->is_partial) {
    query->reply(std::optional<progress>(entry->state));
    return;
  }
  deps_.services.load(std::move(query));
}

void progress_shard_core::found(progress_query& query,
                                storage::stored<std::optional<progress>>& found) {
  // A heartbeat may have brought the pair into memory meanwhile, which is then newer.
  if (const auto* entry = pairs_.find(query.key)) {
    if (!entry->is_partial) return query.reply(std::optional<progress>(entry->state));
    if (found) {
      if (!*found) found->emplace();
      merge(**found, entry->state);
    }
  }
  query.reply(std::move(found));
}

void progress_shard_core::checkpointed(mono_ms started, mono_ms now) {
  // The round did not find what the hot store had lost before: first hand that over. Until it is
  // done, no pair that may be in memory only can count as clean.
  refill_if_requested();
  if (deps_.services.has_unsaved_refills()) return update_probe();
  // A refill that failed leaves the count after it has moved the epoch: so check the epoch again.
  if (deps_.hot.refill_epoch.load(std::memory_order_acquire) != refill_epoch_)
    return update_probe();
  // Nor can a pair count as clean that was handed over during the round, which may have passed it
  // by before.
  if (deps_.hot.refilled_at.load(std::memory_order_acquire) >= started) return update_probe();
  // One pass for both: pairs that are in the ledger become clean, clean and idle pairs are evicted.
  const auto idle_before = now - deps_.idle_pair_ms;
  pairs_.erase_if([&](pair_entry& pair) {
    // Not updated_ms: the round may have passed the pair by after the batch was sent, and before
    // the store had it.
    if (pair.dirty && pair.dirtied_at < started) set_dirty(pair, false);
    return !pair.dirty && pair.used_at < idle_before;
  });
  update_probe();
}

void progress_shard_core::forget(const storage::erased_student& erased) {
  // Heartbeats that wait go on: by their epoch the store knows those of the life that ended.
  if (in_flight_.batch) in_flight_.erased.push_back(erased);
  for (auto& each : loading_) each.erased.push_back(erased);
  pairs_.erase_if([&](pair_entry& pair) {
    if (pair.key.student != erased.student || pair.state.life.epoch >= erased.next_epoch)
      return false;
    set_dirty(pair, false);
    return true;
  });
  if (deps_.observer) deps_.observer->student_erased(erased.student, erased.next_epoch);
  update_probe();
}

void progress_shard_core::forget_pair(const pair_key& key, life_number begun) {
  // It may be of the new attempt already, and the copy from which the hot store is filled again.
  if (auto* const entry = pairs_.find(key)) entry->is_partial = true;
  if (deps_.observer) deps_.observer->progress_reset(key, begun);
}

void progress_shard_core::tick() {
  refill_if_requested();
  update_probe();
}

void progress_shard_core::refill_if_requested() {
  const auto epoch = deps_.hot.refill_epoch.load(std::memory_order_acquire);
  if (epoch == refill_epoch_) return;
  const auto lost = deps_.hot.checkpoints_lost.load(std::memory_order_acquire);
  const bool all_lost = std::exchange(checkpoints_lost_, lost) != lost;
  if (epoch != handing_epoch_ || all_lost)
    pairs_.visit_while([&](pair_entry& pair) {
      pair.handed_over = false;
      if (all_lost) set_dirty(pair, true);
      return true;
    });
  handing_epoch_ = epoch;
  std::vector<storage::pair_progress> unsaved;
  std::vector<pair_entry*> unsaved_entries;
  const auto hand_over = [&] {
    const bool taken = unsaved.empty() || deps_.services.refill(std::move(unsaved));
    if (taken)
      for (auto* pair : unsaved_entries) pair->handed_over = true;
    unsaved.clear();
    unsaved_entries.clear();
    return taken;
  };
  // If too many wait at the writer, the next tick goes on with the rest.
  bool all_taken = true;
  pairs_.visit_while([&](pair_entry& pair) {
    if (!pair.dirty || pair.handed_over) return true;
    pair.dirtied_at = deps_.time.monotonic_now();
    unsaved.push_back({pair.key, pair.state});
    unsaved_entries.push_back(&pair);
    if (unsaved.size() == storage_limits::checkpoint_batch_pairs_max) all_taken = hand_over();
    return all_taken;
  });
  if (all_taken && hand_over()) refill_epoch_ = epoch;
}

void progress_shard_core::make_room() {
  if (pairs_.size() < deps_.pairs_max) return;
  // Not the least recently used of all, but the best of a few: to evict a clean pair costs nothing,
  // while a dirty one is the copy from which the hot store is filled again if it loses its data.
  const auto evicts_before = [](const pair_entry& a, const pair_entry& b) {
    return a.dirty != b.dirty ? b.dirty : a.used_at < b.used_at;
  };
  pair_entry* candidate = nullptr;
  std::size_t examined = 0;
  pairs_.visit_while([&](pair_entry& pair) {
    if (!candidate || evicts_before(pair, *candidate)) candidate = &pair;
    return ++examined < candidates_examined_max;
  });
  if (!candidate) return;
  set_dirty(*candidate, false);
  pairs_.erase(*candidate);
}

void progress_shard_core::set_dirty(pair_entry& pair, bool dirty) noexcept {
  if (pair.dirty == dirty) return;
  pair.dirty = dirty;
  if (dirty)
    ++dirty_;
  else
    --dirty_;
}

void progress_shard_core::update_probe() noexcept {
  deps_.probe.pairs.store(pairs_.size(), std::memory_order_relaxed);
  deps_.probe.dirty.store(dirty_, std::memory_order_relaxed);
  deps_.probe.parked.store(in_flight_.jobs.size(), std::memory_order_relaxed);
  deps_.probe.queued.store(waiting_.size(), std::memory_order_relaxed);
}

namespace {

std::string what_of(const std::exception_ptr& thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const std::exception& e) {
    return e.what();
  } catch (...) {
    return "unknown";
  }
}

}  // namespace

progress_shard_actor::behavior_type progress_shard(
    progress_shard_actor::stateful_pointer<progress_shard_state> self, shard_dependencies deps) {
  // An actor that throws is gone: messages to it are lost, and its students would get `overloaded`
  // for ever. Every acknowledgement is in a store, and a new process goes on from there.
  self->set_exception_handler([on_fatal = deps.on_fatal](std::exception_ptr& thrown) -> caf::error {
    if (!on_fatal) std::abort();
    on_fatal("a progress shard failed: " + what_of(thrown));
    return caf::sec::runtime_error;
  });
  self->state.core.emplace(deps);
  return {
      [self](credit_job& message) { self->state.core->take(std::move(message.job)); },
      [self](credit_jobs& message) { self->state.core->take(message.jobs); },
      [self](batch_stored& message) { self->state.core->stored(*message.batch); },
      [self](progress_lookup& message) { self->state.core->look_up(std::move(message.query)); },
      [self](progress_found& message) { self->state.core->found(*message.query, *message.found); },
      [self](checkpoint_done message) {
        self->state.core->checkpointed(message.started, message.now);
      },
      [self](student_erased& message) {
        self->state.core->forget(message.erased);
        if (message.forgotten) message.forgotten->set_value();
      },
      [self](progress_reset& message) {
        self->state.core->forget_pair(message.pair, message.begun);
      },
      [self](shard_tick) { self->state.core->tick(); },
  };
}

}  // namespace watchkeeper::actors
