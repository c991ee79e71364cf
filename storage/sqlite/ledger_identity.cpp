#include <fmt/format.h>

#include "storage/sqlite/ledger.hpp"

namespace watchkeeper::storage {

void count_transaction(sqlite_database& database) {
  database.prepared("UPDATE ledger_identity SET transactions = transactions + 1").run();
}

stored<ledger_identity> sqlite_ledger::identity() {
  return call([](sqlite_database& database) {
    auto& row = database.prepared(
        "SELECT hex(ledger_id), transactions, (SELECT last_sequence FROM outbox),"
        " (SELECT epoch FROM highest_epoch) FROM ledger_identity");
    if (!row.step()) throw_corrupt("ledger_identity has no row");
    ledger_identity found{.history = std::string(row.text(0)),
                          .transactions = row.integer(1),
                          .last_sequence = row.integer(2),
                          .highest_epoch = static_cast<std::uint32_t>(row.integer(3))};
    row.reset();
    return found;
  });
}

stored<ok_t> sqlite_ledger::go_on_above(std::int64_t last_sequence, std::uint32_t highest_epoch) {
  return call([&](sqlite_database& database) {
    sqlite_transaction work(database, sqlite_transaction::mode::write);
    database.prepared("UPDATE outbox SET last_sequence = ?1 WHERE last_sequence < ?1")
        .bind(1, last_sequence)
        .run();
    raise_highest_epoch(database, highest_epoch);
    work.commit();
    return ok;
  });
}

}  // namespace watchkeeper::storage
