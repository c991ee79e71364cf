#pragma once

#include <algorithm>
#include <caf/send.hpp>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "actors/credit/actors.hpp"
#include "actors/shared/messages.hpp"
#include "actors/shared/registry.hpp"
#include "actors/stores/hot_writer.hpp"
#include "base/clock.hpp"
#include "storage/ledger.hpp"
#include "storage/lost_enrolment.hpp"
#include "tests/actors/simulation/simulated_call.hpp"

namespace watchkeeper::actors::testing {

/// What the caller gets of a call.
struct api_reply {
  bool is_answered = false;  // else it failed, or the answer was lost: it may have taken effect
  life_number begun;         // by an erasure or a reset that was answered; lower lives have ended
  std::optional<progress> shown;
  bool ledger_replied = false;
};

/// A call ended because a store failed.
struct failed_call {};

/// The calls of one gateway's API that begin and end lives, show them, or change the catalogue: the
/// steps of server/api/resources (students.cpp, devices.cpp, modules.cpp, read_latest.cpp) and of
/// actors/gateway.cpp, on the product's stores, writer and shards, but with a pause wherever others
/// may come in between. They throw failed_call when the product answers 503.
class simulated_api {
 public:
  struct dependencies {
    std::unique_ptr<storage::hot_store> hot;
    std::unique_ptr<storage::ledger> ledger;
    registry& registry_cache;
    hot_writer& writer;
    const progress_shard_actor* shards;
    std::size_t shard_count;
    const time_source& time;
    /// See gateway::log_erasure and gateway::judge_modules.
    std::function<void(const student_id&, std::uint32_t next_epoch)> log_erasure;
    std::function<std::uint32_t(const student_id&)> erased_below;
    std::function<void()> judge_modules;
  };
  explicit simulated_api(dependencies deps) : deps_(std::move(deps)) {}

  /// PUT /v1/devices/{kid}
  simulated_call enrol(device_record device, api_reply& reply) {
    const storage::enrolment now{.now_ms = deps_.time.wall_now()};
    const bool enrolled = need(deps_.ledger->get_devices({&device.kid, 1})).front().has_value();
    co_await others();
    const bool is_known = need(deps_.ledger->life_of(device.student)).epoch > 0;
    co_await others();
    const auto known = is_known
                           ? deps_.hot->find_student(device.student, now.now_ms)
                           : storage::living_epoch(*deps_.hot, device.student,
                                                   deps_.erased_below(device.student), now.now_ms);
    co_await others();
    const storage::enrolment at{.now_ms = now.now_ms,
                                .in_hot_store = known ? *known : storage::hot_student{}};
    (void)need(deps_.ledger->put_device(device, at));
    co_await others();
    if (at.in_hot_store.is_living && (!is_known || enrolled)) {
      const auto epoch = need(deps_.ledger->life_of(device.student)).epoch;
      co_await others();
      if (epoch == at.in_hot_store.epoch)
        (void)need(storage::mark_pairs_dirty(*deps_.hot, device.student));
    }
    deps_.registry_cache.forget_device(device.kid);
    reply.is_answered = true;
  }

  /// DELETE /v1/students/{student}
  simulated_call erase(student_id student, api_reply& reply) {
    const auto now_ms = deps_.time.wall_now();
    const auto in_ledger = need(deps_.ledger->life_of(student));
    co_await others();
    const auto in_hot = deps_.hot->find_student(student, now_ms);
    if (!in_hot && !storage::is_of_single_pairs(in_hot.error())) throw failed_call{};
    co_await others();
    const auto epoch = std::max(in_ledger.epoch, in_hot ? in_hot->epoch : 0) + 1;
    for (const bool is_again : {false, true}) {
      deps_.registry_cache.forget_student(student);
      const auto before = forget_in_shard({student, epoch});
      co_await until(before);
      auto ended = deps_.writer.end_epochs_below(student, epoch);
      co_await until(ended);
      (void)need(ended.get());
      const auto after = forget_in_shard({student, epoch});
      co_await until(after);
      if (is_again) break;
      deps_.log_erasure(student, epoch);
      co_await others();
      (void)need(deps_.ledger->erase_student(student, "somebody", "", now_ms, epoch));
      co_await others();
      deps_.registry_cache.forget_student(student);
    }
    reply.begun = {epoch, 0};
    reply.is_answered = true;
  }

  /// POST /v1/progress/{student}/{module}/reset
  simulated_call reset(pair_key key, api_reply& reply) {
    const auto now_ms = deps_.time.wall_now();
    auto query = ask(key);
    auto coming = query->future();
    query.reset();
    const auto hot = deps_.hot->read({&key, 1});
    co_await others();
    const auto recorded = deps_.ledger->look_up({&key, 1});
    co_await until(coming);
    const auto known = latest(hot, recorded, coming.get());
    if (known) {
      const storage::pair_progress last{key, *known};
      (void)need(deps_.ledger->checkpoint({&last, 1}, now_ms));
      co_await others();
    }
    const auto begun = need(deps_.ledger->reset_progress(
        key, known, {.actor = "somebody", .reason = "", .now_ms = now_ms}));
    co_await others();
    if (begun) {
      auto taken = deps_.writer.begin_attempt({key, *begun});
      co_await until(taken);
      caf::anon_send(shard_for(key.student), progress_reset{key, begun->life});
      (void)need(taken.get());
      reply.begun = begun->life;
    }
    reply.is_answered = true;
  }

  /// GET /v1/progress/{student}/{module}
  simulated_call read(pair_key key, api_reply& reply) {
    auto query = ask(key);
    auto coming = query->future();
    query.reset();
    const auto hot = deps_.hot->read({&key, 1});
    co_await others();
    const auto recorded = deps_.ledger->look_up({&key, 1});
    co_await until(coming);
    reply.shown = latest(hot, recorded, coming.get());
    reply.ledger_replied = recorded.has_value();
    reply.is_answered = true;
  }

  /// PUT /v1/modules/{module}
  simulated_call put_module(module_record module, api_reply& reply) {
    (void)need(deps_.ledger->put_module(module, nullptr));
    co_await others();
    deps_.registry_cache.forget_module(module.id);
    deps_.judge_modules();
    reply.is_answered = true;
  }

  /// DELETE /v1/modules/{module}
  simulated_call remove_module(module_id module, api_reply& reply) {
    (void)need(deps_.ledger->remove_module(module));
    co_await others();
    deps_.registry_cache.forget_module(module);
    reply.is_answered = true;
  }

 private:
  template <class T>
  static T need(storage::stored<T> outcome) {
    if (!outcome) throw failed_call{};
    return *std::move(outcome);
  }
  const progress_shard_actor& shard_for(const student_id& student) const {
    return deps_.shards[shard_of(student, deps_.shard_count)];
  }
  std::future<void> forget_in_shard(const storage::erased_student& erased) {
    auto promise = std::make_shared<std::promise<void>>();
    auto done = promise->get_future();
    caf::anon_send(shard_for(erased.student), student_erased{erased, std::move(promise)});
    return done;
  }
  std::shared_ptr<progress_query> ask(const pair_key& key) {
    auto query = std::make_shared<progress_query>(key);
    caf::anon_send(shard_for(key.student), progress_lookup{query});
    return query;
  }
  /// As read_latest().
  static std::optional<progress> latest(
      const storage::stored<std::vector<std::optional<progress>>>& hot,
      const storage::stored<std::vector<storage::recorded_pair>>& recorded,
      const storage::stored<std::optional<progress>>& in_memory) {
    storage::recorded_pair found{.student = {.epoch = 1, .begins_ms = {}}, .state = std::nullopt};
    if (recorded) found = recorded.value().front();
    if (hot) merge_if_living(found, hot.value().front());
    if (in_memory) merge_if_living(found, *in_memory);
    const bool is_known = found.state && !is_blank(*found.state);
    if (!is_known && !in_memory && !(hot && recorded)) throw failed_call{};
    return is_known ? std::move(found.state) : std::nullopt;
  }

  dependencies deps_;
};

}  // namespace watchkeeper::actors::testing
