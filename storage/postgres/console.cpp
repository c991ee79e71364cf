#include <algorithm>
#include <pqxx/nontransaction.hxx>
#include <pqxx/transaction.hxx>

#include "storage/postgres/ledger.hpp"
#include "storage/postgres/row.hpp"
#include "storage/postgres/text.hpp"

namespace watchkeeper::storage::postgres {

stored<ok_t> postgres_ledger::revoke_logins(std::span<const revoked_login> ended, wall_ms now_ms) {
  return session_.call([&](pqxx::connection& connection) {
    pqxx::work work(connection);
    work.exec_prepared("forget_console_ends", now_ms.value());
    for (const auto& each : ended)
      work.exec_prepared("end_console_session",
                         bytea({reinterpret_cast<const char*>(each.id.data()), each.id.size()}),
                         each.expires_ms.value());
    if (!ended.empty()) work.exec_prepared("count_transaction");
    work.commit();
    return ok;
  });
}

stored<std::vector<revoked_login>> postgres_ledger::revoked_logins(wall_ms now_ms,
                                                                   std::size_t limit) {
  return session_.call([&](pqxx::connection& connection) {
    pqxx::nontransaction reading(connection);
    const auto rows = reading.exec_prepared("ended_console_sessions", now_ms.value(),
                                            static_cast<std::int64_t>(limit));
    std::vector<revoked_login> ended;
    ended.reserve(rows.size());
    for (const auto& row : rows) {
      const auto id = parse_bytea(text_of(row[0]));
      auto& made = ended.emplace_back();
      if (!id || id->size() != made.id.size())
        throw decode_error("a console session's id is not of 16 bytes");
      std::copy(id->begin(), id->end(), made.id.begin());
      made.expires_ms = wall_time_of(row[1]);
    }
    return ended;
  });
}

}  // namespace watchkeeper::storage::postgres
