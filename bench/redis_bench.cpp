// What a heartbeat costs Redis: CPU time of its main thread, by the number of heartbeats in a
// batch.
//
//   redis_bench <url of an empty Redis> [students] [groups] [batch]
//
// Each student plays one module in one session, forward, a heartbeat every 10 s of the clock that
// the requests carry. Sessions began at different times, so that in every round some have to be
// renewed; before every third round a checkpoint takes the marks, as one of 30 s does. Beside it,
// in the same Redis: the cheapest way to write a pair down without deciding anything, one pipelined
// HSET of two fields a heartbeat.

#include <fmt/format.h>
#include <hiredis/hiredis.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "storage/hot_store.hpp"
#include "storage/limits.hpp"
#include "storage/redis/connection.hpp"
#include "storage/redis/store.hpp"

namespace {

using namespace watchkeeper;

constexpr wall_ms epoch_ms{1'763'812'345'000};
constexpr std::int64_t period_ms = 10'000;
constexpr int phases = 45;  // of the 450 s after which a session is written anew
constexpr int rounds_a_checkpoint = 3;
constexpr media_ms duration_ms = 24 * 3'600'000;

template <class T>
T must(storage::stored<T> answer) {
  if (!answer) throw std::runtime_error(answer.error().detail);
  return std::move(answer).value();
}

/// The server, as it tells of itself.
class observed_redis {
 public:
  explicit observed_redis(const storage::redis_url& address) : connection_(address) {
    must(connection_.open());
  }

  /// The number on the line "name:number" of INFO.
  double info(std::string_view name) {
    const auto reply = must(connection_.run({"INFO", "everything"}));
    const std::string text(storage::text_of(*reply));
    const auto at = text.find(fmt::format("\n{}:", name));
    if (at == std::string::npos) throw std::runtime_error(fmt::format("INFO without {}", name));
    return std::strtod(text.c_str() + at + name.size() + 2, nullptr);
  }
  double cpu_us() {
    return 1e6 * (info("used_cpu_user_main_thread") + info("used_cpu_sys_main_thread"));
  }
  std::vector<storage::redis_reply> run(std::span<const storage::redis_command> commands) {
    return must(connection_.run(commands));
  }
  long long keys() { return must(connection_.run({"DBSIZE"}))->integer; }

 private:
  storage::redis_connection connection_;
};

class school {
 public:
  school(storage::hot_store& store, std::size_t students, std::string_view name) : store_(store) {
    for (std::size_t i = 0; i < students; ++i) {
      storage::hot_request r;
      auto& credit = r.credit;
      credit.student = student_id::parse(fmt::format("{}-{:06}", name, i)).value();
      credit.module = module_id::parse(fmt::format("algebra-{:02}", i % 40)).value();
      for (std::size_t b = 0; b < credit.device.bytes.size(); ++b)
        credit.device.bytes[b] = static_cast<std::uint8_t>((i >> (b % 3 * 8)) + b);
      credit.session = session_id::parse(fmt::format("session-{:012}", i)).value();
      credit.duration_ms = duration_ms;
      credit.mastery_measured_ms = duration_ms / 100 * 95;
      credit.max_rate_permille = 2000;
      // The first heartbeat of each: at a time of its own within the last 450 s.
      credit.interval = {0, 10'000};
      credit.now_ms = credit.played_at_ms =
          epoch_ms - period_ms * static_cast<std::int64_t>(1 + i % phases);
      requests_.push_back(r);
    }
    for (std::size_t at = 0; at < students; at += 64) {
      std::vector<storage::pair_progress> pairs;
      for (std::size_t i = at; i < std::min(students, at + 64); ++i)
        pairs.push_back({requests_[i].credit.pair(), {}});
      must(store_.merge(pairs, storage::merge_origin::ledger));
    }
    send(64);
    now_ms_ = epoch_ms;
  }

  /// One heartbeat of every student.
  void play(std::size_t batch) {
    for (auto& r : requests_) {
      auto& credit = r.credit;
      ++credit.sequence;
      credit.interval = {credit.interval.to_ms, credit.interval.to_ms + 10'000};
      credit.now_ms = credit.played_at_ms = now_ms_;
    }
    send(batch);
    now_ms_ += period_ms;
  }

  /// Takes the marks of all pairs; returns how many there were.
  std::size_t checkpoint() {
    std::size_t pairs = 0;
    for (partition_index p = 0; p < limits::partitions; ++p) {
      const auto dirty =
          must(store_.read_dirty(p, storage_limits::checkpoint_batch_pairs_max)).pairs;
      must(store_.mark_clean(p, dirty));
      pairs += dirty.size();
    }
    return pairs;
  }

 private:
  void send(std::size_t batch) {
    for (std::size_t at = 0; at < requests_.size(); at += batch) {
      const auto size = std::min(batch, requests_.size() - at);
      for (const auto& answer : must(store_.apply(std::span(requests_).subspan(at, size))))
        if (answer.state != storage::applied_state::done || answer.outcome.credited_ms != 10'000)
          throw std::runtime_error("a heartbeat was not through_credit");
    }
  }

  storage::hot_store& store_;
  std::vector<storage::hot_request> requests_;
  wall_ms now_ms_ = epoch_ms;
};

/// Of one batch size: the best of its groups of rounds, so that a neighbour on the machine does not
/// count.
struct cost {
  double cpu_us = 0;
  double client_cpu_us = 0;  // of this process: what the store costs a gateway
  double heartbeats_a_second = 0;
  double log_bytes = 0;
  double checkpoint_us = 0;

  static cost none() { return {1e12, 1e12, 0, 1e12, 1e12}; }
  void take(const cost& now) {
    cpu_us = std::min(cpu_us, now.cpu_us);
    client_cpu_us = std::min(client_cpu_us, now.client_cpu_us);
    heartbeats_a_second = std::max(heartbeats_a_second, now.heartbeats_a_second);
    log_bytes = std::min(log_bytes, now.log_bytes);
    checkpoint_us = std::min(checkpoint_us, now.checkpoint_us);
  }
};

/// User and system time of this process.
double client_cpu_us() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return 1e6 * static_cast<double>(now.tv_sec) + 1e-3 * static_cast<double>(now.tv_nsec);
}

double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// One group: a checkpoint, then the rounds until the next one.
cost measure_group(observed_redis& redis, school& players, std::size_t students,
                   std::size_t batch) {
  const auto count = static_cast<double>(students) * rounds_a_checkpoint;
  cost now;
  const auto start_us = redis.cpu_us();
  const auto pairs = static_cast<double>(players.checkpoint());
  now.checkpoint_us = (redis.cpu_us() - start_us) / std::max(1.0, pairs);
  const auto before_bytes = redis.info("aof_current_size");
  const auto before_s = seconds();
  const auto before_client_us = client_cpu_us();
  const auto before_us = redis.cpu_us();
  for (int round = 0; round < rounds_a_checkpoint; ++round) players.play(batch);
  now.cpu_us = (redis.cpu_us() - before_us) / count;
  now.client_cpu_us = (client_cpu_us() - before_client_us) / count;
  now.heartbeats_a_second = count / (seconds() - before_s);
  now.log_bytes = (redis.info("aof_current_size") - before_bytes) / count;
  return now;
}

/// Prints a line for each batch size.
void measure_heartbeats(observed_redis& redis, school& players, std::size_t students, int groups,
                        const std::vector<std::size_t>& batches) {
  fmt::print("{:>8} {:>18} {:>18} {:>14} {:>12} {:>20}\n", "batch", "Redis CPU us/hb",
             "client CPU us/hb", "heartbeats/s", "log bytes/hb", "checkpoint us/pair");
  for (const auto batch : batches) {
    auto best = cost::none();
    for (int group = 0; group < groups; ++group)
      best.take(measure_group(redis, players, students, batch));
    fmt::print("{:>8} {:>18.2f} {:>18.2f} {:>14.0f} {:>12.0f} {:>20.2f}\n", batch, best.cpu_us,
               best.client_cpu_us, best.heartbeats_a_second, best.log_bytes, best.checkpoint_us);
    std::fflush(stdout);
  }
}

/// Measures the pipelined HSET that decides nothing.
void measure_pipeline(observed_redis& redis, std::size_t students, int groups,
                      const std::vector<std::size_t>& batches) {
  fmt::print("{:>8} {:>24}\n", "pipeline", "Redis CPU us/HSET");
  const std::string numbers(53, 'n'), covered(8, 'c');
  for (const auto batch : batches) {
    double best_us = 1e12;
    for (int group = 0; group < groups; ++group) {
      const auto before_us = redis.cpu_us();
      for (std::size_t at = 0; at < students; at += batch) {
        std::vector<storage::redis_command> commands;
        for (std::size_t i = at; i < std::min(students, at + batch); ++i)
          commands.push_back({"HSET",
                              fmt::format("wk:{{p{}}}:plain:student-{:06}/algebra", i % 256, i),
                              "covered", covered, "numbers", numbers});
        redis.run(commands);
      }
      best_us = std::min(best_us, redis.cpu_us() - before_us);
    }
    fmt::print("{:>8} {:>24.2f}\n", batch, best_us / static_cast<double>(students));
  }
}

void run(const std::string& url, std::size_t students, int groups,
         const std::vector<std::size_t>& batches) {
  const auto address = storage::parse_redis_url(url);
  if (!address) throw std::runtime_error("not the URL of a Redis: " + url);
  observed_redis redis(*address);
  if (redis.keys() != 0) throw std::runtime_error("this Redis is in use: give an empty one");
  storage::redis_store store(*address);
  fmt::print("{}; {} students, {} heartbeats a batch size\n", must(store.health()).description,
             students, students * static_cast<std::size_t>(groups * rounds_a_checkpoint));

  // A rewrite of the log in the midst of a run would count for whatever batch size it meets.
  redis.run(
      std::vector{storage::redis_command{"CONFIG", "SET", "auto-aof-rewrite-percentage", "0"}});

  const auto empty_bytes = redis.info("used_memory");
  school players(store, students, "student");
  const auto full_bytes = redis.info("used_memory");
  fmt::print("memory: {:.0f} bytes a student of one pair and one session, all keys together\n",
             (full_bytes - empty_bytes) / static_cast<double>(students));

  measure_heartbeats(redis, players, students, groups, batches);
  measure_pipeline(redis, students, groups, batches);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || argc > 5) {
    std::fputs("usage: redis_bench <url of an empty Redis> [students] [groups] [batch]\n", stderr);
    return 2;
  }
  const auto number = [&](int at, long fallback) {
    return argc > at ? std::strtol(argv[at], nullptr, 10) : fallback;
  };
  const auto students = number(2, 10'000);
  const auto groups = number(3, 4);
  const auto batch = number(4, 0);
  if (students < 1 || students > 1'000'000 || groups < 1 || groups > 1000 || batch < 0 ||
      batch > static_cast<long>(storage_limits::batch_heartbeats_max)) {
    std::fputs("redis_bench: 1 to 1,000,000 students, 1 to 1000 groups, batches of 1 to 512\n",
               stderr);
    return 2;
  }
  try {
    run(argv[1], static_cast<std::size_t>(students), static_cast<int>(groups),
        batch == 0 ? std::vector<std::size_t>{1, 8, 32, 64, 128, 512}
                   : std::vector{static_cast<std::size_t>(batch)});
  } catch (const std::exception& e) {
    fmt::print(stderr, "redis_bench: {}\n", e.what());
    return 1;
  }
}
