#include "storage/redis/store.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <hiredis/hiredis.h>

#include <algorithm>
#include <random>

#include "storage/byte_codec.hpp"
#include "storage/redis/codec.hpp"
#include "storage/redis/keys.hpp"
#include "storage/redis/redis_limits.hpp"

namespace watchkeeper::storage {

namespace {

std::vector<redis_command> one(redis_command command) {
  std::vector<redis_command> commands;
  commands.push_back(std::move(command));
  return commands;
}

/// Nonces tell one value from another; nobody has to be kept from guessing them.
redis_cas::nonce_source random_nonces() {
  std::random_device seed;
  return [generator = std::mt19937_64((std::uint64_t{seed()} << 32) | seed())]() mutable {
    for (;;)
      if (const auto nonce = generator()) return std::uint64_t{nonce};
  };
}

/// What GET or an element of MGET gives of a pair. The outer nothing: not of the format.
std::optional<std::optional<redis_codec::pair_value>> pair_of(const redisReply& reply) {
  if (reply.type == REDIS_REPLY_NIL) return std::optional<redis_codec::pair_value>{};
  if (reply.type != REDIS_REPLY_STRING) return std::nullopt;
  auto pair = redis_codec::decode_pair(text_of(reply));
  if (!pair) return std::nullopt;
  return pair;
}

}  // namespace

redis_store::redis_store(redis_url address, options chosen)
    : connection_(std::move(address)),
      options_(chosen),
      cache_(chosen.cached_students_max, chosen.cached_bytes_max),
      next_nonce_(random_nonces()) {}

stored<redis_store::replies> redis_store::send(std::span<const redis_command> commands) {
  auto got = connection_.run(commands);
  if (!got) return got;
  for (const auto& reply : got.value())
    if (is_out_of_service(*reply)) {
      connection_.close();
      return failure_of(*reply);
    }
  return got;
}

stored<redis_reply> redis_store::send(const redis_command& command) {
  auto got = send(std::span(&command, 1));
  if (!got) return got.error();
  return std::move(got.value().front());
}

stored<redis_store::replies> redis_store::run(std::vector<redis_command> commands) {
  if (auto fine = ready(); !fine) return fine.error();
  auto first = send(commands);
  if (!first) return first;
  std::vector<std::size_t> missed;
  for (std::size_t i = 0; i < commands.size(); ++i)
    if (is_function_missing(*first.value()[i])) missed.push_back(i);
  if (missed.empty()) return first;

  // Somebody flushed the functions. What was refused had no effect, so it may be sent again.
  if (auto loaded = load_library(); !loaded) return loaded.error();
  std::vector<redis_command> again;
  for (auto i : missed) again.push_back(std::move(commands[i]));
  auto second = send(again);
  if (!second) return second;
  for (std::size_t i = 0; i < missed.size(); ++i)
    first.value()[missed[i]] = std::move(second.value()[i]);
  return first;
}

stored<redis_store::replies> redis_store::run_all(std::vector<redis_command> commands) {
  auto got = run(std::move(commands));
  if (!got) return got;
  for (const auto& reply : got.value())
    if (is_error(*reply)) return failure_of(*reply);
  return got;
}

stored<redis_store::replies> redis_store::run_on_master(std::vector<redis_command> commands) {
  if (commands.empty()) return replies{};
  commands.push_back({"INFO", "replication"});
  auto got = run(std::move(commands));
  if (!got) return got;
  if (auto fine = judge_role(*got.value().back()); !fine) {
    connection_.close();
    return fine.error();
  }
  got.value().pop_back();
  return got;
}

stored<redis_store::replies> redis_store::read_all(std::vector<redis_command> commands) {
  auto got = run_on_master(std::move(commands));
  if (!got) return got;
  for (const auto& reply : got.value())
    if (is_error(*reply)) return failure_of(*reply);
  return got;
}

stored<std::vector<std::optional<progress>>> redis_store::read(std::span<const pair_key> keys) {
  std::vector<std::optional<progress>> found;
  if (keys.empty()) return found;
  std::vector<redis_command> calls;
  for (const auto& key : keys)
    calls.push_back({"GET", redis_keys::progress(partition_of(key.student), key)});
  auto got = read_all(std::move(calls));
  if (!got) return got.error();
  for (const auto& reply : got.value()) {
    auto pair = pair_of(*reply);
    if (!pair) return corrupt("a stored pair is not of the format");
    found.push_back(*pair ? std::optional(std::move((*pair)->state)) : std::nullopt);
  }
  return found;
}

stored<std::vector<module_id>> redis_store::modules_of(const student_id& student) {
  auto got = read_all(one({"SMEMBERS", redis_keys::pairs(partition_of(student), student)}));
  if (!got) return got.error();
  const auto& reply = *got.value().front();
  if (reply.type != REDIS_REPLY_ARRAY) return corrupt("pairs: a reply of a foreign type");
  std::vector<module_id> modules;
  for (std::size_t i = 0; i < reply.elements; ++i) {
    const auto module = module_id::parse(text_of(*reply.element[i]));
    if (!module) return corrupt("pairs: a member that is no module id");
    modules.push_back(*module);
  }
  return modules;
}

stored<dirty_sample> redis_store::read_dirty(partition_index partition, std::size_t pairs_max) {
  dirty_sample found;
  if (pairs_max == 0) return found;
  const auto dirty_key = redis_keys::dirty(partition);
  auto sampled = read_all(one({"SRANDMEMBER", dirty_key, std::to_string(pairs_max)}));
  if (!sampled) return sampled.error();
  const auto& members = *sampled.value().front();
  if (members.type != REDIS_REPLY_ARRAY || members.elements > pairs_max)
    return corrupt("dirty: a malformed reply");

  std::vector<pair_key> keys;
  std::vector<redis_command> calls;
  for (std::size_t i = 0; i < members.elements; ++i) {
    const auto key = redis_keys::parse_member(text_of(*members.element[i]));
    if (key && partition_of(key->student) == partition) {
      keys.push_back(*key);
      calls.push_back({"GET", redis_keys::progress(partition, *key)});
    } else {
      found.unreadable.push_back("a member of " + dirty_key + " that is no pair of the partition");
    }
  }
  auto got = run_on_master(std::move(calls));
  if (!got) return got.error();

  std::vector<dirty_pair> vanished;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const auto& reply = *got.value()[i];
    if (is_error(reply) && failure_of(reply).code != storage_error::corrupt)
      return failure_of(reply);
    auto pair = pair_of(reply);
    if (!pair)
      found.unreadable.push_back(redis_keys::progress(partition, keys[i]));
    else if (!*pair)
      vanished.push_back({keys[i], {}, 0});
    else
      found.pairs.push_back({keys[i], std::move((*pair)->state), (*pair)->nonce});
  }
  if (!vanished.empty())
    if (auto cleaned = mark_clean(partition, vanished); !cleaned) return cleaned.error();
  return found;
}

stored<ok_t> redis_store::mark_clean(partition_index partition, std::span<const dirty_pair> pairs) {
  if (pairs.empty()) return ok;
  std::vector<redis_command> calls;
  for (std::size_t at = 0; at < pairs.size(); at += redis_limits::mark_clean_pairs_max) {
    const auto some =
        pairs.subspan(at, std::min(redis_limits::mark_clean_pairs_max, pairs.size() - at));
    redis_command call{"FCALL", "wk_mark_clean", std::to_string(some.size() + 1),
                       redis_keys::dirty(partition)};
    std::string nonces;
    byte_writer put(nonces);
    for (const auto& pair : some) {
      call.add(redis_keys::progress(partition, pair.key));
      put.u64(pair.version);
    }
    call.add(nonces);
    calls.push_back(std::move(call));
  }
  auto got = run_all(std::move(calls));
  if (!got) return got.error();
  return ok;
}

stored<std::uint64_t> redis_store::dirty_count() {
  std::vector<redis_command> calls;
  for (partition_index p = 0; p < limits::partitions; ++p)
    calls.push_back({"SCARD", redis_keys::dirty(p)});
  auto got = read_all(std::move(calls));
  if (!got) return got.error();
  std::uint64_t count = 0;
  for (const auto& reply : got.value()) {
    if (reply->type != REDIS_REPLY_INTEGER || reply->integer < 0)
      return corrupt("dirty: a reply of a foreign type");
    count += static_cast<std::uint64_t>(reply->integer);
  }
  return count;
}

stored<hot_student> redis_store::find_student(const student_id& student, wall_ms now_ms) {
  auto got = read_all(one({"GET", redis_keys::student(partition_of(student), student)}));
  if (!got) return got.error();
  const auto& reply = *got.value().front();
  if (reply.type == REDIS_REPLY_NIL) return hot_student{};
  const auto value = redis_codec::decode_student(text_of(reply));
  if (!value) return corrupt("a stored student is not of the format");
  if (value->is_idle(now_ms)) return hot_student{};
  return hot_student{value->epoch, value->bucket != credit_bucket{}};
}

std::unique_ptr<hot_store> make_redis_store(const std::string& url) {
  const auto address = parse_redis_url(url);
  if (!address) return nullptr;
  return std::make_unique<redis_store>(*address);
}

stored<hot_store_look> look_at_redis_store(const std::string& url) {
  const auto address = parse_redis_url(url);
  if (!address) return storage_failure{storage_error::mismatch, "this is no address of a Redis"};
  redis_store store(*address, {.changes_nothing = true});
  auto health = store.health();
  if (!health) return health.error();
  return hot_store_look{*std::move(health), fmt::format("{}", fmt::join(store.at_start(), "; "))};
}

}  // namespace watchkeeper::storage
