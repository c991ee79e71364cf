#include "tools/fleet/report.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <string_view>

namespace watchkeeper::fleet {
namespace {

std::string_view mode_of(const fleet_options& options) {
  return options.burst ? "burst" : options.presign ? "presign" : "paced";
}

double share(double part, std::uint64_t whole) {
  return whole == 0 ? 0.0 : part / static_cast<double>(whole);
}

void row(std::string& out, std::string_view name, std::string_view value,
         std::string_view note = {}) {
  out += fmt::format("  {:<26}{:>14}", name, value);
  if (!note.empty()) out += fmt::format("  {}", note);
  out += '\n';
}

std::uint64_t count_of(const tally& t, outcome_kind kind) {
  return t.outcomes[static_cast<std::size_t>(kind)];
}

}  // namespace

std::string grouped(std::uint64_t number) {
  auto text = std::to_string(number);
  for (std::size_t i = text.size(); i > 3;) {
    i -= 3;
    text.insert(i, 1, ',');
  }
  return text;
}

std::string duration_text(std::uint64_t us) {
  if (us < 1000) return fmt::format("{} µs", us);
  const auto value = static_cast<double>(us);
  if (us < 100'000) return fmt::format("{:.1f} ms", value / 1e3);
  if (us < 1'000'000) return fmt::format("{:.0f} ms", value / 1e3);
  return fmt::format("{:.2f} s", value / 1e6);
}

std::string report_table(const fleet_options& options, std::size_t connections, const tally& t) {
  std::string out = fmt::format("\n{} devices on {} connections to {}, {}, {:.1f} s\n\n",
                                grouped(options.devices), grouped(connections), options.url,
                                mode_of(options), t.elapsed_s);
  out += "Heartbeats\n";
  row(out, "played", grouped(t.generated));
  for (std::size_t i = 0; i < outcome_kinds; ++i) {
    const auto kind = static_cast<outcome_kind>(i);
    if (kind == outcome_kind::retry || (t.outcomes[i] == 0 && kind != outcome_kind::credited))
      continue;
    row(out, name_of(kind), grouped(t.outcomes[i]),
        fmt::format("{:5.1f} %", 100 * share(static_cast<double>(t.outcomes[i]), t.generated)));
  }
  for (const auto& [problem, times] : t.rejections) row(out, "  " + problem, grouped(times));
  if (t.dropped != 0) row(out, "dropped", grouped(t.dropped), "the buffer was full");
  if (t.unanswered != 0) row(out, "unanswered", grouped(t.unanswered), "when the run ended");
  if (t.resent != 0) {
    row(out, "sent again", grouped(t.resent), fmt::format("{} sent in all", grouped(t.sent)));
    for (const auto& [reason, times] : t.retries) row(out, "  " + reason, grouped(times));
  }
  if (t.connections_lost != 0) row(out, "connections lost", grouped(t.connections_lost));

  out += "\nThroughput and latency\n";
  row(out, "heartbeats/s",
      fmt::format("{:.1f}",
                  t.elapsed_s > 0 ? static_cast<double>(t.answered()) / t.elapsed_s : 0.0));
  for (const auto& [name, q] : {std::pair{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}})
    row(out, name, duration_text(std::min(t.latency.quantile_us(q), t.latency_max_us)),
        q == 0.5 ? (options.presign ? "from sending" : "from when it was due") : "");
  row(out, "max", duration_text(t.latency_max_us));

  out += "\nCost of a heartbeat\n";
  if (t.warm_heartbeats != 0) {
    row(out, "bytes up",
        fmt::format("{:.0f}", share(static_cast<double>(t.warm_bytes.up), t.warm_heartbeats)),
        "on the socket, TLS included, warm connections");
    row(out, "bytes down",
        fmt::format("{:.0f}", share(static_cast<double>(t.warm_bytes.down), t.warm_heartbeats)));
  } else {
    row(out, "bytes", "–", "no connection has carried a second heartbeat");
  }
  row(out, "this client's CPU", fmt::format("{:.0f} µs", 1e6 * share(t.client_cpu_s, t.answered())),
      "signing included unless presigned");
  row(out, "this client's memory",
      fmt::format("{:.1f} MB", static_cast<double>(t.client_resident_bytes) / 1e6));

  out += "\nProgress\n";
  if (options.minimal) {
    row(out, "students", "–", "unknown with prefer: return=minimal");
  } else {
    row(out, "credited media", fmt::format("{:.1f} h", static_cast<double>(t.credited_ms) / 3.6e6));
    row(out, "students MASTERED", grouped(t.students_mastered));
  }
  return out;
}

std::string report_json(const fleet_options& options, std::size_t connections, const tally& t) {
  nlohmann::ordered_json out;
  out["url"] = options.url;
  out["mode"] = mode_of(options);
  out["devices"] = options.devices;
  out["connections"] = connections;
  out["elapsed_s"] = t.elapsed_s;
  out["generated"] = t.generated;
  out["requests"] = t.requests;
  out["sent"] = t.sent;
  out["resent"] = t.resent;
  out["acknowledged"] = t.acknowledged();
  for (const auto kind : {outcome_kind::credited, outcome_kind::limited, outcome_kind::duplicate,
                          outcome_kind::accepted, outcome_kind::rejected})
    out[std::string{name_of(kind)}] = count_of(t, kind);
  out["rejections"] = t.rejections;
  out["retries"] = t.retries;
  out["dropped"] = t.dropped;
  out["unanswered"] = t.unanswered;
  out["connections_lost"] = t.connections_lost;
  out["heartbeats_per_s"] = t.elapsed_s > 0 ? static_cast<double>(t.answered()) / t.elapsed_s : 0.0;
  const auto quantile = [&](double q) {
    return std::min(t.latency.quantile_us(q), t.latency_max_us);
  };
  out["latency_us"] = {{"count", t.latency.count()},
                       {"p50", quantile(0.5)},
                       {"p90", quantile(0.9)},
                       {"p99", quantile(0.99)},
                       {"max", t.latency_max_us}};
  out["bytes_per_heartbeat"] = {
      {"heartbeats", t.warm_heartbeats},
      {"up", share(static_cast<double>(t.warm_bytes.up), t.warm_heartbeats)},
      {"down", share(static_cast<double>(t.warm_bytes.down), t.warm_heartbeats)}};
  out["client"] = {{"cpu_us_per_heartbeat", 1e6 * share(t.client_cpu_s, t.answered())},
                   {"resident_bytes", t.client_resident_bytes}};
  out["credited_ms"] = t.credited_ms;
  out["students_mastered"] = t.students_mastered;
  return out.dump();
}

}  // namespace watchkeeper::fleet
