// What redis_store does on connecting, and what it says about the server.
#include <fmt/format.h>
#include <hiredis/hiredis.h>

#include <algorithm>
#include <random>
#include <utility>

#include "base/hash.hpp"
#include "storage/redis/keys.hpp"
#include "storage/redis/library.hpp"
#include "storage/redis/store.hpp"

namespace watchkeeper::storage {

namespace {

/// The value of a line "name:value" of INFO.
std::string_view info_value(std::string_view info, std::string_view name) {
  for (std::size_t at = 0; at < info.size();) {
    auto end = info.find("\r\n", at);
    if (end == std::string_view::npos) end = info.size();
    const auto line = info.substr(at, end - at);
    if (line.size() > name.size() && line.starts_with(name) && line[name.size()] == ':')
      return line.substr(name.size() + 1);
    at = end + 2;
  }
  return {};
}

/// The value of a name in the flat list of names and values that CONFIG GET gives.
std::string_view config_value(const redisReply& reply, std::string_view name) {
  if (reply.type != REDIS_REPLY_ARRAY) return {};
  for (std::size_t i = 0; i + 1 < reply.elements; i += 2)
    if (text_of(*reply.element[i]) == name) return text_of(*reply.element[i + 1]);
  return {};
}

/// How Redis would make room, where that throws away what was acknowledged; else nothing.
std::string_view eviction_of(std::string_view memory_info) {
  const auto limit = info_value(memory_info, "maxmemory");
  const auto policy = info_value(memory_info, "maxmemory_policy");
  return limit.empty() || limit == "0" || policy == "noeviction" ? std::string_view() : policy;
}

/// Progress has no time to live: allkeys-… may throw it away, and volatile-… sessions only.
void judge_eviction(std::string_view policy, hot_store_health& found) {
  if (policy.empty()) return;
  const bool of_all = policy.starts_with("allkeys");
  if (of_all) found.durability = durability_level::memory;
  found.description +=
      fmt::format(", maxmemory-policy {}: when memory is short {} thrown away; set noeviction",
                  policy, of_all ? "what was acknowledged is" : "replay windows are");
}

std::string new_incarnation() {
  std::random_device random;
  return fmt::format("{:08x}{:08x}", random(), random());
}

}  // namespace

/// A replica must not be asked: what it has may be old, and it takes no writes.
stored<ok_t> redis_store::judge_role(const redisReply& replication_info) {
  if (is_error(replication_info)) return failure_of(replication_info);
  const auto role = info_value(text_of(replication_info), "role");
  if (role == "master") return ok;
  return storage_failure{storage_error::unavailable,
                         role == "slave" ? "this Redis is a replica, not a master"
                                         : "this Redis does not say that it is a master"};
}

stored<ok_t> redis_store::ready() {
  if (connection_.usable()) return ok;
  cache_.clear();  // Redis may have come back with less, or be another one
  if (auto opened = connection_.open(); !opened) return opened;
  auto fine = check_role();
  if (fine) fine = load_library();
  if (fine) fine = check_deployment();
  if (fine) fine = identify();
  if (!fine) connection_.close();
  return fine;
}

stored<ok_t> redis_store::check_role() {
  const auto asked = send({"INFO", "replication"});
  if (!asked) return asked.error();
  return judge_role(*asked.value());
}

stored<ok_t> redis_store::identify() {
  const redis_command questions[] = {{"INFO", "server"}, {"INFO", "replication"}};
  const auto asked = send(questions);
  if (!asked) return asked.error();
  for (const auto& reply : asked.value())
    if (is_error(*reply)) return failure_of(*reply);
  take_identity(*asked.value()[0], *asked.value()[1]);
  return ok;
}

/// A Redis that was started anew may have lost the last of its log. One that was a replica for a
/// while has what its master had then: after a promotion it has another replication id.
void redis_store::take_identity(const redisReply& server, const redisReply& replication) {
  auto now = fmt::format("{} {} {}", deployment_, info_value(text_of(server), "run_id"),
                         info_value(text_of(replication), "master_replid"));
  if (now == incarnation_) return;
  cache_.clear();
  incarnation_tag_ = std::max<std::uint64_t>(stable_hash(now), 1);
  incarnation_ = std::move(now);
}

stored<ok_t> redis_store::load_library() {
  auto asked = send({"FCALL", "wk_version", "0"});
  if (!asked) return asked.error();
  const auto& reply = *asked.value();
  if (reply.type == REDIS_REPLY_INTEGER) {
    if (reply.integer == redis_library_version) return ok;
    if (reply.integer > redis_library_version)
      return storage_failure{
          storage_error::mismatch,
          fmt::format("the Redis function library is of version {}, newer than {}", reply.integer,
                      redis_library_version)};
  } else if (is_error(reply) && text_of(reply).starts_with("ERR unknown command")) {
    return storage_failure{storage_error::mismatch, "Redis 7 or newer is needed"};
  } else if (!is_function_missing(reply)) {
    return is_error(reply) ? failure_of(reply)
                           : storage_failure{storage_error::corrupt, "wk_version: a foreign reply"};
  }
  if (options_.changes_nothing) {
    at_start_.insert(fmt::format("its function library becomes version {}", redis_library_version));
    return ok;
  }
  auto loaded = send({"FUNCTION", "LOAD", "REPLACE", redis_library_source});
  if (!loaded) return loaded.error();
  if (is_error(*loaded.value())) return failure_of(*loaded.value());
  return ok;
}

stored<ok_t> redis_store::check_deployment() {
  const auto partitions = std::to_string(limits::partitions);
  const redis_command get{"HMGET", redis_keys::deployment, "partitions", "format", "incarnation"};
  // The second round is for a Redis that was empty, or of the format before; of two gateways that
  // change that one comes first.
  for (int round = 0; round < 2; ++round) {
    auto configured = send(get);
    if (!configured) return configured.error();
    const auto& reply = *configured.value();
    if (is_error(reply)) return failure_of(reply);
    if (reply.type != REDIS_REPLY_ARRAY || reply.elements != 3) break;
    const auto missing = [&](std::size_t i) { return reply.element[i]->type == REDIS_REPLY_NIL; };
    if (!missing(0) && text_of(*reply.element[0]) != partitions) break;
    if (!missing(1) && text_of(*reply.element[1]) == redis_format_before) {
      if (options_.changes_nothing) {
        at_start_.insert(
            fmt::format("its format becomes {} instead of {}", redis_format, redis_format_before));
        return ok;
      }
      // From here on gateways of before refuse this Redis.
      const auto raised = send({"HSET", redis_keys::deployment, "format", redis_format});
      if (!raised) return raised.error();
      if (is_error(*raised.value())) return failure_of(*raised.value());
      continue;
    }
    if (!missing(1) && text_of(*reply.element[1]) != redis_format) break;
    if (!missing(0) && !missing(1) && !missing(2)) {
      deployment_ = text_of(*reply.element[2]);
      return ok;
    }
    if (options_.changes_nothing) {
      at_start_.insert("it is empty, and is made ready for use");
      return ok;
    }
    const redis_command put[] = {
        {"HSETNX", redis_keys::deployment, "partitions", partitions},
        {"HSETNX", redis_keys::deployment, "format", redis_format},
        {"HSETNX", redis_keys::deployment, "incarnation", new_incarnation()},
    };
    auto set = send(put);
    if (!set) return set.error();
    for (const auto& reply_to_set : set.value())
      if (is_error(*reply_to_set)) return failure_of(*reply_to_set);
  }
  return storage_failure{storage_error::mismatch,
                         fmt::format("wk:deployment is not that of {} partitions, format {}",
                                     partitions, redis_format)};
}

stored<trace_removal> redis_store::remove_traces() {
  std::vector<redis_command> question;
  question.push_back({"INFO", "persistence"});
  const auto asked = run_all(std::move(question));
  if (!asked) return asked.error();
  const auto info = text_of(*asked.value().front());
  const bool is_running = info_value(info, "aof_rewrite_in_progress") == "1" ||
                          info_value(info, "aof_rewrite_scheduled") == "1";
  // One that was started anew, or another one, rewrites nothing that was asked for before.
  if (const auto in = std::exchange(rewriting_in_, {}); !in.empty() && in == incarnation_) {
    if (is_running) {
      rewriting_in_ = in;
      return trace_removal::running;
    }
    if (info_value(info, "aof_last_bgrewrite_status") == "ok") return trace_removal::done;
    return storage_failure{storage_error::refused,
                           "Redis could not rewrite its append-only file: its log says why"};
  }
  // It would make the file.
  if (info_value(info, "aof_enabled") != "1") return trace_removal::done;
  if (is_running) return trace_removal::waiting;
  const auto begun = send({"BGREWRITEAOF"});
  if (!begun) return begun.error();
  const auto& reply = *begun.value();
  if (is_error(reply)) {
    // Somebody else asked in between.
    if (text_of(reply).find("already in progress") != std::string_view::npos)
      return trace_removal::waiting;
    return failure_of(reply);
  }
  rewriting_in_ = incarnation_;
  return trace_removal::begun;
}

stored<hot_store_health> redis_store::health() {
  std::vector<redis_command> questions;
  questions.push_back({"INFO", "server"});
  questions.push_back({"CONFIG", "GET", "appendonly", "appendfsync", "no-appendfsync-on-rewrite"});
  questions.push_back({"INFO", "persistence"});
  questions.push_back({"INFO", "memory"});
  questions.push_back({"INFO", "replication"});
  auto got = run(std::move(questions));
  if (!got) return got.error();
  if (auto fine = judge_role(*got.value()[4]); !fine) {
    connection_.close();
    return fine.error();
  }
  // Asked anew: what is emptied while a connection lasts is another store, too.
  if (auto fine = check_deployment(); !fine) return fine.error();
  const auto& config = *got.value()[1];
  const auto version = info_value(text_of(*got.value()[0]), "redis_version");
  const auto eviction = eviction_of(text_of(*got.value()[3]));
  hot_store_health found;
  take_identity(*got.value()[0], *got.value()[4]);
  found.incarnation = incarnation_;
  if (is_error(config) || config_value(config, "appendonly").empty()) {
    // Managed services refuse CONFIG.
    const auto enabled = info_value(text_of(*got.value()[2]), "aof_enabled");
    if (enabled.empty())
      return storage_failure{storage_error::refused, "Redis tells nothing about its persistence"};
    found.durability = enabled == "1" ? durability_level::log : durability_level::memory;
    found.description = fmt::format("Redis {}, appendonly {}, appendfsync not told", version,
                                    enabled == "1" ? "yes" : "no");
    judge_eviction(eviction, found);
    return found;
  }
  const bool appends = config_value(config, "appendonly") == "yes";
  const auto fsync = config_value(config, "appendfsync");
  const bool pauses = config_value(config, "no-appendfsync-on-rewrite") == "yes";
  if (appends)
    found.durability =
        fsync == "always" && !pauses ? durability_level::fsync : durability_level::log;
  found.description =
      fmt::format("Redis {}, appendonly {}, appendfsync {}{}", version, appends ? "yes" : "no",
                  fsync, appends && pauses ? ", not while the log is rewritten" : "");
  judge_eviction(eviction, found);
  return found;
}

}  // namespace watchkeeper::storage
