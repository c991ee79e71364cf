// How redis_store walks over all pairs, and finds those that have been idle for long.
#include <hiredis/hiredis.h>

#include <algorithm>

#include "storage/redis/codec.hpp"
#include "storage/redis/keys.hpp"
#include "storage/redis/redis_limits.hpp"
#include "storage/redis/store.hpp"

namespace watchkeeper::storage {
namespace {

constexpr char cursor_separator = '|';

}  // namespace

stored<redis_store::scanned_pairs> redis_store::scan_pairs(const std::string& cursor,
                                                           std::size_t keys) {
  if (auto fine = ready(); !fine) return fine.error();
  // A cursor of SCAN means something only to the process of Redis that gave it.
  const auto separator = cursor.find(cursor_separator);
  if (!cursor.empty() && cursor.substr(0, separator) != incarnation_)
    return storage_failure{storage_error::unavailable, "Redis is another one than a moment ago"};
  std::vector<redis_command> scan;
  scan.push_back({"SCAN", cursor.empty() ? "0" : std::string_view(cursor).substr(separator + 1),
                  "MATCH", redis_keys::all_progress, "COUNT", std::to_string(keys)});
  const auto scanned = read_all(std::move(scan));
  if (!scanned) return scanned.error();
  const auto& reply = *scanned.value().front();
  if (reply.type != REDIS_REPLY_ARRAY || reply.elements != 2 ||
      reply.element[0]->type != REDIS_REPLY_STRING || reply.element[1]->type != REDIS_REPLY_ARRAY)
    return storage_failure{storage_error::corrupt, "SCAN: a reply of a foreign type"};
  scanned_pairs found;
  for (std::size_t i = 0; i < reply.element[1]->elements; ++i) {
    const auto key = text_of(*reply.element[1]->element[i]);
    const auto pair = redis_keys::parse_member(redis_keys::member_of_progress(key));
    if (pair && redis_keys::progress(partition_of(pair->student), *pair) == key)
      found.keys.push_back(*pair);
  }
  const auto next = text_of(*reply.element[0]);
  if (next != "0") found.cursor = incarnation_ + cursor_separator + std::string(next);
  return found;
}

stored<idle_sample> redis_store::read_idle(const std::string& cursor, wall_ms now_ms,
                                           std::int64_t idle_ms) {
  auto scanned = scan_pairs(cursor, storage_limits::retire_pairs_max);
  if (!scanned) return scanned.error();
  auto& keys = scanned->keys;
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  idle_sample found{.cursor = std::move(scanned->cursor), .pairs = {}};
  for (std::size_t at = 0; at < keys.size(); at += redis_limits::look_up_keys_max) {
    const auto some =
        std::span(keys).subspan(at, std::min(redis_limits::look_up_keys_max, keys.size() - at));
    redis_command get{"MGET"};
    for (const auto& key : some) get.add(redis_keys::progress(partition_of(key.student), key));
    std::vector<redis_command> calls;
    calls.push_back(std::move(get));
    const auto got = read_all(std::move(calls));
    if (!got) return got.error();
    const auto& values = *got.value().front();
    if (values.type != REDIS_REPLY_ARRAY || values.elements != some.size())
      return storage_failure{storage_error::corrupt, "MGET: a reply of a foreign type"};
    for (std::size_t i = 0; i < some.size(); ++i) {
      auto pair = redis_codec::decode_pair(text_of(*values.element[i]));
      if (pair && !pair->is_marked && now_ms - pair->state.updated_ms >= idle_ms)
        found.pairs.push_back({some[i], std::move(pair->state), pair->nonce});
    }
  }
  return without_dirty(std::move(found));
}

/// A pair may be in the set without the mark in its value: see mark_all_dirty.
stored<idle_sample> redis_store::without_dirty(idle_sample found) {
  std::vector<redis_command> calls;
  for (const auto& pair : found.pairs)
    calls.push_back({"SISMEMBER", redis_keys::dirty(partition_of(pair.key.student)),
                     redis_keys::member(pair.key)});
  const auto got = read_all(std::move(calls));
  if (!got) return got.error();
  std::size_t clean = 0;
  for (std::size_t i = 0; i < found.pairs.size(); ++i) {
    const auto& reply = *got.value()[i];
    if (reply.type != REDIS_REPLY_INTEGER)
      return storage_failure{storage_error::corrupt, "SISMEMBER: a reply of a foreign type"};
    if (reply.integer != 0) continue;
    if (clean != i) found.pairs[clean] = std::move(found.pairs[i]);
    ++clean;
  }
  found.pairs.resize(clean);
  return found;
}

}  // namespace watchkeeper::storage
