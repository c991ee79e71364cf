#include "actors/store_reader.hpp"

#include <pthread.h>

#include <algorithm>
#include <string_view>

namespace watchkeeper::actors {

namespace {
constexpr std::chrono::milliseconds idle_wait{1000};
constexpr std::size_t devices_per_question_max = 512;
constexpr std::string_view unreadable = "the registry cannot be read at the moment";
}  // namespace

store_reader::store_reader(surroundings around)
    : around_(std::move(around)), orders_(limits::registry_lookups_queued_max) {
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

void store_reader::run() {
  bool given_up = false;
  while (!orders_.finished()) {
    auto taken = orders_.take_all(idle_wait, devices_per_question_max);
    if (taken.empty()) {
      around_.idle();
      continue;
    }
    try {
      // Once it has failed the others that were taken with it do not wait for it one by one, and at
      // the end none does: each would take seconds.
      bool ledger_answers = !given_up && read_devices(taken);
      // In the order in which they came: the tokens of a request must not overtake each other.
      for (auto& each : taken) serve(each, ledger_answers);
      given_up = !ledger_answers && orders_.closed();
    } catch (const std::exception& e) {
      // What was not served answers by itself when it is let go of.
      around_.behind_probe.failed({storage_error::unavailable, e.what()});
    }
  }
}

void store_reader::serve(order& taken, bool& ledger_answers) {
  if (taken.query) return answer(taken.query, ledger_answers);
  if (taken.what == lacking::module) return supply_module(taken.job, ledger_answers);
  if (taken.what == lacking::assignment) return supply_assignment(taken.job, ledger_answers);
  supply_device(taken, ledger_answers);
}

void store_reader::supply_device(order& taken, bool& ledger_answers) {
  const auto known = [&] {
    return around_.known.find_device(taken.job->token.device, around_.now()).known;
  };
  // What was read while the registry forgot something is not kept: it may be from before the change
  // (a revoked device would still be good), and more often it is another device's. Read it again.
  for (int reads = 1; ledger_answers && !known() && reads < device_reads_max; ++reads)
    ledger_answers = read_devices({&taken, 1});
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
  auto records = around_.behind->get_devices(kids);
  if (!records) {
    around_.behind_probe.failed(records.error());
    return false;
  }
  for (std::size_t i = 0; i < kids.size(); ++i)
    around_.known.keep_device(kids[i], (*records)[i], generations[i], around_.now());
  return true;
}

template <class Ask>
auto store_reader::asked(bool& ledger_answers, Ask ask) -> decltype(ask()) {
  if (!ledger_answers)
    return storage_failure{storage_error::unavailable, "the ledger failed just before"};
  auto found = ask();
  if (!found) {
    around_.behind_probe.failed(found.error());
    ledger_answers = found.error().code != storage_error::unavailable;
  }
  return found;
}

void store_reader::supply_module(heartbeat_job_ptr& job, bool& ledger_answers) {
  const auto& id = job->token.claims.module;
  if (!around_.known.find_module(id, around_.now()).known) {
    const auto generation = around_.known.generation(id);
    const auto record = asked(ledger_answers, [&] { return around_.behind->get_module(id); });
    if (!record) return job->refuse(problem::storage_unavailable, unreadable);
    around_.known.keep_module(id, *record, generation, around_.now());
    if (!*record) around_.in_vain(*job);
  }
  around_.screened_again(std::move(job));
}

void store_reader::supply_assignment(heartbeat_job_ptr& job, bool& ledger_answers) {
  const pair_key pair{job->token.claims.student, job->token.claims.module};
  if (!around_.known.find_assignment(pair, around_.now()).known) {
    const auto generation = around_.known.generation(pair);
    const auto assigned = asked(ledger_answers, [&] { return around_.behind->is_assigned(pair); });
    if (!assigned) return job->refuse(problem::storage_unavailable, unreadable);
    around_.known.keep_assignment(pair, *assigned, generation, around_.now());
  }
  around_.screened_again(std::move(job));
}

void store_reader::answer(const std::shared_ptr<progress_query>& query, bool& ledger_answers) {
  using answer_type = stored<std::optional<progress>>;
  const pair_key keys[] = {query->key};
  auto result = std::make_shared<answer_type>(std::optional<progress>{});
  auto hot = around_.hot->read(keys);
  const bool in_hot = hot && (*hot)[0];
  auto row = in_hot ? stored<std::vector<std::optional<progress>>>(
                          std::vector<std::optional<progress>>{std::nullopt})
                    : asked(ledger_answers, [&] { return around_.behind->read(keys); });
  if (in_hot) {
    *result = answer_type((*hot)[0]);
  } else if (!row) {
    *result = answer_type(row.error());
  } else {
    *result = answer_type((*row)[0]);
  }
  around_.found({query, std::move(result)});
}

}  // namespace watchkeeper::actors
