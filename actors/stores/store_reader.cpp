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

void store_reader::load(heartbeat_job_ptr job, missing what) {
  // Let go of unanswered when the queue is full: the job then answers `overloaded` by itself.
  (void)orders_.push({std::move(job), what, nullptr});
}

void store_reader::load(std::shared_ptr<progress_query> query) {
  (void)orders_.push({nullptr, missing::device, std::move(query)});
}

store_reader::sources store_reader::sources_now() const {
  const auto now_ms = deps_.now();
  return {.ledger = !ledger_hangs_.blocks(now_ms), .hot = !hot_hangs_.blocks(now_ms)};
}

void store_reader::run() {
  sources given_up{.ledger = false, .hot = false};
  while (!orders_.finished()) {
    auto taken = orders_.take_all(reader_idle_wait, devices_per_question_max);
    if (taken.empty()) {
      deps_.idle();
      continue;
    }
    try {
      auto asks = sources_now();
      asks.ledger = asks.ledger && !given_up.ledger && read_devices(taken);
      asks.hot = asks.hot && !given_up.hot;
      // In the order in which they came: the tokens of a request must not overtake each other.
      for (auto& each : taken) serve(each, asks);
      // At the end a store that has failed is not asked again at all.
      if (orders_.closed()) given_up = {.ledger = !asks.ledger, .hot = !asks.hot};
    } catch (const std::exception& e) {
      // What was not served answers by itself when it is let go of.
      deps_.behind_probe.failed({storage::storage_error::unavailable, e.what()});
    }
  }
}

void store_reader::serve(order& taken, sources& asks) {
  if (taken.query) return answer(taken.query, asks);
  if (taken.what == missing::module) return load_module(taken.job, asks);
  if (taken.what == missing::assignment) return load_assignment(taken.job, asks);
  load_device(taken, asks);
}

void store_reader::load_device(order& taken, sources& asks) {
  const auto known = [&] {
    return deps_.known.find_device(taken.job->token.device, deps_.now()).found;
  };
  // What was read while the registry forgot something is not kept: it may be from before the change
  // (a revoked device would still be good), and more often it is another device's. Read it again.
  for (int reads = 1; asks.ledger && !known() && reads < device_reads_max; ++reads)
    asks.ledger = read_devices({&taken, 1});
  // That the ledger failed is noted already; a device that changes faster than it is read is no
  // failure of it.
  if (!known()) return taken.job->refuse(problem::storage_unavailable, unreadable);
  deps_.screened_again(std::move(taken.job));
}

/// All devices that are missing, with one question.
bool store_reader::read_devices(std::span<const order> orders) {
  std::vector<thumbprint> kids;
  for (const auto& each : orders)
    if (each.job && each.what == missing::device &&
        !deps_.known.find_device(each.job->token.device, deps_.now()).found)
      kids.push_back(each.job->token.device);
  if (kids.empty()) return true;
  std::sort(kids.begin(), kids.end());
  kids.erase(std::unique(kids.begin(), kids.end()), kids.end());
  std::vector<std::uint64_t> generations;
  for (const auto& kid : kids) generations.push_back(deps_.known.generation(kid));
  const auto began_ms = deps_.now();
  auto records = deps_.behind->get_devices(kids);
  if (!records) {
    ledger_hangs_.failed(began_ms, deps_.now());
    deps_.behind_probe.failed(records.error());
    return false;
  }
  for (std::size_t i = 0; i < kids.size(); ++i)
    deps_.known.keep_device(kids[i], (*records)[i], generations[i], deps_.now());
  return true;
}

template <class Ask>
auto store_reader::asked(sources& asks, Ask ask) -> decltype(ask()) {
  if (!asks.ledger)
    return storage::storage_failure{storage::storage_error::unavailable,
                                    "the ledger failed just before"};
  const auto began_ms = deps_.now();
  auto found = ask();
  if (!found) {
    deps_.behind_probe.failed(found.error());
    asks.ledger = found.error().code != storage::storage_error::unavailable;
    if (!asks.ledger) ledger_hangs_.failed(began_ms, deps_.now());
  }
  return found;
}

void store_reader::load_module(heartbeat_job_ptr& job, sources& asks) {
  const auto& id = job->token.claims.module;
  if (!deps_.known.find_module(id, deps_.now()).found) {
    const auto generation = deps_.known.generation(id);
    const auto record = asked(asks, [&] { return deps_.behind->get_module(id); });
    if (!record) return job->refuse(problem::storage_unavailable, unreadable);
    deps_.known.keep_module(id, *record, generation, deps_.now());
    if (!*record) deps_.in_vain(*job);
  }
  deps_.screened_again(std::move(job));
}

void store_reader::load_assignment(heartbeat_job_ptr& job, sources& asks) {
  const pair_key pair{job->token.claims.student, job->token.claims.module};
  if (!deps_.known.find_assignment(pair, deps_.now()).found) {
    const auto generation = deps_.known.generation(pair);
    const auto assigned = asked(asks, [&] { return deps_.behind->is_assigned(pair); });
    if (!assigned) return job->refuse(problem::storage_unavailable, unreadable);
    deps_.known.keep_assignment(pair, *assigned, generation, deps_.now());
  }
  deps_.screened_again(std::move(job));
}

std::optional<progress> store_reader::in_hot_store(const pair_key& key, sources& asks) {
  if (!asks.hot) return std::nullopt;
  const auto began_ms = deps_.now();
  auto held = deps_.hot->read({&key, 1});
  if (held) return std::move((*held)[0]);
  hot_hangs_.failed(began_ms, deps_.now());
  asks.hot = held.error().code != storage::storage_error::unavailable;
  return std::nullopt;
}

void store_reader::answer(const std::shared_ptr<progress_query>& query, sources& asks) {
  using answer_type = storage::stored<std::optional<progress>>;
  auto result = std::make_shared<answer_type>(in_hot_store(query->key, asks));
  if (!result->value()) {
    const auto row = asked(asks, [&] { return deps_.behind->read({&query->key, 1}); });
    *result = row ? answer_type((*row)[0]) : answer_type(row.error());
  }
  deps_.found({query, std::move(result)});
}

}  // namespace watchkeeper::actors
