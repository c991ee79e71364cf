#include "tools/top/frame.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

#include "tools/fleet/report.hpp"

namespace watchkeeper::top {
namespace {

constexpr std::string_view unknown = "–";

std::string count(maybe value) {
  return value ? fleet::grouped(static_cast<std::uint64_t>(std::max(0.0, *value)))
               : std::string{unknown};
}
std::string rate(maybe value) {
  return value ? fmt::format("{:.1f}", *value) : std::string{unknown};
}
std::string time_us(maybe value) {
  return value ? fleet::duration_text(static_cast<std::uint64_t>(std::max(0.0, *value)))
               : std::string{unknown};
}
std::string memory(maybe bytes) {
  return bytes ? fmt::format("{:.1f} MB", *bytes / 1e6) : std::string{unknown};
}
std::string uptime(maybe seconds) {
  if (!seconds) return std::string{unknown};
  const auto s = static_cast<std::uint64_t>(std::max(0.0, *seconds));
  return fmt::format("{}{:02}:{:02}:{:02}", s >= 86'400 ? fmt::format("{} d ", s / 86'400) : "",
                     s / 3600 % 24, s / 60 % 60, s % 60);
}

/// fmt pads by code points; so does this, for text that was made elsewhere.
std::string right(const std::string& text, int width) {
  return fmt::format("{:>{}}", text, width);
}

frame_line store_line(const top_model& m, const std::string& name, const std::string& at,
                      const std::string& more) {
  const auto up = m.flag(at + "/up");
  const bool degraded = m.flag(at + "/degraded").value_or(false);
  const auto word = !up ? std::string{unknown} : !*up ? "DOWN" : degraded ? "DEGRADED" : "up";
  return {fmt::format("{:<13} {:<9} p50 {}  p99 {}  failures {}{}", name, word,
                      time_us(m.number(at + "/latency_us/p50")),
                      time_us(m.number(at + "/latency_us/p99")), count(m.number(at + "/failures")),
                      more),
          (up && !*up) || degraded ? line_style::alert : line_style::normal};
}

std::string shard_row(const top_model& m, std::size_t i) {
  const auto at = fmt::format("/shards/{}", i);
  const auto of = [&](const char* member) { return m.number(at + "/" + member); };
  return right(count(of("index").value_or(static_cast<double>(i))), 5) +
         right(count(of("pairs")), 10) + right(count(of("dirty")), 8) +
         right(count(of("parked_replies")), 7) + right(count(of("queue_depth")), 7) +
         right(rate(m.per_second(at + "/batches")), 11) + right(rate(of("batch_size_mean")), 6) +
         right(count(of("batch_size_max")), 5) + right(time_us(of("batch_latency_us/p50")), 10) +
         right(time_us(of("batch_latency_us/p99")), 10);
}

}  // namespace

std::string clipped(const std::string& text, std::size_t columns) {
  std::size_t width = 0;
  std::size_t end = 0;
  for (; end < text.size(); ++end)
    if ((static_cast<unsigned char>(text[end]) & 0xc0) != 0x80 && width++ == columns) break;
  return text.substr(0, end);
}

std::string spark_line(const std::deque<double>& values, std::size_t columns) {
  static constexpr std::array<const char*, 8> blocks{"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  const auto shown = std::min(columns, values.size());
  const auto first = values.end() - static_cast<std::ptrdiff_t>(shown);
  const double largest = shown == 0 ? 0 : *std::max_element(first, values.end());
  std::string out;
  for (auto value = first; value != values.end(); ++value) {
    const double part = largest > 0 ? *value / largest : 0;
    out += blocks[static_cast<std::size_t>(std::clamp(std::ceil(part * 8) - 1, 0.0, 7.0))];
  }
  return out;
}

namespace {

void draw_head(std::vector<frame_line>& out, const top_model& m, const frame_note& note) {
  const auto version = m.text("/build/version");
  out.push_back({fmt::format("watchkeeper {}  {}  up {}", version.empty() ? unknown : version,
                             note.url, uptime(m.number("/uptime_s"))),
                 line_style::title});
  if (!note.failure.empty())
    out.push_back({"NOT REACHED, trying again: " + note.failure, line_style::alert});
  out.push_back({fmt::format("connections {}  streams {}  sessions {}  in flight {}  memory {}",
                             count(m.number("/connections/open")), count(m.number("/streams/open")),
                             count(m.number("/sessions")), count(m.number("/heartbeats/in_flight")),
                             memory(m.number("/memory/resident_bytes")))});
  out.push_back({});
}

void draw_heartbeats(std::vector<frame_line>& out, const top_model& m, std::size_t columns) {
  const auto now = m.history().empty() ? maybe{} : maybe{m.history().back()};
  const auto head = fmt::format("Heartbeats/s  {:<10}", rate(now));
  const auto spark_columns = columns > 25 ? columns - 25 : 0;
  out.push_back({head + " " + spark_line(m.history(), spark_columns), line_style::heading});
  std::string statuses = "             ";
  for (const char* status : {"credited", "limited", "duplicate", "rejected"})
    statuses +=
        fmt::format(" {} {}  ", status, rate(m.per_second(std::string{"/heartbeats/"} + status)));
  out.push_back({statuses});
  out.push_back({fmt::format("Latency       p50 {}   p99 {}   answered {}",
                             time_us(m.number("/heartbeats/latency_us/p50")),
                             time_us(m.number("/heartbeats/latency_us/p99")),
                             count(m.number("/heartbeats/latency_us/count")))});
}

/// A row for each algorithm that has verified something.
void draw_verification(std::vector<frame_line>& out, const top_model& m) {
  std::string label = "Verification ";
  for (const auto& name : m.algorithms()) {
    const auto at = "/verification/" + name;
    if (m.number(at + "/count").value_or(1) == 0) continue;
    out.push_back(
        {fmt::format("{} {:<6} p50 {}   p99 {}   {}/s   failed {}", label, clipped(name, 6),
                     time_us(m.number(at + "/p50_us")), time_us(m.number(at + "/p99_us")),
                     rate(m.per_second(at + "/count")), count(m.number(at + "/failed")))});
    label = "             ";
  }
  if (label[0] == 'V') out.push_back({label + fmt::format(" {}", unknown)});
}

void draw_stores(std::vector<frame_line>& out, const top_model& m) {
  const auto durability = m.text("/hot_store/durability");
  out.push_back(
      store_line(m, "Hot store", "/hot_store",
                 fmt::format("  acknowledges: {}", durability.empty() ? unknown : durability)));
  if (const auto what = m.text("/hot_store/description"); !what.empty())
    out.push_back({"              " + what});
  out.push_back(store_line(m, "Ledger", "/ledger", {}));
  const auto lag = m.number("/ledger/lag_ms");
  out.push_back({fmt::format("              lag {}  dirty {}  checkpointed {}  completions {}",
                             lag ? time_us(maybe{*lag * 1000}) : std::string{unknown},
                             count(m.number("/ledger/dirty_pairs")),
                             count(m.number("/ledger/checkpointed_pairs")),
                             count(m.number("/ledger/completions_created")))});
  if (const auto what = m.text("/ledger/description"); !what.empty())
    out.push_back({"              " + what});
}

/// At most `rows` rows, the last of which says how many shards are not shown.
void draw_shards(std::vector<frame_line>& out, const top_model& m, std::size_t rows) {
  out.push_back({});
  out.push_back({"Shard     Pairs   Dirty Parked  Queue  Batches/s  Mean  Max       p50       p99",
                 line_style::heading});
  const auto shown = m.shards() <= rows ? m.shards() : rows > 0 ? rows - 1 : 0;
  for (std::size_t i = 0; i < shown; ++i) out.push_back({shard_row(m, i)});
  if (shown < m.shards()) out.push_back({fmt::format("      … and {} more", m.shards() - shown)});
  if (m.shards() == 0) out.push_back({right(std::string{unknown}, 5)});
}

std::string problems_row(const top_model& m) {
  std::string row = "Problems     ";
  for (const auto& [name, times] : m.problems())
    row += fmt::format(" {} {}  ", name, fleet::grouped(times));
  if (m.problems().empty())
    row += m.number("/heartbeats/rejected") ? " none" : fmt::format(" {}", unknown);
  return row;
}

}  // namespace

std::vector<frame_line> draw_frame(const top_model& m, const frame_note& note, std::size_t columns,
                                   std::size_t rows) {
  std::vector<frame_line> out;
  draw_head(out, m, note);
  draw_heartbeats(out, m, columns);
  draw_verification(out, m);
  draw_stores(out, m);
  // The last rows are for problems and keys; the shards take what is left in between.
  const std::size_t tail = 2 + (note.hint ? 1 : 0);
  draw_shards(out, m, rows > out.size() + tail + 2 ? rows - out.size() - tail - 2 : 0);
  out.push_back({problems_row(m)});
  if (note.hint) out.push_back({"q quit", line_style::heading});
  if (out.size() > rows) out.resize(rows);
  for (auto& line : out) {
    line.text = clipped(line.text, columns);
    line.text.erase(line.text.find_last_not_of(' ') + 1);
  }
  return out;
}

}  // namespace watchkeeper::top
