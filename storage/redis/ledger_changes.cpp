// What the hot store in Redis knows of the ledger, and how all pairs become dirty after that went
// back.
#include <hiredis/hiredis.h>

#include <map>

#include "storage/redis/keys.hpp"
#include "storage/redis/store.hpp"

namespace watchkeeper::storage {

stored<std::string> redis_store::mark_all_dirty(const std::string& cursor) {
  const auto found = scan_pairs(cursor, storage_limits::mark_dirty_pairs_max);
  if (!found) return found.error();
  std::map<partition_index, redis_command> marks;
  for (const auto& pair : found->keys) {
    const auto partition = partition_of(pair.student);
    const auto [mark, is_new] = marks.try_emplace(partition);
    if (is_new) mark->second = {"SADD", redis_keys::dirty(partition)};
    mark->second.add(redis_keys::member(pair));
  }
  std::vector<redis_command> calls;
  for (auto& [partition, mark] : marks) calls.push_back(std::move(mark));
  // The pairs do not carry the mark in their values: the next change of one adds it once more.
  if (!calls.empty())
    if (const auto marked = run_all(std::move(calls)); !marked) return marked.error();
  return found->cursor;
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
