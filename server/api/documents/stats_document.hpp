#pragma once

#include <string>
#include <string_view>

#include "actors/live/feed.hpp"
#include "actors/statistics.hpp"
#include "net/server.hpp"
#include "server/heartbeats/deferred_statistics.hpp"

namespace watchkeeper::server {

struct build_info {
  std::string version;
  std::string commit;  // empty: unknown
  std::string compiler;
  std::string build_type;
};

/// Everything that /v1/stats and /metrics report, taken at one moment.
struct statistics_snapshot {
  build_info build;
  double uptime_s = 0;
  net::server_statistics server;
  actors::gateway_statistics gateway;
  deferred_statistics deferred;
  actors::live_feed_statistics live;
  std::string_view es256;  // what verifies it: "own" or "openssl"
  std::uint64_t es256_tables = 0;
  std::uint64_t resident_bytes = 0;
};

std::string_view durability_name(storage::durability_level durability) noexcept;

/// The document that docs/stats.schema.json describes. `filter`: comma-separated beginnings of the
/// names of top-level members; empty: all of them.
std::string stats_document(const statistics_snapshot& now, std::string_view filter);

/// The document `json` for people: a section for each member, names and values aligned, the shards
/// as a table.
std::string stats_text(std::string_view json);

/// Prometheus text exposition format 0.0.4.
std::string metrics_text(const statistics_snapshot& now);

/// Resident memory of this process in bytes; 0 if the system does not report it.
std::uint64_t resident_memory_bytes();

}  // namespace watchkeeper::server
