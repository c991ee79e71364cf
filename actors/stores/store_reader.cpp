#include "actors/stores/store_reader.hpp"
#include "actors/shared/actor_limits.hpp"

#include <pthread.h>

#include <algorithm>
#include <string_view>

namespace watchkeeper::actors {

namespace {
constexpr std::chrono::milliseconds reader_idle_wait{1000};
constexpr std::size_t devices_per_question_max = 512;
constexpr std::string_view unreadable = "the registry cannot be read at the moment";
}  // namespace

store_reader::store_reader(dependencies deps)
    : deps_(std::move(deps)),
      orders_(actor_limits::registry_lookups_queued_max),
      ledger_hangs_(deps_.ledger_successes),
      hot_hangs_(deps_.hot_successes) {
  thread_ = std::thread([this] {
    ::pthread_setname_np(::pthread_self(), "wk-reader");
    run();
  });
}

store_reader::~store_reader() {
  close();
}

void store_reader::close() {
  orders_.close();
  if (thread_.joinable()) thread_.join();
}

void store_reader::load(heartbeat_job_ptr job, registry_record missing) {
  (void)orders_.push(waiting_heartbeat{std::move(job), missing});
}

void store_reader::load(std::shared_ptr<progress_query> query) {
  (void)orders_.push(std::move(query));
}

store_reader::sources store_reader::sources_now() const {
  const auto now = deps_.time.monotonic_now();
  return {.ledger = !ledger_hangs_.blocks(now), .hot = !hot_hangs_.blocks(now)};
}

void store_reader::run() {
  sources failed_at_end{.ledger = false, .hot = false};
  while (!orders_.finished()) {
    auto taken = orders_.take_all(reader_idle_wait, devices_per_question_max);
    if (taken.empty()) {
      deps_.idle();
      continue;
    }
    try {
      std::vector<const waiting_heartbeat*> waiting;
      for (const auto& each : taken)
        if (const auto* heartbeat = std::get_if<waiting_heartbeat>(&each))
          waiting.push_back(heartbeat);
      auto asks = sources_now();
      asks.ledger = asks.ledger && !failed_at_end.ledger && read_devices(waiting);
      asks.hot = asks.hot && !failed_at_end.hot;
      // In the order in which they came: the tokens of a request must not overtake each other.
      for (auto& each : taken) serve(each, asks);
      // At the end a store that has failed is not asked again.
      if (orders_.closed()) failed_at_end = {.ledger = !asks.ledger, .hot = !asks.hot};
    } catch (const std::exception& e) {
      // The destructors of the orders that were not served report the failure.
      deps_.ledger_state.failed({storage::storage_error::unavailable, e.what()});
    }
  }
}

void store_reader::serve(order& taken, sources& asks) {
  if (const auto* query = std::get_if<std::shared_ptr<progress_query>>(&taken))
    return load_progress(*query, asks);
  auto& waiting = std::get<waiting_heartbeat>(taken);
  switch (waiting.missing) {
    case registry_record::device:
      return load_device(waiting, asks);
    case registry_record::module:
      return load_module(waiting.job, asks);
    case registry_record::assignment:
      return load_assignment(waiting.job, asks);
  }
}

void store_reader::load_device(waiting_heartbeat& waiting, sources& asks) {
  const auto is_cached = [&] {
    return deps_.registry_cache.find_device(waiting.job->token.device, deps_.time.monotonic_now())
        .is_cached;
  };
  // What was read while the registry forgot something is not stored: it may be from before the
  // change (a revoked device would still be good), although mostly another device changed. Read it
  // again.
  const auto* const alone = &waiting;
  for (int reads = 1; asks.ledger && !is_cached() && reads < device_reads_max; ++reads)
    asks.ledger = read_devices({&alone, 1});
  // A failure of the ledger is counted already; a device that changes faster than it is read is no
  // failure of the ledger.
  if (!is_cached()) return waiting.job->reject({problem::storage_unavailable, unreadable});
  deps_.loaded(std::move(waiting.job));
}

bool store_reader::read_devices(std::span<const waiting_heartbeat* const> waiting) {
  std::vector<thumbprint> kids;
  for (const auto* each : waiting)
    if (each->missing == registry_record::device &&
        !deps_.registry_cache.find_device(each->job->token.device, deps_.time.monotonic_now())
             .is_cached)
      kids.push_back(each->job->token.device);
  if (kids.empty()) return true;
  std::sort(kids.begin(), kids.end());
  kids.erase(std::unique(kids.begin(), kids.end()), kids.end());
  std::vector<std::uint64_t> generations;
  for (const auto& kid : kids) generations.push_back(deps_.registry_cache.generation(kid));
  const auto began = deps_.time.monotonic_now();
  auto records = deps_.ledger->get_devices(kids);
  if (!records) {
    ledger_hangs_.failed(began, deps_.time.monotonic_now());
    deps_.ledger_state.failed(records.error());
    return false;
  }
  for (std::size_t i = 0; i < kids.size(); ++i)
    deps_.registry_cache.put_device(kids[i], (*records)[i], generations[i],
                                    deps_.time.monotonic_now());
  return true;
}

template <class Read>
auto store_reader::read_ledger(sources& asks, Read read) -> decltype(read()) {
  if (!asks.ledger)
    return storage::storage_failure{storage::storage_error::unavailable,
                                    "the ledger failed just before"};
  const auto began = deps_.time.monotonic_now();
  auto found = read();
  if (!found) {
    deps_.ledger_state.failed(found.error());
    asks.ledger = found.error().code != storage::storage_error::unavailable;
    if (!asks.ledger) ledger_hangs_.failed(began, deps_.time.monotonic_now());
  }
  return found;
}

void store_reader::load_module(heartbeat_job_ptr& job, sources& asks) {
  const auto& id = job->token.claims.module;
  if (!deps_.registry_cache.find_module(id, deps_.time.monotonic_now()).is_cached) {
    const auto generation = deps_.registry_cache.generation(id);
    const auto record = read_ledger(asks, [&] { return deps_.ledger->get_module(id); });
    if (!record) return job->reject({problem::storage_unavailable, unreadable});
    deps_.registry_cache.put_module(id, *record, generation, deps_.time.monotonic_now());
    if (!*record) deps_.module_absent(*job);
  }
  deps_.loaded(std::move(job));
}

void store_reader::load_assignment(heartbeat_job_ptr& job, sources& asks) {
  const pair_key pair{job->token.claims.student, job->token.claims.module};
  const auto now = deps_.time.monotonic_now();
  // Without it the next screening asks for the device first.
  const auto device = deps_.registry_cache.find_device(job->token.device, now).entry;
  const auto epoch = device ? device->record.epoch : 0;
  if (device && !deps_.registry_cache.find_assignment(pair, epoch, now).is_cached) {
    const auto generation = deps_.registry_cache.generation(pair);
    const auto assigned = read_ledger(asks, [&] { return deps_.ledger->is_assigned(pair); });
    if (!assigned) return job->reject({problem::storage_unavailable, unreadable});
    deps_.registry_cache.put_assignment(pair, *assigned, epoch, generation,
                                        deps_.time.monotonic_now());
  }
  deps_.loaded(std::move(job));
}

std::optional<progress> store_reader::in_hot_store(const pair_key& key, sources& asks) {
  if (!asks.hot) return std::nullopt;
  const auto began = deps_.time.monotonic_now();
  auto found = deps_.hot->read({&key, 1});
  if (found) return std::move((*found)[0]);
  hot_hangs_.failed(began, deps_.time.monotonic_now());
  asks.hot = found.error().code != storage::storage_error::unavailable;
  return std::nullopt;
}

void store_reader::load_progress(const std::shared_ptr<progress_query>& query, sources& asks) {
  using reply_type = storage::stored<std::optional<progress>>;
  auto reply = std::make_shared<reply_type>(in_hot_store(query->key, asks));
  auto& found = reply->value();
  if (!found || (deps_.is_degraded && deps_.is_degraded())) {
    const auto row = read_ledger(asks, [&] { return deps_.ledger->read({&query->key, 1}); });
    if (!row && !found)
      *reply = row.error();
    else if (row && (*row)[0] && found)
      merge(*found, *(*row)[0]);
    else if (row && (*row)[0])
      found = (*row)[0];
  }
  deps_.found({query, std::move(reply)});
}

}  // namespace watchkeeper::actors
