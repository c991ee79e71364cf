// What the hot store in Redis knows of the ledger, and how all pairs become dirty after that went
// back.
#include <hiredis/hiredis.h>

#include <map>

#include "storage/redis/keys.hpp"
#include "storage/redis/store.hpp"

namespace watchkeeper::storage {
namespace {

constexpr char cursor_separator = '|';

}  // namespace

stored<std::string> redis_store::mark_all_dirty(const std::string& cursor) {
  if (auto fine = ready(); !fine) return fine.error();
  // A cursor of SCAN means something only to the process of Redis that gave it.
  const auto separator = cursor.find(cursor_separator);
  if (!cursor.empty() && cursor.substr(0, separator) != incarnation_)
    return storage_failure{storage_error::unavailable, "Redis is another one than a moment ago"};
  std::vector<redis_command> scan;
  scan.push_back({"SCAN", cursor.empty() ? "0" : std::string_view(cursor).substr(separator + 1),
                  "MATCH", redis_keys::all_progress, "COUNT",
                  std::to_string(storage_limits::mark_dirty_pairs_max)});
  const auto scanned = read_all(std::move(scan));
  if (!scanned) return scanned.error();
  const auto& reply = *scanned.value().front();
  if (reply.type != REDIS_REPLY_ARRAY || reply.elements != 2 ||
      reply.element[0]->type != REDIS_REPLY_STRING || reply.element[1]->type != REDIS_REPLY_ARRAY)
    return storage_failure{storage_error::corrupt, "SCAN: a reply of a foreign type"};
  std::map<partition_index, redis_command> marks;
  for (std::size_t i = 0; i < reply.element[1]->elements; ++i) {
    const auto member = redis_keys::member_of_progress(text_of(*reply.element[1]->element[i]));
    const auto pair = redis_keys::parse_member(member);
    if (!pair) continue;  // no key of ours
    const auto partition = partition_of(pair->student);
    const auto [mark, is_new] = marks.try_emplace(partition);
    if (is_new) mark->second = {"SADD", redis_keys::dirty(partition)};
    mark->second.add(member);
  }
  std::vector<redis_command> calls;
  for (auto& [partition, mark] : marks) calls.push_back(std::move(mark));
  // The pairs do not carry the mark in their values: the next change of one adds it once more.
  if (!calls.empty())
    if (const auto marked = run_all(std::move(calls)); !marked) return marked.error();
  const auto next = text_of(*reply.element[0]);
  return next == "0" ? std::string() : incarnation_ + cursor_separator + std::string(next);
}

stored<std::optional<ledger_identity>> redis_store::known_ledger() {
  std::vector<redis_command> calls;
  calls.push_back({"GET", redis_keys::ledger});
  const auto got = read_all(std::move(calls));
  if (!got) return got.error();
  const auto& reply = *got.value().front();
  if (reply.type == REDIS_REPLY_NIL) return std::optional<ledger_identity>();
  auto known = decode_ledger_identity(text_of(reply));
  if (!known) return storage_failure{storage_error::corrupt, "wk:ledger is not of the format"};
  return known;
}

stored<ok_t> redis_store::remember_ledger(const ledger_identity& seen) {
  std::vector<redis_command> calls;
  calls.push_back({"SET", redis_keys::ledger, encode(seen)});
  const auto put = run_all(std::move(calls));
  if (!put) return put.error();
  return ok;
}

}  // namespace watchkeeper::storage
