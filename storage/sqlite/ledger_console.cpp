#include <algorithm>

#include "storage/sqlite/ledger.hpp"

namespace watchkeeper::storage {

stored<ok_t> sqlite_ledger::revoke_logins(std::span<const revoked_login> ended, wall_ms now_ms) {
  return call([&](sqlite_database& database) {
    sqlite_transaction work(database, sqlite_transaction::mode::write);
    database.prepared("DELETE FROM console_session_end WHERE expires_ms <= ?1")
        .bind(1, now_ms)
        .run();
    for (const auto& each : ended)
      database
          .prepared(
              "INSERT INTO console_session_end (session_id, expires_ms) VALUES (?1, ?2)"
              " ON CONFLICT DO NOTHING")
          .bind_blob(1, {reinterpret_cast<const char*>(each.id.data()), each.id.size()})
          .bind(2, each.expires_ms)
          .run();
    if (!ended.empty()) count_transaction(database);
    work.commit();
    return ok;
  });
}

stored<std::vector<revoked_login>> sqlite_ledger::revoked_logins(wall_ms now_ms,
                                                                 std::size_t limit) {
  return call([&](sqlite_database& database) {
    auto& row = database.prepared(
        "SELECT session_id, expires_ms FROM console_session_end WHERE expires_ms > ?1"
        " ORDER BY expires_ms DESC LIMIT ?2");
    row.bind(1, now_ms).bind(2, static_cast<std::int64_t>(limit));
    std::vector<revoked_login> ended;
    while (row.step()) {
      const auto id = row.blob(0);
      auto& made = ended.emplace_back();
      if (id.size() != made.id.size()) throw_corrupt("a console session's id is not of 16 bytes");
      std::copy(id.begin(), id.end(), made.id.begin());
      made.expires_ms = row.wall_time(1);
    }
    return ended;
  });
}

}  // namespace watchkeeper::storage
