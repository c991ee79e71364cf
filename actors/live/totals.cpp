// What the live feed sends once a second: the totals of all gateways, and who is active.
#include <algorithm>
#include <cmath>

#include "actors/live/feed.hpp"
#include "base/json_writer.hpp"

namespace watchkeeper::actors {

namespace {

live_second grown_since(const live_counts& before, const live_counts& now,
                        std::int64_t elapsed_ms) {
  const auto grown = [](std::uint64_t a, std::uint64_t b) { return a >= b ? a - b : 0; };
  live_second second{std::max<std::int64_t>(1, elapsed_ms), now};
  for (std::size_t i = 0; i < now.by_status.size(); ++i)
    second.grown.by_status[i] = grown(now.by_status[i], before.by_status[i]);
  for (std::size_t i = 0; i < problem_count; ++i)
    second.grown.by_problem[i] = grown(now.by_problem[i], before.by_problem[i]);
  return second;
}

std::string_view status_name(credit_status status) noexcept {
  if (status == credit_status::credited) return "credited";
  return status == credit_status::limited ? "limited" : "duplicate";
}

/// The data of `totals`, of which each stream names the modules that it shows.
class totals_text {
 public:
  totals_text(const live_second& second, std::size_t gateways,
              std::span<const module_activity* const> active)
      : second_(second), gateways_(gateways), active_modules_(active.size()) {
    for (const auto* module : active) active_students_ += module->active;
  }
  [[nodiscard]] std::string with(std::span<const module_activity* const> modules) const {
    const auto& grown = second_.grown;
    std::string text;
    json_writer out(text);
    out.begin_object()
        .member("gateways", gateways_)
        .member("active_modules", active_modules_)
        .member("active_students", active_students_)
        .key("heartbeats_per_s")
        .fixed(heartbeats_per_10_s(), 1);
    for (const auto status :
         {credit_status::credited, credit_status::limited, credit_status::duplicate})
      out.member(status_name(status), grown.by_status[static_cast<std::size_t>(status)]);
    out.key("rejected").begin_object();
    for (std::size_t i = 1; i < problem_count; ++i)
      if (grown.by_problem[i] != 0)
        out.member(describe(static_cast<problem>(i)).name, grown.by_problem[i]);
    out.end_object().key("active").begin_object();
    for (const auto* module : modules) out.member(module->module.view(), module->active);
    out.end_object();
    out.member("sessions", grown.sessions).member("connections", grown.connections).end_object();
    return text;
  }

 private:
  [[nodiscard]] std::int64_t heartbeats_per_10_s() const {
    std::uint64_t all = 0;
    for (const auto count : second_.grown.by_status) all += count;
    return std::llround(static_cast<double>(all) * 10'000.0 /
                        static_cast<double>(second_.elapsed_ms));
  }

  const live_second& second_;
  std::size_t gateways_;
  std::size_t active_modules_;
  std::uint64_t active_students_ = 0;
};

void add_counts(live_counts& all, const live_counts& more) {
  for (std::size_t i = 0; i < all.by_status.size(); ++i) all.by_status[i] += more.by_status[i];
  for (std::size_t i = 0; i < problem_count; ++i) all.by_problem[i] += more.by_problem[i];
}

}  // namespace

void live_feed::other_gateway::add(const live_counts& grown, mono_ms now) {
  sessions = grown.sessions;
  connections = grown.connections;
  announced_at = now;
  if (waiting.size() < waiting_seconds_max)
    waiting.push_back(grown);
  else
    add_counts(waiting.back(), grown);
}

void live_feed::other_gateway::take_second(live_counts& all) {
  all.sessions += sessions;
  all.connections += connections;
  if (waiting.empty()) return;
  add_counts(all, waiting.front());
  waiting.pop_front();
}

live_second live_feed::of_all(const live_second& second, mono_ms now) {
  std::erase_if(others_,
                [&](const auto& each) { return each.second.announced_at + gateway_ms <= now; });
  auto all = second;
  for (auto& [number, other] : others_) other.take_second(all.grown);
  return all;
}

void live_feed::announce_totals(mono_ms now) {
  // Outside of the lock: it reads the statistics of the whole gateway.
  const auto counts = counts_();
  const auto activity = board_.read();
  const mutex_lock lock(mutex_);
  const auto second = grown_since(announced_counts_, counts, now - totals_at_);
  if (deps_.channel->state().shared) deps_.channel->publish(encode({gateway_, second}));
  const auto all = of_all(second, now);
  std::vector<const module_activity*> active;  // by module, as `activity` is
  for (const auto& module : activity)
    if (module.active != 0) active.push_back(&module);
  const totals_text text(all, 1 + others_.size(), active);
  announced_counts_ = counts;
  totals_at_ = now;
  const bool keep_alive = now - last_keep_alive_at_ >= keep_alive_ms;
  if (keep_alive) last_keep_alive_at_ = now;
  const auto append = [&](live_stream& stream, std::span<const module_activity* const> named)
                          REQUIRES(mutex_) {
                            if (keep_alive) stream.outgoing += ":\n\n";
                            stream.outgoing += stream.passing("totals", text.with(named));
                            ++events_;
                          };
  // A subscriber of a module gets only this module: the event does not grow with their number.
  for (const auto& [module, stream] : streams_) {
    if (stream->subscribers.empty()) continue;
    const auto found =
        std::lower_bound(active.begin(), active.end(), module,
                         [](const auto* each, const module_id& id) { return each->module < id; });
    const bool there = found != active.end() && (*found)->module == module;
    append(*stream, there ? std::span(&*found, 1) : std::span<const module_activity* const>{});
  }
  if (totals_only_.subscribers.empty()) return;
  const auto named = std::min(active.size(), totals_modules_max);
  std::partial_sort(active.begin(), active.begin() + static_cast<std::ptrdiff_t>(named),
                    active.end(), [](const auto* a, const auto* b) {
                      return a->active != b->active ? a->active > b->active : a->module < b->module;
                    });
  append(totals_only_, std::span(active).first(named));
}

}  // namespace watchkeeper::actors
