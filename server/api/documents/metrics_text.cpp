#include <fmt/format.h>

#include <initializer_list>
#include <iterator>
#include <utility>

#include "domain/problem.hpp"
#include "server/api/documents/stats_document.hpp"

namespace watchkeeper::server {
namespace {

using labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

/// Writes the text exposition format. One family at a time: `family`, then its samples.
class exposition {
 public:
  void family(std::string_view name, std::string_view type, std::string_view help) {
    name_ = name;
    fmt::format_to(to(), "# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
  }
  template <class Number>
  void sample(Number value, labels of = {}, std::string_view suffix = {}) {
    fmt::format_to(to(), "{}{}", name_, suffix);
    char before = '{';
    for (const auto& [label, text] : of) {
      fmt::format_to(to(), "{}{}=\"", before, label);
      append_escaped(text);
      out_ += '"';
      before = ',';
    }
    if (of.size() != 0) out_ += '}';
    fmt::format_to(to(), " {}\n", value);
  }
  template <class Number>
  void one(std::string_view name, std::string_view type, std::string_view help, Number value) {
    family(name, type, help);
    sample(value);
  }
  void quantiles(const actors::latency_summary& latency) {
    sample(seconds(latency.p50_us), {{"quantile", "0.5"}});
    sample(seconds(latency.p99_us), {{"quantile", "0.99"}});
    sample(seconds(latency.sum_us), {}, "_sum");
    sample(latency.count, {}, "_count");
  }
  void quantiles(const actors::latency_summary& latency, std::string_view label,
                 std::string_view value) {
    sample(seconds(latency.p50_us), {{label, value}, {"quantile", "0.5"}});
    sample(seconds(latency.p99_us), {{label, value}, {"quantile", "0.99"}});
    sample(seconds(latency.sum_us), {{label, value}}, "_sum");
    sample(latency.count, {{label, value}}, "_count");
  }
  [[nodiscard]] std::string take() { return std::move(out_); }

 private:
  [[nodiscard]] std::back_insert_iterator<std::string> to() { return std::back_inserter(out_); }
  [[nodiscard]] static double seconds(std::uint64_t us) { return static_cast<double>(us) / 1e6; }
  void append_escaped(std::string_view text) {
    for (const char c : text) {
      if (c == '\\' || c == '"') out_ += '\\';
      if (c == '\n')
        out_ += "\\n";
      else
        out_ += c;
    }
  }

  std::string out_;
  std::string_view name_;
};

constexpr std::string_view counter = "counter";
constexpr std::string_view gauge = "gauge";
constexpr std::string_view summary = "summary";

void write_process(exposition& out, const statistics_snapshot& now) {
  out.family("watchkeeper_build_info", gauge, "Always 1; the labels say what is running.");
  out.sample(1, {{"version", now.build.version}, {"commit", now.build.commit}});
  out.one("watchkeeper_uptime_seconds", gauge, "Time since the process started.", now.uptime_s);
  out.one("watchkeeper_resident_memory_bytes", gauge, "Resident memory of the process.",
          now.resident_bytes);
}

void write_server(exposition& out, const net::server_statistics& server) {
  out.one("watchkeeper_connections_open", gauge, "Connections that are open.",
          server.connections_open);
  out.one("watchkeeper_connections_accepted_total", counter, "Connections that were accepted.",
          server.connections_accepted);
  out.one("watchkeeper_connections_refused_total", counter,
          "Connections closed at once because a limit was reached.", server.connections_refused);
  out.one("watchkeeper_connections_punished_total", counter,
          "Connections closed because the peer abused the protocol.", server.connections_punished);
  out.family("watchkeeper_handshakes_total", counter, "TLS handshakes by how they ended.");
  out.sample(server.handshakes_full, {{"result", "full"}});
  out.sample(server.handshakes_resumed, {{"result", "resumed"}});
  out.sample(server.handshakes_failed, {{"result", "failed"}});
  out.one("watchkeeper_streams_open", gauge, "HTTP/2 streams that are open.", server.streams_open);
  out.one("watchkeeper_requests_total", counter, "HTTP requests.", server.requests);
  out.one("watchkeeper_responses_dropped_total", counter,
          "Responses whose stream had ended before they were ready.", server.responses_dropped);
  out.one("watchkeeper_received_bytes_total", counter, "Bytes read from sockets, TLS included.",
          server.bytes_received);
  out.one("watchkeeper_sent_bytes_total", counter, "Bytes written to sockets, TLS included.",
          server.bytes_sent);
}

void write_live(exposition& out, const actors::live_feed_statistics& live) {
  out.one("watchkeeper_live_subscribers", gauge, "Clients of the live view.", live.subscribers);
  out.one("watchkeeper_live_subscribers_refused_total", counter,
          "Clients of the live view that were rejected because too many watch.",
          live.subscribers_refused);
  out.one("watchkeeper_live_updates_lost_total", counter,
          "Heartbeats that are in no event of the live view.", live.updates_lost);
  if (live.channel.shared)
    out.one("watchkeeper_live_channel_up", gauge,
            "1 while the gateways can exchange live messages.", live.channel.up ? 1 : 0);
}

void write_heartbeats(exposition& out, const actors::gateway_statistics& gateway,
                      const deferred_statistics& deferred) {
  static constexpr std::string_view statuses[] = {"credited", "limited", "duplicate", "rejected"};
  out.family("watchkeeper_heartbeats_total", counter, "Heartbeats answered, by status.");
  for (std::size_t i = 0; i < gateway.heartbeats_by_status.size(); ++i)
    out.sample(gateway.heartbeats_by_status[i], {{"status", statuses[i]}});
  out.family("watchkeeper_heartbeat_problems_total", counter, "Heartbeats rejected, by problem.");
  for (std::size_t i = 1; i < problem_count; ++i)
    out.sample(gateway.heartbeats_by_problem[i],
               {{"problem", describe(static_cast<problem>(i)).name}});
  out.one(
      "watchkeeper_heartbeats_past_end_total", counter,
      "Heartbeats whose interval went on more than 1 s after the end of the module: its duration "
      "in the catalogue may be too short.",
      gateway.heartbeats_past_end);
  out.one("watchkeeper_heartbeats_in_flight", gauge, "Heartbeats in flight.",
          gateway.heartbeats_in_flight);
  out.one("watchkeeper_heartbeats_deferred", gauge,
          "Deferred heartbeats: those of requests with several tokens that wait for their turn.",
          deferred.deferred);
  out.one("watchkeeper_heartbeats_shed_total", counter,
          "Deferred heartbeats that were answered 503 because too many waited, or for too long.",
          deferred.shed);
  out.family("watchkeeper_heartbeat_duration_seconds", summary,
             "From the last byte of a heartbeat to the hand-over of its response.");
  out.quantiles(gateway.heartbeat_latency);
  out.family("watchkeeper_verification_duration_seconds", summary,
             "Time to verify one signature, by algorithm.");
  for (std::size_t i = 0; i < signature_algorithm_count; ++i)
    out.quantiles(gateway.verification[i], "algorithm",
                  watchkeeper::name_of(static_cast<signature_algorithm>(i)));
  out.family("watchkeeper_verification_failures_total", counter,
             "Signatures that did not verify, by algorithm.");
  for (std::size_t i = 0; i < signature_algorithm_count; ++i)
    out.sample(gateway.verification_failures[i],
               {{"algorithm", watchkeeper::name_of(static_cast<signature_algorithm>(i))}});
  out.one("watchkeeper_sessions", gauge, "Playback sessions in memory.", gateway.sessions);
  out.one("watchkeeper_devices_cached", gauge, "Devices in the registry's memory.",
          gateway.devices_cached);
  out.one("watchkeeper_modules_cached", gauge, "Modules in the registry's memory.",
          gateway.modules_cached);
}

/// A family of which each shard has a sample.
template <class Read>
void per_shard(exposition& out, const actors::gateway_statistics& gateway, std::string_view name,
               std::string_view type, std::string_view help, Read read) {
  out.family(name, type, help);
  for (std::size_t i = 0; i < gateway.shards.size(); ++i)
    out.sample(read(gateway.shards[i]), {{"shard", std::to_string(i)}});
}

void write_shards(exposition& out, const actors::gateway_statistics& gateway) {
  using shard = actors::shard_statistics;
  per_shard(out, gateway, "watchkeeper_shard_pairs", gauge, "Pairs in the shard's memory.",
            [](const shard& s) { return s.pairs; });
  per_shard(out, gateway, "watchkeeper_shard_dirty_pairs", gauge,
            "Pairs that changed since the last checkpoint.",
            [](const shard& s) { return s.dirty; });
  per_shard(out, gateway, "watchkeeper_shard_parked_replies", gauge,
            "Heartbeats in the batch that is being stored.",
            [](const shard& s) { return s.parked_replies; });
  per_shard(out, gateway, "watchkeeper_shard_queue_depth", gauge,
            "Heartbeats that wait for the next batch.",
            [](const shard& s) { return s.queue_depth; });
  per_shard(out, gateway, "watchkeeper_shard_batches_total", counter, "Batches stored.",
            [](const shard& s) { return s.batches; });
  per_shard(out, gateway, "watchkeeper_shard_batch_heartbeats_total", counter,
            "Heartbeats in those batches.", [](const shard& s) { return s.batch_heartbeats; });
  per_shard(out, gateway, "watchkeeper_shard_batch_size_max", gauge, "The largest batch so far.",
            [](const shard& s) { return s.batch_size_max; });
  out.family("watchkeeper_shard_batch_duration_seconds", summary,
             "From handing a batch to the hot store until it is durable.");
  for (std::size_t i = 0; i < gateway.shards.size(); ++i)
    out.quantiles(gateway.shards[i].batch_latency, "shard", std::to_string(i));
}

void write_stores(exposition& out, const actors::gateway_statistics& gateway) {
  const auto& hot = gateway.hot;
  out.one("watchkeeper_hot_store_up", gauge, "1 while the hot store replies.", hot.up ? 1 : 0);
  out.one("watchkeeper_hot_store_degraded", gauge,
          "1 while acknowledgements go through the ledger.", hot.degraded ? 1 : 0);
  out.family("watchkeeper_hot_store_durability", gauge,
             "1 for the durability of an acknowledgement: memory, log or fsync.");
  for (const auto durability : {storage::durability_level::memory, storage::durability_level::log,
                                storage::durability_level::fsync})
    out.sample(durability == hot.durability ? 1 : 0, {{"level", durability_name(durability)}});
  out.family("watchkeeper_hot_store_duration_seconds", summary, "Time of a call.");
  out.quantiles(hot.latency);
  out.one("watchkeeper_hot_store_retired_pairs_total", counter,
          "Idle pairs that this gateway took out of the hot store.", hot.retired_pairs);
  out.one("watchkeeper_hot_store_failures_total", counter, "Calls that failed.", hot.failures);
  const auto& ledger = gateway.ledger;
  out.one("watchkeeper_ledger_up", gauge, "1 while the ledger replies.", ledger.up ? 1 : 0);
  out.family("watchkeeper_ledger_duration_seconds", summary, "Time of a checkpoint batch.");
  out.quantiles(ledger.latency);
  out.one("watchkeeper_ledger_lag_seconds", gauge, "Time since the last complete checkpoint.",
          static_cast<double>(ledger.lag_ms) / 1000);
  out.one("watchkeeper_ledger_dirty_pairs", gauge,
          "Pairs that the last checkpoint found to be written.", ledger.dirty_pairs);
  out.one("watchkeeper_ledger_checkpointed_pairs_total", counter, "Pairs written to the ledger.",
          ledger.checkpointed_pairs);
  out.one("watchkeeper_ledger_completions_total", counter,
          "Pairs mastered by heartbeats of this gateway; one completion event each.",
          ledger.completions_created);
  out.one("watchkeeper_ledger_went_back_total", counter,
          "How often the ledger was found to lack transactions that it had.", ledger.went_back);
  out.one("watchkeeper_ledger_failures_total", counter, "Checkpoint batches that failed.",
          ledger.failures);
}

}  // namespace

std::string metrics_text(const statistics_snapshot& now) {
  exposition out;
  write_process(out, now);
  write_server(out, now.server);
  write_live(out, now.live);
  write_heartbeats(out, now.gateway, now.deferred);
  if (!now.gateway.shards.empty()) write_shards(out, now.gateway);
  write_stores(out, now.gateway);
  return out.take();
}

}  // namespace watchkeeper::server
