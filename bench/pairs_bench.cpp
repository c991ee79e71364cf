// Whether a heartbeat costs a shard more when it holds more pairs: CPU time of one thread, the
// stores not included, the heatmap included. Each heartbeat goes to a pair drawn at random, so
// nothing is in the cache by luck.
//
//   pairs_bench [pairs ...]      default: 10000 100000 1000000

#include <fmt/format.h>
#include <malloc.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "actors/credit/progress_shard.hpp"
#include "actors/heatmap/heatmap.hpp"
#include "actors/shared/actor_limits.hpp"

namespace {

using namespace watchkeeper;
using namespace watchkeeper::actors;

constexpr std::size_t batch_heartbeats = 32;
constexpr std::size_t heartbeats_measured = 200'000;
constexpr media_ms step_ms = 10'000;
constexpr std::size_t pairs_max = 50'000'000;
constexpr media_ms duration_ms = limits::media_duration_ms_max;

double thread_cpu_us() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_nsec) / 1e3;
}

struct counting_listener final : heartbeat_listener {
  void on_result(std::size_t, const heartbeat_result& result) noexcept override {
    if (result.outcome.status == credit_status::credited) ++credited;
  }
  std::size_t credited = 0;
};

/// The stores, played: a batch comes back as a store would answer it that credits everything.
struct generous_store final : shard_services {
  void store(std::shared_ptr<credit_batch> given) override { batch = std::move(given); }
  void load_rows(std::shared_ptr<credit_batch>) override {}  // it lacks nothing
  bool refill(std::vector<storage::pair_progress>) override { return true; }
  void load(std::shared_ptr<progress_query>) override {}
  void checkpoint_now(std::vector<storage::pair_progress>) override {}
  void forget_device(const thumbprint&) override {}
  std::shared_ptr<credit_batch> batch;
};

/// Stands still, and costs nothing to read.
struct still_clock final : time_source {
  mono_us monotonic_now_us() const override { return mono_us(1'000'000); }
  wall_ms wall_now() const override { return wall_ms(1'763'812'345'000); }
};
const still_clock clock_at_rest;

class driven_shard {
 public:
  explicit driven_shard(std::size_t pairs) : heartbeats_of_(pairs) {}

  /// Every pair once, in order.
  void fill() {
    std::vector<std::size_t> some;
    for (std::size_t i = 0; i < heartbeats_of_.size(); ++i) {
      some.push_back(i);
      if (some.size() < batch_heartbeats && i + 1 < heartbeats_of_.size()) continue;
      credit(some);
      some.clear();
    }
  }

  /// A batch of pairs in no order.
  void credit_any(std::mt19937_64& random) {
    std::uniform_int_distribution<std::size_t> any{0, heartbeats_of_.size() - 1};
    std::vector<std::size_t> some(batch_heartbeats);
    for (auto& i : some) i = any(random);
    credit(some);
  }

  [[nodiscard]] std::size_t credited() const { return listener_->credited; }
  [[nodiscard]] std::size_t pairs() const { return shard_.pairs(); }

 private:
  heartbeat_job_ptr job(std::size_t which) {
    (void)probe_.admit(actor_limits::heartbeats_in_flight_max);
    auto made = std::make_shared<heartbeat_job>(heartbeat_request{"", listener_, 0, {}}, probe_,
                                                clock_at_rest);
    const auto number = static_cast<std::int64_t>(heartbeats_of_[which]++);
    auto& credit = made->credit;
    credit.student = *student_id::parse(fmt::format("student-{}", which));
    credit.module = *module_id::parse("linear-algebra-07");
    credit.session = *session_id::parse("0f8fad5b-d9cb-469f-a165-70867728950e");
    credit.sequence = static_cast<std::uint32_t>(number);
    credit.epoch = 1;
    const auto from_ms = static_cast<media_ms>(number * step_ms);
    credit.interval = {from_ms, from_ms + step_ms};
    credit.duration_ms = duration_ms;
    credit.played_at_ms = wall_ms{1'763'812'345'000 + number};
    return made;
  }

  void credit(const std::vector<std::size_t>& which) {
    // A shard sends the first heartbeat at once and gathers the others meanwhile: two batches.
    for (auto i : which) shard_.take(job(i));
    while (auto batch = std::move(store_.batch)) {
      for (const auto& request : batch->requests) {
        storage::applied_credit applied;
        applied.state = storage::applied_state::done;
        auto& outcome = applied.outcome;
        outcome.status = credit_status::credited;
        outcome.credited_ms = step_ms;
        outcome.played = request.credit.interval;
        outcome.now.covered_ms = request.credit.interval.to_ms;
        outcome.now.duration_ms = duration_ms;
        outcome.now.resume_ms = request.credit.interval.to_ms;
        outcome.now.updated_ms = request.credit.played_at_ms;
        outcome.now.life = {1, 1};
        if (!request.in_memory) {
          applied.covered.emplace();
          applied.covered->add({0, request.credit.interval.to_ms});
        }
        batch->results.push_back(std::move(applied));
      }
      shard_.stored(*batch);
    }
  }

  std::vector<std::uint32_t> heartbeats_of_;
  std::shared_ptr<counting_listener> listener_ = std::make_shared<counting_listener>();
  heartbeat_probe probe_;
  shard_probe shard_probe_;
  hot_store_probe hot_probe_;
  generous_store store_;
  heatmap heat_{1};
  progress_shard_core shard_{{.index = 0,
                              .services = store_,
                              .probe = shard_probe_,
                              .hot = hot_probe_,
                              .time = clock_at_rest,
                              .observer = &heat_}};
};

/// As many shards as it takes, with equal parts of the pairs.
using driven_shards = std::vector<std::unique_ptr<driven_shard>>;

driven_shards make_shards(std::size_t pairs) {
  const auto count = (pairs + actor_limits::shard_pairs_max - 1) / actor_limits::shard_pairs_max;
  driven_shards made;
  for (std::size_t i = 0; i < count; ++i)
    made.push_back(std::make_unique<driven_shard>(pairs / count + (i < pairs % count ? 1 : 0)));
  return made;
}

double measure_us(driven_shards& shards) {
  std::mt19937_64 random{1};
  const auto start = thread_cpu_us();
  std::size_t done = 0;
  for (std::size_t turn = 0; done < heartbeats_measured; done += batch_heartbeats)
    shards[turn++ % shards.size()]->credit_any(random);
  return (thread_cpu_us() - start) / static_cast<double>(done);
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::size_t> sizes;
  for (int i = 1; i < argc; ++i) {
    const auto pairs = std::strtoull(argv[i], nullptr, 10);
    if (pairs == 0 || pairs > pairs_max) {
      fmt::print(stderr, "usage: pairs_bench [pairs ...], each from 1 to {}\n", pairs_max);
      return 2;
    }
    sizes.push_back(pairs);
  }
  if (sizes.empty()) sizes = {10'000, 100'000, 1'000'000};
  fmt::print("{:>10} {:>22} {:>16}\n", "pairs", "CPU a heartbeat, µs", "bytes a pair");
  for (const auto pairs : sizes) {
    const auto before = mallinfo2();
    auto shards = make_shards(pairs);
    for (auto& each : shards) each->fill();
    const auto after = mallinfo2();
    const auto bytes = (after.uordblks + after.hblkhd) - (before.uordblks + before.hblkhd);
    const auto us = measure_us(shards);
    std::size_t credited = 0, held = 0;
    for (const auto& each : shards) {
      credited += each->credited();
      held += each->pairs();
    }
    if (credited < pairs + heartbeats_measured || held != pairs) {
      fmt::print(stderr, "pairs_bench: a heartbeat was lost\n");
      return 1;
    }
    fmt::print("{:>10} {:>22.2f} {:>16.0f}\n", pairs, us,
               static_cast<double>(bytes) / static_cast<double>(pairs));
  }
}
