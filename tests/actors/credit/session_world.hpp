#pragma once

#include <boost/test/unit_test.hpp>

#include "actors/credit/screening.hpp"
#include "actors/credit/session.hpp"
#include "tests/actors/support.hpp"

namespace watchkeeper::actors::testing {

/// A device, a module, and everything between a token and its shard.
struct world {
  world() {
    module_record module;
    module.id = module_named("m1");
    module.rules.duration_ms = 600'000;
    registry_cache.put_module(module.id, module, registry_cache.generation(module.id),
                              clock.monotonic_now());
    enrol(signer, student(1));
  }
  void enrol(const crypto::device_signer& device, const student_id& who, bool revoked = false) {
    device_record record{device.kid(), who, device.public_key(), revoked, clock.wall_now(), 1};
    registry_cache.put_device(device.kid(), record, registry_cache.generation(device.kid()),
                              clock.monotonic_now());
  }
  heartbeat_job_ptr job(const std::string& token) {
    (void)heartbeats.admit(1000);
    return std::make_shared<heartbeat_job>(heartbeat_request{token, listener, 0, {}}, heartbeats,
                                           clock);
  }
  token_claims claims(std::uint32_t sequence = 0) const {
    return claims_of(student(1), sequence, 0, 10'000, clock.wall_now());
  }
  screening_result screen(heartbeat_job& j) {
    if (const auto parsed = parse_job(j, policy, clock.wall_now()); !parsed) return parsed.error();
    return screen_job(j, policy, registry_cache, addresses, clock.monotonic_now());
  }
  /// The problem that screening finds in a token; `none` if it passes, or a record is missing.
  problem screened(const std::string& token) {
    auto j = job(token);
    last = screen(*j);
    const auto* const cause = std::get_if<rejection>(&last);
    j->reject(cause ? *cause : rejection{});
    return cause ? cause->why : problem::none;
  }
  /// Takes a token through screening and the session. True: it goes on to the shard.
  bool passes(session_core& session, const std::string& token) {
    auto j = job(token);
    BOOST_REQUIRE(parse_job(*j, policy, clock.wall_now()).has_value());
    BOOST_REQUIRE(std::holds_alternative<ok_t>(
        screen_job(*j, policy, registry_cache, addresses, clock.monotonic_now())));
    return session.verify(*j);
  }
  problem last_problem() const { return listener->results.back().outcome.why; }

  crypto::agreement_key_ring keys;
  manual_clock clock;
  gateway_policy policy;
  registry registry_cache;
  heartbeat_probe heartbeats;
  verification_probe verifications;
  address_rate_limiter addresses{{10'000, 5}, 42};
  std::shared_ptr<result_recorder> listener = std::make_shared<result_recorder>();
  std::vector<progress_shard_actor> shards;
  session_dependencies deps{.policy = policy,
                            .addresses = addresses,
                            .probe = verifications,
                            .shards = shards,
                            .time = clock,
                            .verified = {},
                            .keys = &keys};
  crypto::device_signer signer = crypto::device_signer::generate(signature_algorithm::es256);
  screening_result last;
};

}  // namespace watchkeeper::actors::testing
