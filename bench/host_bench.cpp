// When the host keeps this machine from running at its speed. A virtual machine's cores stand
// still, or compute several times slower, for tens of milliseconds, and whatever runs there waits,
// a heartbeat too: no figure of latency can be read without these times beside it.
//
// A thread a core wakes every millisecond, ahead of everything else that runs here (SCHED_FIFO),
// and computes the same for some microseconds, in registers alone. What it wakes late, and what it
// takes longer than usual, nobody but the host, or the kernel itself, has taken. Costs 1 % of a
// core.
//
// Ends when standard input does and prints JSON: `disturbed` are [from, to] in Unix milliseconds.
// Exit code 1 where this user may not have such a thread.
#include <fmt/format.h>
#include <pthread.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <numeric>
#include <thread>
#include <vector>

namespace {

constexpr std::int64_t period_ns = 1'000'000;
constexpr std::int64_t late_from_ns = 1'000'000;  // less the timer itself may be late
constexpr std::int64_t slow_from = 3;  // times its usual; sharing a core with its twin makes two
constexpr int steps = 5'000;           // of computing, 5 µs or so
constexpr std::size_t samples_max = 4'000'000;

std::int64_t now_ns(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

struct sample {
  std::int64_t due_ns;
  std::int64_t began_ns;
  std::int64_t ended_ns;
  [[nodiscard]] std::int64_t took_ns() const { return ended_ns - began_ns; }
};
struct span {
  std::int64_t from_ns;
  std::int64_t to_ns;
};

struct watch {
  std::vector<sample> samples;
  std::uint64_t computed = 1;
  int error = 0;

  void run(int core, const std::atomic<bool>& over) {
    cpu_set_t only;
    CPU_ZERO(&only);
    CPU_SET(core, &only);
    error = ::pthread_setaffinity_np(::pthread_self(), sizeof only, &only);
    const sched_param highest{.sched_priority = ::sched_get_priority_max(SCHED_FIFO)};
    if (error == 0) error = ::pthread_setschedparam(::pthread_self(), SCHED_FIFO, &highest);
    if (error != 0) return;
    samples.reserve(100'000);
    for (auto due_ns = now_ns(CLOCK_MONOTONIC) + period_ns;
         !over.load(std::memory_order_relaxed) && samples.size() < samples_max;) {
      const timespec until{due_ns / 1'000'000'000, due_ns % 1'000'000'000};
      ::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr);
      const auto began_ns = now_ns(CLOCK_MONOTONIC);
      for (int i = 0; i < steps; ++i) computed = computed * 6364136223846793005u + 1;
      samples.push_back({due_ns, began_ns, now_ns(CLOCK_MONOTONIC)});
      due_ns = samples.back().ended_ns + period_ns;
    }
  }

  /// A single slow one may be an interrupt; two in a row are the host.
  void add_disturbed(std::vector<span>& to) const {
    if (samples.empty()) return;
    std::vector<std::int64_t> took;
    for (const auto& each : samples) took.push_back(each.took_ns());
    std::ranges::nth_element(took, took.begin() + static_cast<std::ptrdiff_t>(took.size() / 2));
    const auto slow_ns = slow_from * took[took.size() / 2];
    for (std::size_t i = 0; i < samples.size(); ++i) {
      const auto& each = samples[i];
      const bool late = each.began_ns - each.due_ns > late_from_ns;
      const bool slow = i > 0 && each.took_ns() > slow_ns && samples[i - 1].took_ns() > slow_ns;
      if (late || slow) to.push_back({slow ? samples[i - 1].due_ns : each.due_ns, each.ended_ns});
    }
  }
};

std::vector<span> merged(std::vector<span> spans) {
  std::ranges::sort(spans, {}, &span::from_ns);
  std::vector<span> out;
  for (const auto& each : spans) {
    if (!out.empty() && each.from_ns <= out.back().to_ns + 2 * period_ns)
      out.back().to_ns = std::max(out.back().to_ns, each.to_ns);
    else
      out.push_back(each);
  }
  return out;
}

}  // namespace

int main() {
  const auto began_ns = now_ns(CLOCK_MONOTONIC);
  const auto to_unix_ns = now_ns(CLOCK_REALTIME) - began_ns;
  std::atomic<bool> over{false};
  cpu_set_t ours;
  CPU_ZERO(&ours);
  ::sched_getaffinity(0, sizeof ours, &ours);
  std::vector<watch> watches(static_cast<std::size_t>(CPU_COUNT(&ours)));
  std::vector<std::thread> threads;
  for (int core = 0; threads.size() < watches.size(); ++core)
    if (CPU_ISSET(core, &ours))
      threads.emplace_back(
          [&over, core, &mine = watches[threads.size()]] { mine.run(core, over); });
  for (char ignored[64]; ::read(STDIN_FILENO, ignored, sizeof ignored) > 0;) {
  }
  over = true;
  for (auto& each : threads) each.join();

  std::vector<span> spans;
  std::uint64_t computed = 0;  // used, so that it is computed
  for (const auto& each : watches) {
    if (each.error != 0) {
      fmt::print(stderr, "host_bench: no real-time thread: {}\n", std::strerror(each.error));
      return 1;
    }
    each.add_disturbed(spans);
    computed ^= each.computed;
  }
  const auto disturbed = merged(std::move(spans));
  const auto elapsed_ns = now_ns(CLOCK_MONOTONIC) - began_ns;
  const auto sum_ns = std::accumulate(
      disturbed.begin(), disturbed.end(), std::int64_t{0},
      [](std::int64_t sum, const span& each) { return sum + each.to_ns - each.from_ns; });
  std::int64_t longest_ns = 0;
  for (const auto& each : disturbed) longest_ns = std::max(longest_ns, each.to_ns - each.from_ns);
  fmt::print(
      "{{\"elapsed_ms\":{},\"share\":{:.4f},\"longest_ms\":{:.1f},\"computed\":{},\"disturbed\":[",
      elapsed_ns / 1'000'000, static_cast<double>(sum_ns) / static_cast<double>(elapsed_ns),
      static_cast<double>(longest_ns) / 1e6, computed % 2);
  for (std::size_t i = 0; i < disturbed.size(); ++i)
    fmt::print("{}[{:.1f},{:.1f}]", i == 0 ? "" : ",",
               static_cast<double>(disturbed[i].from_ns + to_unix_ns) / 1e6,
               static_cast<double>(disturbed[i].to_ns + to_unix_ns) / 1e6);
  fmt::print("]}}\n");
}
