// The session's actor: when the directory hears of it, and what it outlives.
#include <boost/test/unit_test.hpp>
#include <caf/actor_system.hpp>
#include <caf/scheduler/test_coordinator.hpp>
#include <caf/send.hpp>
#include <stdexcept>

#include "actors/credit/progress_shard.hpp"
#include "actors/credit/session_directory.hpp"
#include "tests/actors/credit/session_world.hpp"
#include "tests/actors/testing_system.hpp"

using namespace watchkeeper;
using namespace watchkeeper::actors;
using namespace watchkeeper::actors::testing;

namespace {

/// One session's actor before one shard; messages move when the test says so.
struct actor_world : world {
  actor_world() {
    deps.verified = [this](const session_key_id& key, const session_handle& found,
                           mono_ms admitted_at) { directory.put(key, found, admitted_at); };
    shards.push_back(system.spawn(
        actors::progress_shard,
        shard_dependencies{
            .services = services, .probe = shard_state, .hot = hot_state, .time = clock}));
    one = system.spawn(session, &deps);
  }
  ~actor_world() {
    one = nullptr;
    directory.close();
    for (auto& shard : shards) caf::anon_send_exit(shard, caf::exit_reason::user_shutdown);
    shards.clear();
    run();
  }
  void run() { dynamic_cast<caf::scheduler::test_coordinator&>(system.scheduler()).run(); }
  /// Through screening to the actor, until nothing moves any more.
  void give(const token_claims& what) {
    auto j = job(signer.sign_token(what));
    BOOST_REQUIRE(parse_job(*j, policy, clock.wall_now()).has_value());
    BOOST_REQUIRE(std::holds_alternative<ok_t>(
        screen_job(*j, policy, registry_cache, addresses, clock.monotonic_now())));
    caf::anon_send(one, std::move(j));
    run();
  }
  bool is_found() {
    return directory.find({signer.kid(), claims().session}, clock.monotonic_now()).actor == one;
  }
  std::size_t at_the_shard() const { return shard_state.parked + shard_state.queued; }

  testing_config config;
  caf::actor_system system{config};
  scripted_services services;
  shard_probe shard_state;
  hot_store_probe hot_state;
  session_directory directory;
  session_actor one;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(session_actors)

BOOST_AUTO_TEST_CASE(a_session_is_found_from_its_first_heartbeat_that_verified) {
  actor_world w;
  BOOST_TEST(!w.is_found());
  w.give(w.claims(0));
  BOOST_TEST(w.is_found());
  BOOST_TEST(w.at_the_shard() == 1u);
}

BOOST_AUTO_TEST_CASE(an_evicted_session_that_plays_on_is_found_again) {
  actor_world w;
  w.give(w.claims(0));
  // As for an idle session; a request in flight still references the actor.
  for (std::size_t i = 0; i < session_directory::stripe_count(); ++i)
    w.directory.sweep(w.clock.monotonic_now() + 1);
  BOOST_TEST(!w.is_found());
  w.give(w.claims(1));
  BOOST_TEST(w.is_found());
  BOOST_TEST(w.at_the_shard() == 2u);
}

BOOST_AUTO_TEST_CASE(a_directory_that_is_closed_keeps_no_session_from_ending) {
  actor_world w;
  w.directory.close();
  w.give(w.claims(0));
  BOOST_TEST(w.at_the_shard() == 1u);
  BOOST_TEST(w.directory.size() == 0u);
}

BOOST_AUTO_TEST_CASE(a_session_whose_first_offer_was_malformed_is_found_from_the_next_heartbeat) {
  actor_world w;
  auto broken = w.claims(0);
  broken.key_offer.emplace();  // not a point of the curve
  w.give(broken);
  BOOST_TEST(w.last_problem() == problem::malformed_token);
  BOOST_TEST(!w.is_found());
  w.give(w.claims(1));
  BOOST_TEST(w.is_found());
  BOOST_TEST(w.at_the_shard() == 1u);
}

BOOST_AUTO_TEST_CASE(a_heartbeat_that_cannot_be_handled_does_not_end_its_session) {
  actor_world w;
  w.give(w.claims(0));
  const auto verified = w.deps.verified;
  w.deps.verified = [](const auto&, const auto&, mono_ms) { throw std::bad_alloc(); };
  w.give(w.claims(1));
  BOOST_REQUIRE_EQUAL(w.listener->results.size(), 1u);
  BOOST_TEST(w.listener->results[0].outcome.why == problem::overloaded);  // the device keeps it
  w.deps.verified = verified;
  w.give(w.claims(1));
  BOOST_TEST(w.listener->results.size() == 1u);
  BOOST_TEST(w.at_the_shard() == 2u);
}

BOOST_AUTO_TEST_SUITE_END()
