#include "actors/credit/progress_shard.hpp"
#include "storage/limits.hpp"

#include <algorithm>
#include <caf/sec.hpp>
#include <cstdlib>
#include <exception>

namespace watchkeeper::actors {

progress_shard_core::~progress_shard_core() = default;  // the jobs that wait answer by themselves

void progress_shard_core::take(heartbeat_job_ptr job) {
  waiting_.push_back(std::move(job));
  if (parked_.empty())
    send_batch();
  else if (waiting_.size() == 1)  // none that came before waits for the next batch
    join_batch();
  tell_probe();
}

void progress_shard_core::take(std::span<heartbeat_job_ptr> jobs) {
  const bool idle = parked_.empty();
  for (auto& job : jobs) {
    waiting_.push_back(std::move(job));
    if (!idle && waiting_.size() == 1) join_batch();
  }
  if (idle) send_batch();
  tell_probe();
}

storage::tiered_request progress_shard_core::request_of(heartbeat_job& job, unix_ms now_ms) const {
  job.credit.now_ms = now_ms;
  storage::tiered_request request{job.credit, std::nullopt};
  if (const auto* held = pairs_.find(job.credit.pair())) {
    request.in_memory = held->state;
    request.is_partial = held->is_partial;
  }
  return request;
}

void progress_shard_core::join_batch() {
  auto& job = waiting_.back();
  if (!in_flight_ || !in_flight_->join(request_of(*job, deps_.now()))) return;
  parked_.push_back(std::move(job));
  waiting_.pop_back();
  bump(deps_.probe.batch_heartbeats);
  if (parked_.size() > deps_.probe.batch_size_max) deps_.probe.batch_size_max = parked_.size();
}

void progress_shard_core::send_batch() {
  if (waiting_.empty()) return;
  auto batch = std::make_shared<credit_batch>();
  const auto count = std::min(waiting_.size(), storage_limits::batch_heartbeats_max);
  batch->shard = deps_.index;
  batch->count = count;
  batch->requests.reserve(count);
  parked_.reserve(count);
  const auto now_ms = deps_.now();
  for (std::size_t i = 0; i < count; ++i) {
    auto& job = waiting_.front();
    batch->requests.push_back(request_of(*job, now_ms));
    parked_.push_back(std::move(job));
    waiting_.pop_front();
  }
  bump(deps_.probe.batches);
  bump(deps_.probe.batch_heartbeats, count);
  if (count > deps_.probe.batch_size_max) deps_.probe.batch_size_max = count;
  batch->sent_at_us = deps_.monotonic_us();
  in_flight_ = batch;
  epoch_of_batch_ = deps_.hot.refill_epoch.load(std::memory_order_acquire);
  deps_.services.store(std::move(batch));
}

void progress_shard_core::stored(credit_batch& batch) {
  deps_.probe.batch_latency.record_us(deps_.monotonic_us() - batch.sent_at_us);
  // The next batch goes out before this one's replies: the store works while they are sent.
  auto replies = std::move(parked_);
  parked_.clear();
  in_flight_.reset();
  std::vector<storage::pair_progress> mastered;
  for (std::size_t i = 0; i < replies.size(); ++i) remember(batch.requests[i], batch.results[i]);
  erased_in_flight_.clear();
  // What this batch brought may have been lost while its results were on their way: the hand-over
  // of then did not know of it.
  if (deps_.hot.refill_epoch.load(std::memory_order_acquire) != epoch_of_batch_)
    refill_epoch_ = epoch_of_batch_;
  send_batch();
  for (std::size_t i = 0; i < replies.size(); ++i)
    settle(*replies[i], batch.requests[i], batch.results[i], mastered);
  if (!mastered.empty()) deps_.services.checkpoint_now(std::move(mastered));
  refill_if_wanted();
  tell_probe();
}

void progress_shard_core::remember(const storage::tiered_request& request,
                                   const storage::applied_credit& applied) {
  const auto& outcome = applied.outcome;
  if (applied.how != storage::applied_credit::state::done ||
      outcome.status == credit_status::rejected)
    return;
  const auto& credit = request.credit;
  if (std::find(erased_in_flight_.begin(), erased_in_flight_.end(), credit.student) !=
      erased_in_flight_.end())
    return;
  settled_heartbeat told{.request = credit, .outcome = outcome};
  if (outcome.credited_ms > 0 && outcome.status != credit_status::duplicate)
    told.played = {credit.interval.from_ms, credit.interval.from_ms + outcome.credited_ms};
  coverage::intervals fresh;
  const auto* pair = update(request, applied, told, fresh);
  if (!deps_.watching) return;
  told.fresh = {fresh.data(), fresh.size()};
  told.covered = pair ? &pair->state.covered : nullptr;
  deps_.watching->settled(told);
}

held_pair* progress_shard_core::update(const storage::tiered_request& request,
                                       const storage::applied_credit& applied,
                                       settled_heartbeat& told, coverage::intervals& fresh) {
  const auto& credit = request.credit;
  const auto& outcome = applied.outcome;
  const auto played = told.played;
  told.fresh_known = played.from_ms == played.to_ms;
  auto* held = pairs_.find(credit.pair());
  if (applied.covered) {
    if (!held) {
      make_room();
      held = &pairs_.add(credit.pair());
      // The first credit of all: what is covered now is what is new. Of any other only the store
      // knows what was covered before.
      if (outcome.now.playtime_ms == outcome.credited_ms && !told.fresh_known &&
          applied.covered->covered_ms() == outcome.credited_ms) {
        told.fresh_known = true;
        fresh.push_back(played);
      }
    } else if (!told.fresh_known && held->state.updated_ms != 0) {
      // Another heartbeat of the batch has brought the pair already.
      auto before = held->state.covered;
      fresh = before.fresh_ranges(played);
      before.add(played);
      told.fresh_known = before == *applied.covered;
    }
    // United: the store may have lost what is known here.
    if (held->state.covered.pieces().empty())
      held->state.covered = *applied.covered;
    else
      held->state.covered.unite(*applied.covered);
    held->is_partial = false;
  } else if (!held) {
    return nullptr;  // given up while the batch was under way: the stores have it
  } else if (played.from_ms < played.to_ms) {
    told.fresh_known = true;
    fresh = held->state.covered.fresh_ranges(played);
    held->state.covered.add(played);
  }
  if (!told.fresh_known) fresh.clear();
  auto& pair = *held;
  auto& state = pair.state;
  pair.used_ms = credit.now_ms;
  const auto changed = [&] {
    set_dirty(pair, true);
    pair.dirtied_ms = deps_.now();
    pair.handed_over = false;
  };
  // A duplicate's first answer may have been another gateway's, which died since: what came with it
  // from the store may be in no other place either.
  if (outcome.status != credit_status::duplicate || applied.covered) changed();
  if (state.covered.covered_ms() != outcome.now.covered_ms) {
    told.fresh_known = played.from_ms == played.to_ms;
    fresh.clear();
    // A later element of this batch may have brought the union already.
    if (outcome.now.updated_ms < state.updated_ms) return pair.is_partial ? nullptr : &pair;
    // The store went back in time: then what is known here stays, as what is not saved, until the
    // store has it again.
    if (state.covered.covered_ms() > outcome.now.covered_ms) {
      (void)deps_.services.refill({{credit.pair(), state}});
      changed();
      return pair.is_partial ? nullptr : &pair;
    }
    // Another gateway credits this pair too, or an answer was lost. What is known here is a part,
    // which the next look at the pair completes from the store. It is not given up: until it is
    // checkpointed the store may lose it yet.
    pair.is_partial = true;
    return nullptr;
  }
  state.duration_ms = outcome.now.duration_ms;
  state.playtime_ms = outcome.now.playtime_ms;
  state.resume_at_ms = std::max(state.resume_at_ms, credit.played_at_ms);
  state.resume_ms = outcome.now.resume_ms;
  state.updated_ms = outcome.now.updated_ms;
  state.mastered_ms = outcome.now.mastered_ms;
  return pair.is_partial ? nullptr : &pair;
}

void progress_shard_core::settle(heartbeat_job& job, const storage::tiered_request& request,
                                 storage::applied_credit& applied,
                                 std::vector<storage::pair_progress>& mastered) {
  if (applied.how != storage::applied_credit::state::done) {
    job.refuse(problem::storage_unavailable, "the credit could not be stored and is not counted");
    return;
  }
  const auto& outcome = applied.outcome;
  std::string_view detail;
  switch (outcome.why) {
    case problem::stale_token:
      detail = "sn is older than the last 64 of the session";
      break;
    case problem::session_mismatch:
      detail = "the session is bound to another module";
      break;
    case problem::unknown_device:
      detail = "the student was erased";
      break;
    case problem::implausible_interval:
      detail = "the coverage is in too many pieces";
      break;
    default:
      break;
  }
  job.answer(outcome, detail);
  if (!outcome.newly_mastered) return;
  const auto key = request.credit.pair();
  if (const auto* held = pairs_.find(key); held && !held->is_partial)
    mastered.push_back({key, held->state});
  // A pair that is not held whole is dirty in the hot store: the checkpointer finds it there.
}

void progress_shard_core::asked(std::shared_ptr<progress_query> query) {
  if (const auto* held = pairs_.find(query->key); held && !held->is_partial) {
    query->answer(std::optional<progress>(held->state));
    return;
  }
  deps_.services.load(std::move(query));
}

void progress_shard_core::found(progress_query& query,
                                storage::stored<std::optional<progress>>& found) {
  // A heartbeat may have brought the pair meanwhile: memory is then the newer.
  if (const auto* held = pairs_.find(query.key)) {
    if (!held->is_partial) return query.answer(std::optional<progress>(held->state));
    if (found) {
      if (!*found) found->emplace();
      merge(**found, held->state);
    }
  }
  query.answer(std::move(found));
}

void progress_shard_core::checkpointed(unix_ms started_ms, unix_ms now_ms) {
  // A round cannot have found what the hot store had lost before: first that is handed over.
  // As long as that is not done nothing may be taken for clean that only memory may have.
  refill_if_wanted();
  if (deps_.services.has_unsaved_refills()) return tell_probe();
  // One that failed was taken from the count after the epoch had moved: so look at that once more.
  if (deps_.hot.refill_epoch.load(std::memory_order_acquire) != refill_epoch_) return tell_probe();
  // Nor what was handed over while the round was under way: it may have passed the pair by before.
  // What lies ahead of the clock, which is read after it, is of a clock that was set back since.
  const auto refilled_ms = deps_.hot.refilled_ms.load(std::memory_order_acquire);
  if (refilled_ms >= started_ms && refilled_ms <= deps_.now()) return tell_probe();
  // One pass does both: what is in the ledger is clean, and what is clean and idle is given up.
  const auto idle_before_ms = now_ms - deps_.idle_pair_ms;
  pairs_.erase_if([&](held_pair& pair) {
    // Not by updated_ms: that is when the batch went out, and the round may have passed the pair by
    // before the store had it.
    if (pair.dirty && pair.dirtied_ms < started_ms) set_dirty(pair, false);
    return !pair.dirty && pair.used_ms < idle_before_ms;
  });
  tell_probe();
}

void progress_shard_core::forget(const student_id& student) {
  for (auto& job : waiting_)
    if (job->credit.student == student)
      job->refuse(problem::unknown_device, "the student was erased");
  std::erase_if(waiting_, [&](const auto& job) { return job->credit.student == student; });
  if (!parked_.empty()) erased_in_flight_.push_back(student);
  pairs_.erase_if([&](held_pair& pair) {
    if (pair.key.student != student) return false;
    set_dirty(pair, false);
    return true;
  });
  // After what waited here: it was refused, which is not to be remembered either.
  if (deps_.watching) deps_.watching->student_erased(student);
  tell_probe();
}

void progress_shard_core::tick() {
  refill_if_wanted();
  tell_probe();
}

void progress_shard_core::refill_if_wanted() {
  const auto epoch = deps_.hot.refill_epoch.load(std::memory_order_acquire);
  if (epoch == refill_epoch_) return;
  if (epoch != handing_epoch_)
    pairs_.visit_while([](held_pair& pair) {
      pair.handed_over = false;
      return true;
    });
  handing_epoch_ = epoch;
  std::vector<storage::pair_progress> unsaved;
  std::vector<held_pair*> of_them;
  const auto hand_over = [&] {
    const bool taken = unsaved.empty() || deps_.services.refill(std::move(unsaved));
    if (taken)
      for (auto* pair : of_them) pair->handed_over = true;
    unsaved.clear();
    of_them.clear();
    return taken;
  };
  // Where too many wait the next tick goes on with those that are left.
  bool all_taken = true;
  pairs_.visit_while([&](held_pair& pair) {
    if (!pair.dirty || pair.handed_over) return true;
    pair.dirtied_ms = deps_.now();
    unsaved.push_back({pair.key, pair.state});
    of_them.push_back(&pair);
    if (unsaved.size() == storage_limits::checkpoint_batch_pairs_max) all_taken = hand_over();
    return all_taken;
  });
  if (all_taken && hand_over()) refill_epoch_ = epoch;
}

void progress_shard_core::make_room() {
  if (pairs_.size() < deps_.pairs_max) return;
  // Look at a few: a clean pair costs nothing to give up; a dirty one is in the hot store as well.
  const auto is_worse = [](const held_pair& a, const held_pair& b) {
    return a.dirty != b.dirty ? b.dirty : a.used_ms < b.used_ms;
  };
  held_pair* candidate = nullptr;
  std::size_t looked_at = 0;
  pairs_.visit_while([&](held_pair& pair) {
    if (!candidate || is_worse(pair, *candidate)) candidate = &pair;
    return ++looked_at < 32;
  });
  if (!candidate) return;
  set_dirty(*candidate, false);
  pairs_.erase(*candidate);
}

void progress_shard_core::set_dirty(held_pair& pair, bool dirty) noexcept {
  if (pair.dirty == dirty) return;
  pair.dirty = dirty;
  if (dirty)
    ++dirty_;
  else
    --dirty_;
}

void progress_shard_core::tell_probe() noexcept {
  deps_.probe.pairs.store(pairs_.size(), std::memory_order_relaxed);
  deps_.probe.dirty.store(dirty_, std::memory_order_relaxed);
  deps_.probe.parked.store(parked_.size(), std::memory_order_relaxed);
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
  // An actor that throws is simply gone: what is sent to it is lost, and its students would be told
  // `overloaded` for ever. Every acknowledgement is in a store: a new process goes on from there.
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
      [self](progress_wanted& message) { self->state.core->asked(std::move(message.query)); },
      [self](progress_found& message) { self->state.core->found(*message.query, *message.found); },
      [self](checkpoint_done message) {
        self->state.core->checkpointed(message.started_ms, message.now_ms);
      },
      [self](student_erased& message) {
        self->state.core->forget(message.student);
        if (message.forgotten) message.forgotten->set_value();
      },
      [self](shard_tick) { self->state.core->tick(); },
  };
}

}  // namespace watchkeeper::actors
