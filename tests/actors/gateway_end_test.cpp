#include <sys/wait.h>
#include <unistd.h>
#include <atomic>
#include <boost/test/unit_test.hpp>
#include <caf/actor_system.hpp>
#include <caf/scheduler/test_coordinator.hpp>
#include <caf/send.hpp>
#include <csignal>
#include <limits>
#include <stdexcept>
#include <thread>

#include "actors/credit/progress_shard.hpp"
#include "actors/gateway.hpp"
#include "storage/memory/faulty_store.hpp"
#include "tests/actors/support.hpp"
#include "tests/actors/testing_system.hpp"
#include "tests/storage/ledger_fixtures.hpp"

/// A gateway without one of its shards must not go on: nobody would notice, and the shard's
/// students would get `overloaded` for ever.

using namespace watchkeeper;
using namespace watchkeeper::actors;
using namespace watchkeeper::actors::testing;

namespace {

struct full_services final : shard_services {
  void forget_device(const thumbprint&) override {}
  void store(std::shared_ptr<credit_batch>) override { throw std::bad_alloc(); }
  void load_rows(std::shared_ptr<credit_batch>) override {}
  bool refill(std::vector<storage::pair_progress>) override { return true; }
  void load(std::shared_ptr<progress_query>) override {}
  void checkpoint_now(std::vector<storage::pair_progress>) override {}
};

/// One result, from any thread.
struct one_result final : heartbeat_listener {
  void on_result(std::size_t, const heartbeat_result& result) noexcept override {
    status.set_value(result.outcome.status);
  }
  std::promise<credit_status> status;
};

/// A clock that stands still. Once it is broken, it throws on every thread but the one that made it
/// and the one that broke it.
class breakable_clock final : public time_source {
 public:
  static constexpr wall_ms wall{1'800'000'000'000};
  mono_us monotonic_now_us() const override {
    throw_if_broken();
    return mono_us(1'000'000);
  }
  wall_ms wall_now() const override {
    throw_if_broken();
    return wall;
  }
  /// Thread: always the same one.
  void break_for_others() {
    if (!is_broken) breaker_ = std::this_thread::get_id();
    is_broken = true;
  }
  std::atomic<bool> is_broken{false};

 private:
  void throw_if_broken() const {
    if (!is_broken) return;
    const auto self = std::this_thread::get_id();
    if (self != maker_ && self != breaker_) throw std::runtime_error("the clock is broken");
  }

  const std::thread::id maker_ = std::this_thread::get_id();
  std::thread::id breaker_;
};

struct owned_store {
  std::unique_ptr<storage::hot_store> store = storage::make_memory_store();
};

/// A hot store that, when told to, breaks the clock while it stores a batch: the shard to which the
/// batch goes back is the next that reads it.
class clock_breaking_store final : owned_store, public storage::faulty_store {
 public:
  clock_breaking_store(breakable_clock& clock, const std::atomic<bool>& breaks)
      : faulty_store(*store, [&](std::string_view operation) {
          if (operation == "apply" && breaks) clock.break_for_others();
          return storage::store_fault::none;
        }) {}
};

/// A whole gateway. When its clock breaks, the shard meets that as its batch comes back.
class breakable_gateway {
 public:
  breakable_gateway(const test::sqlite_place& place, int log_to) {
    auto ledger = place.make();
    static_cast<void>(ledger->migrate().value());
    module_record module;
    module.id = module_named("m1");
    module.rules.duration_ms = 600'000;
    static_cast<void>(ledger->put_module(module).value());
    const device_record device{signer_.kid(), student(1), signer_.public_key(), false,
                               breakable_clock::wall};
    static_cast<void>(ledger->put_device(device, {}).value());
    gateway_options options;
    options.worker_threads = 1;
    options.require_durability = storage::durability_level::memory;
    options.make_hot_store = [this] {
      return std::make_unique<clock_breaking_store>(clock, breaks_clock);
    };
    options.make_ledger = [&place] { return place.make(); };
    options.time = &clock;
    options.log = [log_to](log_level, const std::string& component, const std::string& message) {
      const auto line = component + ": " + message + "\n";
      static_cast<void>(!::write(log_to, line.data(), line.size()));
    };
    gateway_ = std::make_unique<gateway>(std::move(options));
  }
  credit_status play(std::uint32_t sequence) {
    const auto from_ms = static_cast<media_ms>(sequence) * 10'000;
    auto listener = std::make_shared<one_result>();
    auto status = listener->status.get_future();
    heartbeat_request request{
        signer_.sign_token(
            claims_of(student(1), sequence, from_ms, from_ms + 10'000, breakable_clock::wall)),
        listener,
        0,
        {}};
    gateway_->submit({&request, 1});
    return status.get();
  }

  breakable_clock clock;
  std::atomic<bool> breaks_clock{false};

 private:
  crypto::device_signer signer_ = crypto::device_signer::generate(signature_algorithm::es256);
  std::unique_ptr<gateway> gateway_;
};

/// Runs a gateway whose shard throws, in a process of its own. Returns only if the gateway went on;
/// the number shows how far.
int outlive_a_shard(const test::sqlite_place& place, int log_to) {
  try {
    breakable_gateway gateway(place, log_to);
    if (gateway.play(0) != credit_status::credited) return 10;
    gateway.breaks_clock = true;
    static_cast<void>(gateway.play(1));
    gateway.breaks_clock = false;
    gateway.clock.is_broken = false;
    return gateway.play(1) == credit_status::credited ? 12 : 11;
  } catch (...) {
    return 13;
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(end_of_a_shard)

BOOST_AUTO_TEST_CASE(a_shard_that_throws_reports_it) {
  testing_config config;
  caf::actor_system system(config);
  full_services services;
  shard_probe probe;
  hot_store_probe hot;
  heartbeat_probe heartbeats;
  manual_clock clock;
  std::vector<std::string> said;
  auto shard = system.spawn(
      progress_shard,
      shard_dependencies{.services = services,
                         .probe = probe,
                         .hot = hot,
                         .time = clock,
                         .on_fatal = [&](const std::string& why) { said.push_back(why); }});
  const auto listener = std::make_shared<result_recorder>();
  caf::anon_send(shard,
                 credit_job{verified_job(listener, heartbeats, clock, student(1), 0, 0, 10'000)});
  dynamic_cast<caf::scheduler::test_coordinator&>(system.scheduler()).run();
  BOOST_REQUIRE_EQUAL(said.size(), 1u);
  BOOST_TEST(said[0] == "a progress shard failed: std::bad_alloc");
  BOOST_REQUIRE_EQUAL(listener->results.size(), 1u);  // the device keeps the heartbeat
  BOOST_TEST(listener->results[0].outcome.why == problem::overloaded);
}

BOOST_AUTO_TEST_CASE(a_gateway_ends_with_its_shard) {
  const test::sqlite_place place;
  int pipe_ends[2];
  BOOST_REQUIRE(::pipe(pipe_ends) == 0);
  const auto child = ::fork();
  BOOST_REQUIRE(child >= 0);
  if (child == 0) {
    std::signal(SIGABRT, SIG_DFL);  // not to be caught by the test's own monitor
    std::signal(SIGALRM, SIG_DFL);
    ::alarm(60);
    ::close(pipe_ends[0]);
    ::_exit(outlive_a_shard(place, pipe_ends[1]));
  }
  ::close(pipe_ends[1]);
  std::string log;
  char some[4096];
  for (ssize_t count; (count = ::read(pipe_ends[0], some, sizeof some)) > 0;)
    log.append(some, static_cast<std::size_t>(count));
  ::close(pipe_ends[0]);
  int status = 0;
  BOOST_REQUIRE(::waitpid(child, &status, 0) == child);
  BOOST_TEST_INFO("status " << status << ", log: " << log);
  BOOST_TEST((WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT));
  BOOST_TEST(log.find("gateway: a progress shard failed: the clock is broken; the process ends") !=
             std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
