#include "actors/stores/store_reader.hpp"

#include <pthread.h>

#include <algorithm>
#include <string_view>

namespace watchkeeper::actors {

namespace {
constexpr std::chrono::milliseconds reader_idle_wait{1000};
constexpr std::size_t devices_per_question_max = 512;
constexpr std::string_view unreadable = "the registry cannot be read at the moment";
}  // namespace

store_reader::store_reader(surroundings around)
    : around_(std::move(around)),
      orders_(limits::registry_lookups_queued_max),
      ledger_hangs_(around_.ledger_answered_elsewhere),
      hot_hangs_(around_.hot_answered_elsewhere) {
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

void store_reader::supply(heartbeat_job_ptr job, lacking what) {
  // Let go of unanswered when the queue is full: the job then answers `overloaded` by itself.
  (void)orders_.push({std::move(job), what, nullptr});
}

void store_reader::load(std::shared_ptr<progress_query> query) {
  (void)orders_.push({nullptr, lacking::device, std::move(query)});
}

store_reader::sources store_reader::sources_now() const {
  const auto now_ms = around_.now();
  return {.ledger = !ledger_hangs_.blocks(now_ms), .hot = !hot_hangs_.blocks(now_ms)};
}

void store_reader::run() {
  sources given_up{.ledger = false, .hot = false};
  while (!orders_.finished()) {
    auto taken = orders_.take_all(reader_idle_wait, devices_per_question_max);
    if (taken.empty()) {
      around_.idle();
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
      around_.behind_probe.failed({storage::storage_error::unavailable, e.what()});
    }
  }
}

void store_reader::serve(order& taken, sources& asks) {
  if (taken.query) return answer(taken.query, asks);
  if (taken.what == lacking::module) return supply_module(taken.job, asks);
  if (taken.what == lacking::assignment) return supply_assignment(taken.job, asks);
  supply_device(taken, asks);
}

void store_reader::supply_device(order& taken, sources& asks) {
  const auto known = [&] {
    return around_.known.find_device(taken.job->token.device, around_.now()).known;
  };
  // What was read while the registry forgot something is not kept: it may be from before the change
  // (a revoked device would still be good), and more often it is another device's. Read it again.
  for (int reads = 1; asks.ledger && !known() && reads < device_reads_max; ++reads)
    asks.ledger = read_devices({&taken, 1});
  // That the ledger failed is noted already; a device that changes faster than it is read is no
  // failure of it.
  if (!known()) return taken.job->refuse(problem::storage_unavailable, unreadable);
  around_.screened_again(std::move(taken.job));
}

/// All devices that are lacking, with one question.
bool store_reader::read_devices(std::span<const order> orders) {
  std::vector<thumbprint> kids;
  for (const auto& each : orders)
    if (each.job && each.what == lacking::device &&
        !around_.known.find_device(each.job->token.device, around_.now()).known)
      kids.push_back(each.job->token.device);
  if (kids.empty()) return true;
  std::sort(kids.begin(), kids.end());
  kids.erase(std::unique(kids.begin(), kids.end()), kids.end());
  std::vector<std::uint64_t> generations;
  for (const auto& kid : kids) generations.push_back(around_.known.generation(kid));
  const auto began_ms = around_.now();
  auto records = around_.behind->get_devices(kids);
  if (!records) {
    ledger_hangs_.failed(began_ms, around_.now());
    around_.behind_probe.failed(records.error());
    return false;
  }
  for (std::size_t i = 0; i < kids.size(); ++i)
    around_.known.keep_device(kids[i], (*records)[i], generations[i], around_.now());
  return true;
}

template <class Ask>
auto store_reader::asked(sources& asks, Ask ask) -> decltype(ask()) {
  if (!asks.ledger)
    return storage::storage_failure{storage::storage_error::unavailable,
                                    "the ledger failed just before"};
  const auto began_ms = around_.now();
  auto found = ask();
  if (!found) {
    around_.behind_probe.failed(found.error());
    asks.ledger = found.error().code != storage::storage_error::unavailable;
    if (!asks.ledger) ledger_hangs_.failed(began_ms, around_.now());
  }
  return found;
}

void store_reader::supply_module(heartbeat_job_ptr& job, sources& asks) {
  const auto& id = job->token.claims.module;
  if (!around_.known.find_module(id, around_.now()).known) {
    const auto generation = around_.known.generation(id);
    const auto record = asked(asks, [&] { return around_.behind->get_module(id); });
    if (!record) return job->refuse(problem::storage_unavailable, unreadable);
    around_.known.keep_module(id, *record, generation, around_.now());
    if (!*record) around_.in_vain(*job);
  }
  around_.screened_again(std::move(job));
}

void store_reader::supply_assignment(heartbeat_job_ptr& job, sources& asks) {
  const pair_key pair{job->token.claims.student, job->token.claims.module};
  if (!around_.known.find_assignment(pair, around_.now()).known) {
    const auto generation = around_.known.generation(pair);
    const auto assigned = asked(asks, [&] { return around_.behind->is_assigned(pair); });
    if (!assigned) return job->refuse(problem::storage_unavailable, unreadable);
    around_.known.keep_assignment(pair, *assigned, generation, around_.now());
  }
  around_.screened_again(std::move(job));
}

std::optional<progress> store_reader::in_hot_store(const pair_key& key, sources& asks) {
  if (!asks.hot) return std::nullopt;
  const auto began_ms = around_.now();
  auto held = around_.hot->read({&key, 1});
  if (held) return std::move((*held)[0]);
  hot_hangs_.failed(began_ms, around_.now());
  asks.hot = held.error().code != storage::storage_error::unavailable;
  return std::nullopt;
}

void store_reader::answer(const std::shared_ptr<progress_query>& query, sources& asks) {
  using answer_type = storage::stored<std::optional<progress>>;
  auto result = std::make_shared<answer_type>(in_hot_store(query->key, asks));
  if (!result->value()) {
    const auto row = asked(asks, [&] { return around_.behind->read({&query->key, 1}); });
    *result = row ? answer_type((*row)[0]) : answer_type(row.error());
  }
  around_.found({query, std::move(result)});
}

}  // namespace watchkeeper::actors
