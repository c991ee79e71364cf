// Heartbeats whose look-up is overtaken by a change of the record that it reads.
#include "actors/stores/store_reader.hpp"

#include <atomic>
#include <boost/test/unit_test.hpp>
#include <future>
#include <map>
#include <thread>
#include <utility>

#include "tests/actors/credit/session_world.hpp"
#include "tests/actors/simulation/simulated_ledger.hpp"

using namespace watchkeeper;
using namespace watchkeeper::actors;
using namespace watchkeeper::actors::testing;

namespace {

/// A ledger of devices. The test can change it during each call.
class device_ledger final : public simulated_ledger {
 public:
  using simulated_ledger::simulated_ledger;
  storage::stored<std::vector<std::optional<device_record>>> get_devices(
      std::span<const thumbprint> kids) override {
    ++questions;
    std::vector<std::optional<device_record>> found;
    for (const auto& kid : kids) {
      const auto row = devices.find(kid);
      found.push_back(row == devices.end() ? std::nullopt : std::optional(row->second));
    }
    // After the row was read, before the reader has it. A copy, because it may replace itself.
    if (const auto change = meanwhile) change();
    if (is_away) return storage::storage_failure{storage::storage_error::unavailable, "away"};
    return found;
  }
  storage::stored<std::optional<module_record>> get_module(const module_id&) override {
    ++questions;
    if (const auto change = meanwhile) change();
    if (is_away) return storage::storage_failure{storage::storage_error::unavailable, "away"};
    return std::optional<module_record>{};  // none is there
  }
  std::map<thumbprint, device_record> devices;
  std::function<void()> meanwhile;
  bool is_away = false;
  int questions = 0;
};

/// A reader with its thread. Heartbeats that come back from it are screened, as in the gateway.
struct reading : world {
  reading() {
    device(signer);
    auto made = std::make_unique<device_ledger>(shared, plan, never);
    ledger = made.get();
    ledger->devices = enrolled;
    reader = std::make_unique<store_reader>(store_reader::dependencies{
        .hot = std::make_unique<storage::faulty_store>(inner,
                                                       [this](std::string_view) {
                                                         ++hot_questions;
                                                         if (!hot_hangs)
                                                           return storage::store_fault::none;
                                                         clock.advance(2'000);
                                                         return storage::store_fault::lost_request;
                                                       }),
        .ledger = std::move(made),
        .registry_cache = registry_cache,
        .ledger_state = ledger_state,
        .time = clock,
        .is_degraded = [this] { return is_degraded.load(); },
        .loaded =
            [this](heartbeat_job_ptr job) {
              const auto screened =
                  screen_job(*job, policy, registry_cache, addresses, clock.monotonic_now());
              if (const auto* cause = std::get_if<rejection>(&screened)) {
                job->reject(*cause);
              } else if (std::holds_alternative<ok_t>(screened)) {
                ++passed;
                credit_outcome outcome;
                outcome.status = credit_status::credited;
                job->report(outcome);
              }
            },
        .module_absent =
            [this](const heartbeat_job& job) { addresses.failed(job.peer, clock.monotonic_now()); },
        .found =
            [this](const progress_found& reply) {
              ++found;
              last_found = *reply.found;
            },
        .idle =
            [this] {
              if (!std::exchange(was_idle, true)) idle.set_value();
            }});
  }
  ~reading() { reader->close(); }
  void device(const crypto::device_signer& which) {
    enrolled[which.kid()] = {which.kid(), student(1), which.public_key(), false, clock.wall_now()};
    registry_cache.forget_device(which.kid());
  }
  void load(const crypto::device_signer& by, std::uint32_t sequence) {
    auto one = job(by.sign_token(claims(sequence)));
    BOOST_REQUIRE(parse_job(*one, policy, clock.wall_now()).has_value());
    reader->load(std::move(one), registry_record::device);
  }
  /// Ends the reader, which serves what it had first.
  const std::vector<heartbeat_result>& results() {
    reader->close();
    return listener->results;
  }
  std::map<thumbprint, device_record> enrolled;
  test::ledger_model shared{.has_everybody = true};
  store_weather fine;
  store_link link;
  fate never;
  std::mt19937_64 random{1};
  weather_plan plan{fine, link, never, random};
  ledger_probe ledger_state;
  device_ledger* ledger = nullptr;  // the reader's
  storage::memory_store inner{10};
  bool hot_hangs = false;  // for two seconds, each time
  int hot_questions = 0;
  std::atomic<bool> is_degraded{false};
  int passed = 0, found = 0;
  storage::stored<std::optional<progress>> last_found = std::optional<progress>{};
  bool was_idle = false;
  std::promise<void> idle;
  std::unique_ptr<store_reader> reader;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(store_reading)

BOOST_AUTO_TEST_CASE(a_device_that_is_revoked_during_its_read_is_rejected_once_as_revoked) {
  reading r;
  r.ledger->meanwhile = [&] {
    r.ledger->meanwhile = {};
    r.ledger->devices[r.signer.kid()].revoked = true;
    r.registry_cache.forget_device(r.signer.kid());
  };
  r.load(r.signer, 0);
  const auto& results = r.results();
  BOOST_REQUIRE_EQUAL(results.size(), 1u);
  BOOST_TEST(results[0].outcome.why == problem::revoked_device);
  BOOST_TEST(r.passed == 0);
  BOOST_TEST(r.ledger->questions == 2);
}

BOOST_AUTO_TEST_CASE(made_up_modules_count_against_their_address) {
  reading r;  // an address may fail five times at once
  r.enrol(r.signer, student(1));
  for (int i = 0; i < 7; ++i) {
    auto made_up = r.claims(static_cast<std::uint32_t>(i));
    made_up.module = module_named("made-up-" + std::to_string(i));
    auto one = r.job(r.signer.sign_token(made_up));
    BOOST_REQUIRE(parse_job(*one, r.policy, r.clock.wall_now()).has_value());
    r.reader->load(std::move(one), registry_record::module);
  }
  const auto& results = r.results();
  BOOST_REQUIRE_EQUAL(results.size(), 7u);
  for (std::size_t i = 0; i < 4; ++i) BOOST_TEST(results[i].outcome.why == problem::unknown_module);
  for (std::size_t i = 4; i < 7; ++i) BOOST_TEST(results[i].outcome.why == problem::rate_limited);
}

BOOST_AUTO_TEST_CASE(a_change_of_another_record_rejects_no_heartbeat) {
  reading r;
  r.ledger->meanwhile = [&] {
    r.ledger->meanwhile = {};
    r.registry_cache.forget_student(
        student(99));  // every stripe of the registry has forgotten something
  };
  r.load(r.signer, 0);
  const auto& results = r.results();
  BOOST_REQUIRE_EQUAL(results.size(), 1u);
  BOOST_TEST(results[0].outcome.status == credit_status::credited);
  BOOST_TEST(r.ledger_state.failures == 0u);
}

BOOST_AUTO_TEST_CASE(a_read_that_is_overtaken_again_and_again_rejects_the_heartbeat) {
  reading r;
  r.ledger->meanwhile = [&] { r.registry_cache.forget_device(r.signer.kid()); };
  r.load(r.signer, 0);
  const auto& results = r.results();
  BOOST_REQUIRE_EQUAL(results.size(), 1u);
  BOOST_TEST(results[0].outcome.why == problem::storage_unavailable);
  BOOST_TEST(r.ledger->questions == store_reader::device_reads_max);
}

BOOST_AUTO_TEST_CASE(a_reader_without_work_calls_idle) {
  reading r;
  r.load(r.signer, 0);
  r.idle.get_future().wait();  // while it runs
  BOOST_TEST(r.passed == 1);
}

BOOST_AUTO_TEST_CASE(a_ledger_that_is_away_is_read_once_for_all_that_wait) {
  reading r;
  std::vector<crypto::device_signer> devices;
  for (int i = 0; i < 3; ++i)
    r.device(devices.emplace_back(crypto::device_signer::generate(signature_algorithm::es256)));
  std::promise<void> asked, queued;
  r.ledger->meanwhile = [&] {
    r.ledger->meanwhile = {};
    r.ledger->is_away = true;
    asked.set_value();
    queued.get_future().wait();
  };
  r.load(r.signer, 0);
  asked.get_future().wait();  // the others wait together
  for (const auto& device : devices) r.load(device, 1);
  queued.set_value();
  const auto& results = r.results();
  BOOST_REQUIRE_EQUAL(results.size(), 4u);
  for (const auto& result : results) BOOST_TEST(result.outcome.why == problem::storage_unavailable);
  // Not twice, even if the reader is closed before the first reply.
  BOOST_TEST(r.ledger->questions <= 2);
}

BOOST_AUTO_TEST_CASE(a_ledger_that_is_away_is_read_once_for_modules_and_for_all_at_the_end) {
  reading r;
  r.enrol(r.signer, student(1));
  std::promise<void> asked, queued;
  r.ledger->meanwhile = [&] {
    r.ledger->meanwhile = {};
    r.ledger->is_away = true;
    asked.set_value();
    queued.get_future().wait();
  };
  const auto load = [&](std::uint32_t sequence) {
    auto claims = r.claims(sequence);
    claims.module = module_named("module-" + std::to_string(sequence));
    auto one = r.job(r.signer.sign_token(claims));
    BOOST_REQUIRE(parse_job(*one, r.policy, r.clock.wall_now()).has_value());
    r.reader->load(std::move(one), registry_record::module);
  };
  load(0);
  asked.get_future().wait();
  std::uint32_t last = 0;
  while (last < 1200) load(++last);  // 512 are taken at a time
  std::thread end([&] { r.reader->close(); });
  // Once it is closed, heartbeats are rejected at once, although the reader itself still waits.
  while (r.listener->results.empty() && last < 10'000) load(++last);
  queued.set_value();
  end.join();
  const auto& results = r.results();
  BOOST_REQUIRE_EQUAL(results.size(), last + 1);
  BOOST_TEST(results[0].outcome.why == problem::overloaded);
  for (std::size_t i = 1; i < results.size(); ++i)
    BOOST_TEST(results[i].outcome.why == problem::storage_unavailable);
  BOOST_TEST(r.ledger->questions == 1);
}

BOOST_AUTO_TEST_CASE(a_hot_store_that_hangs_is_read_once_for_all_queries) {
  reading r;
  r.hot_hangs = true;
  const auto began = r.clock.monotonic_now();
  for (int who = 0; who < 1200; ++who)
    r.reader->load(std::make_shared<progress_query>(pair_key{student(who), module_named("m1")}));
  (void)r.results();
  BOOST_TEST(r.found == 1200);  // each has its reply, from the ledger
  BOOST_TEST(r.hot_questions == 1);
  BOOST_TEST(r.clock.monotonic_now() == began + 2'000);
}

// The hot store can be read, but is refused or does not keep: the ledger has what came since.
BOOST_AUTO_TEST_CASE(while_degraded_both_stores_are_read) {
  const auto covered_with = [](bool is_degraded, bool ledger_is_away) {
    reading r;
    const pair_key key{student(1), module_named("m1")};
    const auto played = [&](media_ms from_ms, media_ms to_ms) {
      progress state{.life = {1, 1}, .duration_ms = 600'000, .updated_ms = r.clock.wall_now()};
      state.covered.add({from_ms, to_ms});
      return storage::pair_progress{key, state};
    };
    const auto in_hot = played(0, 10'000), in_ledger = played(10'000, 30'000);
    BOOST_REQUIRE(
        r.inner.merge({&in_hot, 1}, storage::merge_origin::ledger_and_memory).has_value());
    (void)r.shared.checkpoint({in_ledger}, r.clock.wall_now());
    r.link.is_cut = ledger_is_away;
    r.is_degraded = is_degraded;
    r.reader->load(std::make_shared<progress_query>(key));
    (void)r.results();
    BOOST_REQUIRE_EQUAL(r.found, 1);
    BOOST_REQUIRE(r.last_found.has_value() && r.last_found->has_value());
    return (*r.last_found)->covered.covered_ms();
  };
  BOOST_TEST(covered_with(false, false) == 10'000);
  BOOST_TEST(covered_with(true, false) == 30'000);
  BOOST_TEST(covered_with(true, true) == 10'000);  // better than nothing
}

BOOST_AUTO_TEST_SUITE_END()
