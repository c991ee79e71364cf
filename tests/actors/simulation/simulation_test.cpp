#include <boost/test/unit_test.hpp>
#include <caf/actor_system.hpp>
#include <caf/scheduler/test_coordinator.hpp>
#include <caf/send.hpp>
#include <cstdlib>
#include <map>
#include <random>
#include <set>

#include "actors/credit/progress_shard.hpp"
#include "actors/credit/session.hpp"
#include "actors/shared/actor_limits.hpp"
#include "storage/memory/faulty_store.hpp"
#include "storage/memory/memory_store.hpp"
#include "tests/actors/support.hpp"
#include "tests/actors/testing_system.hpp"

/// A seeded simulation: real session and shard actors on CAF's testing scheduler, whose job queue
/// is reordered from the seed; a hot store with faults; devices that retry. The results that the
/// devices got must match the coverage in the store.
///
/// replay: WATCHKEEPER_SEED=<seed> actors_test --run_test=simulation

using namespace watchkeeper;
using namespace watchkeeper::actors;
using namespace watchkeeper::actors::testing;

namespace {

constexpr int student_count = 4;
constexpr media_ms duration_ms = 200'000;

/// Services of the shards that run when the simulation gives them a turn.
struct simulated_services final : shard_services {
  void store(std::shared_ptr<credit_batch> batch) override { batches.push_back(std::move(batch)); }
  void load_rows(std::shared_ptr<credit_batch>) override {}  // the hot store lacks nothing
  bool refill(std::vector<storage::pair_progress>) override { return true; }
  void load(std::shared_ptr<progress_query>) override {}
  void checkpoint_now(std::vector<storage::pair_progress> pairs) override {
    for (const auto& pair : pairs) ++mastered[pair.key];
  }
  void forget_device(const thumbprint&) override {}
  std::vector<std::shared_ptr<credit_batch>> batches;
  std::map<pair_key, int> mastered;
};

struct simulated_device {
  crypto::device_signer signer = crypto::device_signer::generate(signature_algorithm::es256);
  std::shared_ptr<result_recorder> listener = std::make_shared<result_recorder>();
  std::vector<media_interval> played;  // by sequence number
  std::set<std::uint32_t> acknowledged;
  std::map<std::uint32_t, media_ms> credited_ms;  // by its results
  std::size_t read = 0;                           // results that were read
};

class simulation {
 public:
  explicit simulation(std::uint64_t seed)
      : random_(seed), system_(config_), addresses_({10'000, 1000}, seed) {
    for (std::uint32_t i = 0; i < 2; ++i)
      shards_.push_back(system_.spawn(progress_shard, shard_dependencies{.index = i,
                                                                         .services = services_,
                                                                         .probe = shard_probes_[i],
                                                                         .hot = hot_probe_,
                                                                         .time = clock_,
                                                                         .pairs_max = 3}));
    deps_.emplace(session_dependencies{.policy = policy_,
                                       .addresses = addresses_,
                                       .probe = verifications_,
                                       .shards = shards_,
                                       .time = clock_,
                                       .verified = [](const auto&, const auto&, mono_ms) {}});
    for (int i = 0; i < student_count; ++i) sessions_.push_back(system_.spawn(session, &*deps_));
  }
  ~simulation() {
    for (auto& actor : sessions_) caf::anon_send_exit(actor, caf::exit_reason::kill);
    for (auto& actor : shards_) caf::anon_send_exit(actor, caf::exit_reason::kill);
    sessions_.clear();
    shards_.clear();
    scheduler().run();
  }

  void run() {
    for (int step = 0; step < 150; ++step) {
      switch (below(6)) {
        case 0:
        case 1:
          play();
          break;
        case 2:
          retry();
          break;
        case 3:
        case 4:
          turn_of_an_actor();
          break;
        case 5:
          turn_of_the_store();
          break;
      }
      clock_.advance(static_cast<std::int64_t>(below(4000)));
    }
    settle();
    check();
  }
  std::int64_t credited_ms() const {
    std::int64_t total = 0;
    for (const auto& device : devices_)
      for (const auto& [sequence, length_ms] : device.credited_ms) total += length_ms;
    return total;
  }
  std::size_t rejected() const { return rejected_; }

 private:
  std::uint64_t below(std::uint64_t bound) { return random_() % bound; }
  caf::scheduler::test_coordinator& scheduler() {
    return dynamic_cast<caf::scheduler::test_coordinator&>(system_.scheduler());
  }

  void play() {
    const auto who = below(student_count);
    auto& device = devices_[who];
    // Mostly on from where it was, sometimes after a seek.
    media_ms from_ms = device.played.empty() ? 0 : device.played.back().to_ms;
    if (below(5) == 0) from_ms = static_cast<media_ms>(below(duration_ms));
    if (from_ms >= duration_ms - 1000) from_ms = 0;
    const auto length_ms = static_cast<media_ms>(1000 + below(9000));
    device.played.push_back({from_ms, std::min(from_ms + length_ms, duration_ms)});
    send(who, static_cast<std::uint32_t>(device.played.size() - 1));
  }

  void retry() {
    const auto who = below(student_count);
    auto& device = devices_[who];
    read_results(device);
    for (std::uint32_t i = 0; i < device.played.size(); ++i)
      if (!device.acknowledged.contains(i)) return send(who, i);
  }

  void send(std::size_t who, std::uint32_t sequence) {
    auto& device = devices_[who];
    const auto interval = device.played[sequence];
    // The session verifies it for real.
    const auto claims = claims_of(student(static_cast<int>(who)), sequence, interval.from_ms,
                                  interval.to_ms, clock_.wall_now());
    const auto text = device.signer.sign_token(claims);
    (void)heartbeats_.admit(actor_limits::heartbeats_in_flight_max);
    auto job = std::make_shared<heartbeat_job>(heartbeat_request{text, device.listener, 0, {}},
                                               heartbeats_, clock_);
    job->token = *parse_engagement_token(job->text);
    job->parsed = true;
    job->received_ms = clock_.wall_now();
    job->credit = credit_of(claims, device.signer.kid(), clock_.wall_now(), duration_ms);
    job->device = std::make_shared<const device_entry>(
        device_record{device.signer.kid(), student(static_cast<int>(who)),
                      device.signer.public_key(), false, wall_ms{0}});
    caf::anon_send(sessions_[who], std::move(job));
  }

  void turn_of_an_actor() {
    auto& jobs = scheduler().jobs;
    if (jobs.empty()) return;
    std::swap(jobs.front(), jobs[below(jobs.size())]);
    scheduler().run_once();
  }

  void turn_of_the_store() {
    if (services_.batches.empty()) return;
    const auto which = below(services_.batches.size());
    auto batch = services_.batches[which];
    services_.batches.erase(services_.batches.begin() + static_cast<std::ptrdiff_t>(which));
    std::vector<storage::pair_progress> begun;
    std::vector<storage::hot_request> requests;
    for (const auto& request : batch->requests) {
      begun.push_back({request.credit.pair(), blank()});
      requests.push_back({request.credit, request.wants_coverage()});
    }
    (void)model_.merge(begun, storage::merge_origin::ledger);
    auto applied = hot_.apply(requests);
    if (applied)
      batch->results = *std::move(applied);
    else
      batch->results.assign(batch->requests.size(), {});
    caf::anon_send(shards_[batch->shard], batch_stored{batch});
  }

  void settle() {
    for (int i = 0; i < 10'000 && (scheduler().has_job() || !services_.batches.empty()); ++i) {
      turn_of_an_actor();
      turn_of_the_store();
    }
    BOOST_REQUIRE(!scheduler().has_job());
    BOOST_REQUIRE(services_.batches.empty());
    BOOST_TEST(heartbeats_.in_flight() == 0u);
  }

  void read_results(simulated_device& device) {
    const auto& results = device.listener->results;
    for (; device.read < results.size(); ++device.read) {
      const auto& result = results[device.read];
      const auto& outcome = result.outcome;
      if (outcome.status == credit_status::rejected) {
        ++rejected_;
        BOOST_CHECK(outcome.why == problem::storage_unavailable ||
                    outcome.why == problem::stale_token);
        continue;
      }
      device.acknowledged.insert(result.sequence);
      if (outcome.status != credit_status::duplicate) {
        // Credited once only, whatever was retried: I2.
        BOOST_TEST(!device.credited_ms.contains(result.sequence));
        device.credited_ms[result.sequence] = outcome.credited_ms;
      }
    }
  }

  void check() {
    for (int who = 0; who < student_count; ++who) {
      auto& device = devices_[static_cast<std::size_t>(who)];
      read_results(device);
      coverage acknowledged;
      for (const auto& [sequence, length_ms] : device.credited_ms) {
        const auto from_ms = device.played[sequence].from_ms;
        if (length_ms > 0) acknowledged.add({from_ms, from_ms + length_ms});
      }
      coverage sent;
      for (const auto& interval : device.played) sent.add(interval);
      const pair_key keys[] = {{student(who), module_named("m1")}};
      const auto stored = (*model_.read(keys))[0];
      const auto covered = stored ? stored->covered : coverage{};
      coverage both = covered;
      both.unite(acknowledged);
      BOOST_TEST(both == covered);  // I1: acknowledged is credited
      both = sent;
      both.unite(covered);
      BOOST_TEST(both == sent);                      // I2: credited was sent
      BOOST_TEST(services_.mastered[keys[0]] <= 1);  // I3
    }
  }

  std::mt19937_64 random_;
  manual_clock clock_;
  testing_config config_;
  caf::actor_system system_;
  gateway_policy policy_;
  address_rate_limiter addresses_;
  heartbeat_probe heartbeats_;
  verification_probe verifications_;
  hot_store_probe hot_probe_;
  shard_probe shard_probes_[2];
  simulated_services services_;
  storage::memory_store model_{1000};
  storage::faulty_store hot_{model_, storage::random_faults(random_(), 0.2)};
  std::vector<progress_shard_actor> shards_;
  std::optional<session_dependencies> deps_;
  std::vector<session_actor> sessions_;
  std::array<simulated_device, student_count> devices_;
  std::size_t rejected_ = 0;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(simulation_of_the_actors)

BOOST_AUTO_TEST_CASE(results_match_the_coverage_in_the_store) {
  if (const char* seed = std::getenv("WATCHKEEPER_SEED")) {
    simulation(std::strtoull(seed, nullptr, 10)).run();
    return;
  }
  std::int64_t credited_ms = 0;
  std::size_t rejected = 0;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    BOOST_TEST_CONTEXT(
        "replay: WATCHKEEPER_SEED=" << seed << " actors_test --run_test=simulation_of_the_actors") {
      simulation one(seed);
      one.run();
      credited_ms += one.credited_ms();
      rejected += one.rejected();
    }
  }
  // The runs did what they are for: credit was given, and faults came in between.
  BOOST_TEST(credited_ms > 1'000'000);
  BOOST_TEST(rejected > 50u);
}

BOOST_AUTO_TEST_SUITE_END()
