#include "server/api/documents/stats_document.hpp"

#include <unistd.h>
#include <cmath>
#include <fstream>

#include "base/calendar.hpp"
#include "base/json_writer.hpp"
#include "domain/problem.hpp"

namespace watchkeeper::server {
namespace {

void write_hundredths(json_writer& out, double value) {
  out.trimmed(std::llround(value * 100), 2);
}

void write_latency(json_writer& out, std::string_view name,
                   const actors::latency_summary& latency) {
  out.key(name)
      .begin_object()
      .member("p50", latency.p50_us)
      .member("p99", latency.p99_us)
      .member("count", latency.count)
      .end_object();
}

void write_connections(json_writer& out, const net::server_statistics& server) {
  out.begin_object()
      .member("open", server.connections_open)
      .member("accepted", server.connections_accepted)
      .member("refused", server.connections_refused)
      .member("punished", server.connections_punished)
      .member("handshakes_full", server.handshakes_full)
      .member("handshakes_resumed", server.handshakes_resumed)
      .member("handshakes_failed", server.handshakes_failed)
      .end_object();
}

void write_heartbeats(json_writer& out, const actors::gateway_statistics& gateway,
                      const deferred_statistics& deferred) {
  const auto& by = gateway.heartbeats_by_status;
  out.begin_object()
      .member("credited", by[0])
      .member("limited", by[1])
      .member("duplicate", by[2])
      .member("rejected", by[3])
      .member("past_end", gateway.heartbeats_past_end)
      .member("in_flight", gateway.heartbeats_in_flight)
      .member("deferred", deferred.deferred)
      .member("shed", deferred.shed);
  out.key("problems").begin_object();
  for (std::size_t i = 1; i < problem_count; ++i)
    if (gateway.heartbeats_by_problem[i] != 0)
      out.member(describe(static_cast<problem>(i)).name, gateway.heartbeats_by_problem[i]);
  out.end_object();
  write_latency(out, "latency_us", gateway.heartbeat_latency);
  out.end_object();
}

void write_verification(json_writer& out, const actors::gateway_statistics& gateway) {
  out.begin_object();
  for (std::size_t i = 0; i < signature_algorithm_count; ++i) {
    const auto& latency = gateway.verification[i];
    out.key(watchkeeper::name_of(static_cast<signature_algorithm>(i)))
        .begin_object()
        .member("count", latency.count)
        .member("failed", gateway.verification_failures[i])
        .member("p50_us", latency.p50_us)
        .member("p99_us", latency.p99_us)
        .end_object();
  }
  out.end_object();
}

void write_shards(json_writer& out, const actors::gateway_statistics& gateway) {
  out.begin_array();
  for (std::size_t i = 0; i < gateway.shards.size(); ++i) {
    const auto& shard = gateway.shards[i];
    const double mean = shard.batches == 0 ? 0.0
                                           : static_cast<double>(shard.batch_heartbeats) /
                                                 static_cast<double>(shard.batches);
    out.begin_object()
        .member("index", i)
        .member("pairs", shard.pairs)
        .member("dirty", shard.dirty)
        .member("parked_replies", shard.parked_replies)
        .member("queue_depth", shard.queue_depth)
        .member("batches", shard.batches);
    write_hundredths(out.key("batch_size_mean"), mean);
    out.member("batch_size_max", shard.batch_size_max);
    write_latency(out, "batch_latency_us", shard.batch_latency);
    out.end_object();
  }
  out.end_array();
}

void write_hot_store(json_writer& out, const actors::hot_store_statistics& hot) {
  out.begin_object()
      .member("up", hot.up)
      .member("degraded", hot.degraded)
      .member("description", hot.description)
      .member("durability", durability_name(hot.durability));
  write_latency(out, "latency_us", hot.latency);
  out.member("retired_pairs", hot.retired_pairs)
      .member("failures", hot.failures)
      .member("last_failure", hot.last_failure);
  out.key("traces").begin_object().member("due", hot.traces.is_due).key("removed_at");
  if (hot.traces.removed_at)
    out.value(rfc3339(*hot.traces.removed_at));
  else
    out.null();
  out.member("refusal", hot.traces.refusal).end_object().end_object();
}

void write_ledger(json_writer& out, const actors::ledger_statistics& ledger) {
  out.begin_object().member("up", ledger.up).member("description", ledger.description);
  write_latency(out, "latency_us", ledger.latency);
  out.member("lag_ms", ledger.lag_ms)
      .member("dirty_pairs", ledger.dirty_pairs)
      .member("checkpointed_pairs", ledger.checkpointed_pairs)
      .member("completions_created", ledger.completions_created)
      .member("went_back", ledger.went_back)
      .member("catching_up", ledger.catching_up)
      .member("failures", ledger.failures)
      .member("last_failure", ledger.last_failure)
      .end_object();
}

void write_jobs(json_writer& out, const std::vector<actors::judging_statistics>& jobs) {
  out.begin_array();
  for (const auto& job : jobs) {
    out.begin_object()
        .member("module", job.module.view())
        .member("revision", job.revision)
        .member("done", job.done)
        .key("total");
    if (job.total)
      out.value(*job.total);
    else
      out.null();
    out.end_object();
  }
  out.end_array();
}

void write_live(json_writer& out, const actors::live_feed_statistics& live) {
  const auto& channel = live.channel;
  out.begin_object()
      .member("subscribers", live.subscribers)
      .member("subscribers_refused", live.subscribers_refused)
      .member("modules", live.modules)
      .member("events", live.events)
      .member("updates_lost", live.updates_lost);
  out.key("channel")
      .begin_object()
      .member("shared", channel.shared)
      .member("up", channel.up)
      .member("published", channel.published)
      .member("received", channel.received)
      .member("dropped", channel.dropped)
      .member("failures", channel.failures)
      .end_object();
  out.end_object();
}

void write_build(json_writer& out, const build_info& build) {
  out.begin_object()
      .member("version", build.version)
      .member("commit", build.commit)
      .member("compiler", build.compiler)
      .member("type", build.build_type)
      .end_object();
}

void write_bytes(json_writer& out, const net::server_statistics& server) {
  out.begin_object()
      .member("received", server.bytes_received)
      .member("sent", server.bytes_sent)
      .end_object();
}

void write_crypto(json_writer& out, const statistics_snapshot& now) {
  out.begin_object()
      .member("es256", now.es256)
      .member("es256_tables", now.es256_tables)
      .end_object();
}

/// An object with one number.
void write_single(json_writer& out, std::string_view name, std::uint64_t value) {
  out.begin_object().member(name, value).end_object();
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

std::string stats_document(const statistics_snapshot& now, std::string_view filter) {
  const auto& gateway = now.gateway;
  const auto& server = now.server;
  std::string text;
  json_writer out(text);
  const auto add = [&](std::string_view name, auto write) {
    if (is_selected(name, filter)) write(out.key(name));
  };
  const auto number = [](std::uint64_t value) {
    return [value](json_writer& to) { to.value(value); };
  };
  out.begin_object();
  add("build", [&](json_writer& to) { write_build(to, now.build); });
  add("uptime_s", [&](json_writer& to) { write_hundredths(to, now.uptime_s); });
  add("connections", [&](json_writer& to) { write_connections(to, server); });
  add("streams", [&](json_writer& to) { write_single(to, "open", server.streams_open); });
  add("bytes", [&](json_writer& to) { write_bytes(to, server); });
  add("requests", number(server.requests));
  add("responses_dropped", number(server.responses_dropped));
  add("heartbeats", [&](json_writer& to) { write_heartbeats(to, gateway, now.deferred); });
  add("sessions", number(gateway.sessions));
  add("devices_cached", number(gateway.devices_cached));
  add("modules_cached", number(gateway.modules_cached));
  add("verification", [&](json_writer& to) { write_verification(to, gateway); });
  add("crypto", [&](json_writer& to) { write_crypto(to, now); });
  add("shards", [&](json_writer& to) { write_shards(to, gateway); });
  add("hot_store", [&](json_writer& to) { write_hot_store(to, gateway.hot); });
  add("ledger", [&](json_writer& to) { write_ledger(to, gateway.ledger); });
  add("jobs", [&](json_writer& to) { write_jobs(to, gateway.jobs); });
  add("live", [&](json_writer& to) { write_live(to, now.live); });
  add("memory", [&](json_writer& to) { write_single(to, "resident_bytes", now.resident_bytes); });
  out.end_object();
  return text;
}

std::uint64_t resident_memory_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::uint64_t total_pages = 0;
  std::uint64_t resident_pages = 0;
  if (!(statm >> total_pages >> resident_pages)) return 0;
  return resident_pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace watchkeeper::server
