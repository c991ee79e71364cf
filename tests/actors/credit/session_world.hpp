#pragma once

#include <boost/test/unit_test.hpp>

#include "actors/credit/screening.hpp"
#include "actors/credit/session.hpp"
#include "tests/actors/support.hpp"

namespace watchkeeper::actors::testing {

/// A device, a module, and everything that stands between a token and its shard.
struct world {
  world() {
    module_record module;
    module.id = module_named("m1");
    module.rules.duration_ms = 600'000;
    known.keep_module(module.id, module, known.generation(module.id), clock.now_ms);
    enrol(signer, student(1));
  }
  void enrol(const crypto::device_signer& device, const student_id& who, bool revoked = false) {
    device_record record{device.kid(), who, device.public_key(), revoked, clock.now_ms};
    known.keep_device(device.kid(), record, known.generation(device.kid()), clock.now_ms);
  }
  heartbeat_job_ptr job(const std::string& token) {
    (void)heartbeats.admit(1000);
    return std::make_shared<heartbeat_job>(heartbeat_request{token, listener, 0, {}}, heartbeats,
                                           &manual_clock::read, &clock);
  }
  token_claims claims(std::uint32_t sequence = 0) const {
    return claims_of(student(1), sequence, 0, 10'000, clock.now_ms);
  }
  /// What screening says of a token; `none` for a pass.
  problem screened(const std::string& token) {
    auto j = job(token);
    auto verdict = parse_job(*j, policy, clock.now_ms);
    if (verdict.what == screening_verdict::kind::pass)
      verdict = screen_job(*j, policy, known, addresses, clock.now_ms);
    last = verdict;
    j->refuse(verdict.why);
    return verdict.why;
  }
  /// Through screening and the session; true when it would go on to the shard.
  bool passes(session_core& session, const std::string& token) {
    auto j = job(token);
    BOOST_REQUIRE(parse_job(*j, policy, clock.now_ms).what == screening_verdict::kind::pass);
    BOOST_REQUIRE(screen_job(*j, policy, known, addresses, clock.now_ms).what ==
                  screening_verdict::kind::pass);
    return session.verify(*j);
  }
  problem last_problem() const { return listener->results.back().outcome.why; }

  crypto::agreement_key_ring keys;
  manual_clock clock;
  gateway_policy policy;
  registry known;
  heartbeat_probe heartbeats;
  verification_probe verifications;
  address_guard addresses{{10'000, 5}, 42};
  std::shared_ptr<told> listener = std::make_shared<told>();
  std::vector<progress_shard_actor> shards;
  session_dependencies deps{.policy = policy,
                            .addresses = addresses,
                            .probe = verifications,
                            .shards = shards,
                            .now = [this] { return clock.now_ms; },
                            .monotonic_us = [this] { return clock.monotonic_us; },
                            .verified = {},
                            .keys = &keys};
  crypto::device_signer signer = crypto::device_signer::generate(signature_algorithm::es256);
  screening_verdict last;
};

}  // namespace watchkeeper::actors::testing
