#include "server/api/documents/stats_document.hpp"

#include <unistd.h>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "domain/problem.hpp"

namespace watchkeeper::server {
namespace {

using json = nlohmann::ordered_json;

double hundredths(double value) {
  return std::round(value * 100) / 100;
}

json latency_of(const actors::latency_summary& latency) {
  return {{"p50", latency.p50_us}, {"p99", latency.p99_us}, {"count", latency.count}};
}

json connections(const net::server_statistics& server) {
  return {{"open", server.connections_open},
          {"accepted", server.connections_accepted},
          {"refused", server.connections_refused},
          {"punished", server.connections_punished},
          {"handshakes_full", server.handshakes_full},
          {"handshakes_resumed", server.handshakes_resumed},
          {"handshakes_failed", server.handshakes_failed}};
}

json heartbeats(const actors::gateway_statistics& gateway, const deferred_statistics& deferred) {
  const auto& by = gateway.heartbeats_by_status;
  json problems = json::object();
  for (std::size_t i = 1; i < problem_count; ++i)
    if (gateway.heartbeats_by_problem[i] != 0)
      problems[std::string(describe(static_cast<problem>(i)).name)] =
          gateway.heartbeats_by_problem[i];
  return {{"credited", by[0]},
          {"limited", by[1]},
          {"duplicate", by[2]},
          {"rejected", by[3]},
          {"in_flight", gateway.heartbeats_in_flight},
          {"deferred", deferred.deferred},
          {"shed", deferred.shed},
          {"problems", std::move(problems)},
          {"latency_us", latency_of(gateway.heartbeat_latency)}};
}

json verification(const actors::gateway_statistics& gateway) {
  json out = json::object();
  for (std::size_t i = 0; i < signature_algorithm_count; ++i) {
    const auto& latency = gateway.verification[i];
    out[std::string(watchkeeper::name_of(static_cast<signature_algorithm>(i)))] = {
        {"count", latency.count},
        {"failed", gateway.verification_failures[i]},
        {"p50_us", latency.p50_us},
        {"p99_us", latency.p99_us}};
  }
  return out;
}

json shards(const actors::gateway_statistics& gateway) {
  json out = json::array();
  for (std::size_t i = 0; i < gateway.shards.size(); ++i) {
    const auto& shard = gateway.shards[i];
    const double mean = shard.batches == 0 ? 0.0
                                           : static_cast<double>(shard.batch_heartbeats) /
                                                 static_cast<double>(shard.batches);
    out.push_back({{"index", i},
                   {"pairs", shard.pairs},
                   {"dirty", shard.dirty},
                   {"parked_replies", shard.parked_replies},
                   {"queue_depth", shard.queue_depth},
                   {"batches", shard.batches},
                   {"batch_size_mean", hundredths(mean)},
                   {"batch_size_max", shard.batch_size_max},
                   {"batch_latency_us", latency_of(shard.batch_latency)}});
  }
  return out;
}

json hot_store_of(const actors::hot_store_statistics& hot) {
  return {{"up", hot.up},
          {"degraded", hot.degraded},
          {"description", hot.description},
          {"durability", durability_name(hot.durability)},
          {"latency_us", latency_of(hot.latency)},
          {"failures", hot.failures},
          {"last_failure", hot.last_failure}};
}

json ledger_of(const actors::ledger_statistics& ledger) {
  return {{"up", ledger.up},
          {"description", ledger.description},
          {"latency_us", latency_of(ledger.latency)},
          {"lag_ms", ledger.lag_ms},
          {"dirty_pairs", ledger.dirty_pairs},
          {"checkpointed_pairs", ledger.checkpointed_pairs},
          {"completions_created", ledger.completions_created},
          {"failures", ledger.failures},
          {"last_failure", ledger.last_failure}};
}

json live_of(const actors::live_feed_statistics& live) {
  const auto& channel = live.channel;
  return {{"subscribers", live.subscribers},
          {"subscribers_refused", live.subscribers_refused},
          {"modules", live.modules},
          {"events", live.events},
          {"updates_lost", live.updates_lost},
          {"channel",
           {{"shared", channel.shared},
            {"up", channel.up},
            {"published", channel.published},
            {"received", channel.received},
            {"dropped", channel.dropped},
            {"failures", channel.failures}}}};
}

bool is_selected(std::string_view name, std::string_view filter) {
  if (filter.empty()) return true;
  while (!filter.empty()) {
    const auto beginning = filter.substr(0, filter.find(','));
    if (!beginning.empty() && name.substr(0, beginning.size()) == beginning) return true;
    filter.remove_prefix(std::min(filter.size(), beginning.size() + 1));
  }
  return false;
}

}  // namespace

std::string_view durability_name(storage::durability_level durability) noexcept {
  switch (durability) {
    case storage::durability_level::memory:
      return "memory";
    case storage::durability_level::log:
      return "log";
    case storage::durability_level::fsync:
      return "fsync";
  }
  return "unknown";
}

nlohmann::ordered_json stats_document(const statistics_snapshot& now, std::string_view filter) {
  const auto& gateway = now.gateway;
  const auto& server = now.server;
  json out = json::object();
  const auto add = [&](const char* name, auto make) {
    if (is_selected(name, filter)) out[name] = make();
  };
  add("build", [&]() -> json {
    return {{"version", now.build.version},
            {"commit", now.build.commit},
            {"compiler", now.build.compiler},
            {"type", now.build.build_type}};
  });
  add("uptime_s", [&]() -> json { return hundredths(now.uptime_s); });
  add("connections", [&] { return connections(server); });
  add("streams", [&]() -> json { return {{"open", server.streams_open}}; });
  add("bytes", [&]() -> json {
    return {{"received", server.bytes_received}, {"sent", server.bytes_sent}};
  });
  add("requests", [&]() -> json { return server.requests; });
  add("responses_dropped", [&]() -> json { return server.responses_dropped; });
  add("heartbeats", [&] { return heartbeats(gateway, now.deferred); });
  add("sessions", [&]() -> json { return gateway.sessions; });
  add("devices_cached", [&]() -> json { return gateway.devices_cached; });
  add("modules_cached", [&]() -> json { return gateway.modules_cached; });
  add("verification", [&] { return verification(gateway); });
  add("crypto", [&]() -> json {
    return {{"es256", now.es256}, {"es256_tables", now.es256_tables}};
  });
  add("shards", [&] { return shards(gateway); });
  add("hot_store", [&] { return hot_store_of(gateway.hot); });
  add("ledger", [&] { return ledger_of(gateway.ledger); });
  add("live", [&] { return live_of(now.live); });
  add("memory", [&]() -> json { return {{"resident_bytes", now.resident_bytes}}; });
  return out;
}

std::uint64_t resident_memory_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::uint64_t total_pages = 0;
  std::uint64_t resident_pages = 0;
  if (!(statm >> total_pages >> resident_pages)) return 0;
  return resident_pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace watchkeeper::server
