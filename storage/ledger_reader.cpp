#include "storage/ledger_reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "storage/limits.hpp"
#include "storage/single_pairs.hpp"

namespace watchkeeper::storage {

const ledger_row* ledger_rows::find(const pair_key& key) const {
  if (!rows) return nullptr;
  const auto at = std::lower_bound(keys.begin(), keys.end(), key);
  if (at == keys.end() || *at != key) return nullptr;
  return &(*rows)[static_cast<std::size_t>(at - keys.begin())];
}

storage_failure failure_of_row(const pair_key& pair, const storage_failure& why) {
  return {why.code, fmt::format("{}/{}: {}", pair.student.view(), pair.module.view(), why.detail)};
}

ledger_rows ledger_reader::read(std::vector<pair_key> keys) {
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  std::vector<ledger_row> rows(keys.size(), recorded_pair{});
  const std::span<const pair_key> all(keys);
  const auto read_part = [&](std::span<const pair_key> part) -> stored<ok_t> {
    auto found = ask_ledger(hangs_, time_, failed_, [&] { return ledger_.look_up(part); });
    if (!found) return found.error();
    std::move(found->begin(), found->end(), rows.begin() + (part.data() - keys.data()));
    return ok;
  };
  const auto unreadable = [&](const pair_key& key, const storage_failure& why) {
    failed_(failure_of_row(key, why));
    rows[static_cast<std::size_t>(&key - keys.data())] = why;
  };
  for (std::size_t first = 0; first < all.size(); first += storage_limits::batch_heartbeats_max) {
    const auto some =
        all.subspan(first, std::min(storage_limits::batch_heartbeats_max, all.size() - first));
    if (auto done = run_in_parts(some, read_part, unreadable); !done)
      return {std::move(keys), done.error()};
  }
  return {std::move(keys), std::move(rows)};
}

stored<std::vector<wall_ms>> ledger_reader::last_credits(std::span<const student_id> students) {
  std::vector<wall_ms> all;
  all.reserve(students.size());
  while (!students.empty()) {
    const auto some =
        students.first(std::min(storage_limits::batch_heartbeats_max, students.size()));
    const auto found =
        ask_ledger(hangs_, time_, failed_, [&] { return ledger_.last_credits(some); });
    if (!found) return found.error();
    all.insert(all.end(), found->begin(), found->end());
    students = students.subspan(some.size());
  }
  return all;
}

}  // namespace watchkeeper::storage
