#pragma once

#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "actors/credit/actors.hpp"
#include "actors/credit/shard_services.hpp"
#include "actors/shared/actor_limits.hpp"
#include "actors/shared/heartbeat_job.hpp"
#include "base/base64url.hpp"
#include "crypto/device_signer.hpp"
#include "tests/base/manual_clock.hpp"

namespace watchkeeper::actors::testing {

/// Stores the results that a device gets.
struct result_recorder final : heartbeat_listener {
  void on_result(std::size_t, const heartbeat_result& result) noexcept override {
    results.push_back(result);
  }
  std::vector<heartbeat_result> results;
};

using watchkeeper::test::manual_clock;

inline student_id student(int n) {
  return *student_id::parse("student-" + std::to_string(n));
}
inline module_id module_named(const std::string& name) {
  return *module_id::parse(name);
}

inline token_claims claims_of(const student_id& who, std::uint32_t sequence, media_ms from_ms,
                              media_ms to_ms, wall_ms now_ms, const std::string& session = "s1",
                              const std::string& module = "m1") {
  token_claims claims;
  claims.student = who;
  claims.module = module_named(module);
  claims.session = *session_id::parse(session);
  claims.sequence = sequence;
  claims.interval = {from_ms, to_ms};
  claims.issued_at_ms = now_ms;
  return claims;
}

/// The first attempt of the first epoch, with nothing in it.
inline progress blank() {
  return blank_progress({.epoch = 1, .begins_ms = never});
}

/// The credit request that screening makes of the claims.
inline credit_request credit_of(const token_claims& claims, const thumbprint& device,
                                wall_ms now_ms, media_ms duration_ms) {
  credit_request credit;
  credit.student = claims.student;
  credit.module = claims.module;
  credit.device = device;
  credit.session = claims.session;
  credit.sequence = claims.sequence;
  credit.epoch = 1;
  credit.interval = claims.interval;
  credit.played_at_ms = now_ms;
  credit.duration_ms = duration_ms;
  credit.mastery_measured_ms = mastery_measured_ms({duration_ms, 9500, 2000});
  credit.max_rate_permille = 2000;
  return credit;
}

/// A job as it is after the check of its signature: ready for a shard. Each student has one device.
inline heartbeat_job_ptr verified_job(const std::shared_ptr<result_recorder>& listener,
                                      heartbeat_probe& probe, const manual_clock& clock,
                                      const student_id& who, std::uint32_t sequence,
                                      media_ms from_ms, media_ms to_ms,
                                      media_ms duration_ms = 600'000,
                                      watch_observer* observer = nullptr) {
  (void)probe.admit(actor_limits::heartbeats_in_flight_max);
  auto job = std::make_shared<heartbeat_job>(heartbeat_request{"", listener, 0, {}}, probe, clock,
                                             observer);
  thumbprint device;
  const auto device_number = stable_hash(who.view());
  std::memcpy(device.bytes.data(), &device_number, sizeof device_number);
  job->parsed = true;
  job->token.claims = claims_of(who, sequence, from_ms, to_ms, clock.wall_now());
  job->received_ms = clock.wall_now();
  job->credit = credit_of(job->token.claims, device, clock.wall_now(), duration_ms);
  return job;
}

/// The threads that serve a shard, played by the test: nothing happens until the test does it.
struct scripted_services final : shard_services {
  void store(std::shared_ptr<credit_batch> batch) override { batches.push_back(std::move(batch)); }
  void load_rows(std::shared_ptr<credit_batch> batch) override {
    loading.push_back(std::move(batch));
  }
  bool refill(std::vector<storage::pair_progress> pairs) override {
    if (refuse_refills || refilled.size() >= refills_max) return false;
    refilled.push_back(std::move(pairs));
    return true;
  }
  bool has_unsaved_refills() const override {
    if (on_unsaved_query) on_unsaved_query();
    return unsaved_refills;
  }
  std::function<void()> on_unsaved_query;  // what another thread does meanwhile
  bool refuse_refills = false;
  std::size_t refills_max = SIZE_MAX;
  bool unsaved_refills = false;
  void load(std::shared_ptr<progress_query> query) override { queries.push_back(std::move(query)); }
  void checkpoint_now(std::vector<storage::pair_progress> pairs) override {
    mastered.push_back(std::move(pairs));
  }
  void forget_device(const thumbprint& device) override { outdated.push_back(device); }
  std::vector<thumbprint> outdated;
  std::vector<std::shared_ptr<credit_batch>> batches, loading;
  std::vector<std::vector<storage::pair_progress>> refilled;
  std::vector<std::shared_ptr<progress_query>> queries;
  std::vector<std::vector<storage::pair_progress>> mastered;
};

/// Stores a batch in `hot`, as the writer does, for pairs that may not be in the hot store yet.
/// As the writer does, which dates the heartbeats.
inline void store_batch(credit_batch& batch, storage::hot_store& hot, wall_ms now_ms) {
  std::vector<storage::pair_progress> begun;
  std::vector<storage::hot_request> requests;
  for (auto& request : batch.requests) {
    request.credit.now_ms = now_ms;
    begun.push_back(
        {request.credit.pair(), blank_progress({.epoch = request.credit.epoch, .begins_ms = {}})});
    requests.push_back({request.credit, request.wants_coverage()});
  }
  (void)hot.merge(begun, storage::merge_origin::ledger).has_value();
  batch.results = *hot.apply(requests);
}

}  // namespace watchkeeper::actors::testing
