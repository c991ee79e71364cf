#include <pqxx/nontransaction.hxx>
#include <pqxx/transaction.hxx>

#include "storage/postgres/ledger.hpp"
#include "storage/postgres/row.hpp"
#include "storage/postgres/text.hpp"

namespace watchkeeper::storage::postgres {

stored<ledger_identity> postgres_ledger::identity() {
  return session_.call([&](pqxx::connection& connection) {
    pqxx::nontransaction reading(connection);
    const auto rows = reading.exec_prepared("identity");
    if (rows.size() != 1) throw decode_error("ledger_identity has not one row");
    const auto& row = rows[0];
    // A standby that was promoted, and a server that was restored to a point in time, are on a
    // timeline of their own: they may lack transactions that others have made up for by now.
    return ledger_identity{
        .history = text(text_of(row[0])) + "/" + text(text_of(row[1])),
        .transactions = number_of<std::int64_t>(row[2]),
        .last_sequence = number_of<std::int64_t>(row[3]),
        .highest_epoch = number_of<std::uint32_t>(row[4]),
    };
  });
}

stored<ok_t> postgres_ledger::go_on_above(std::int64_t last_sequence, std::uint32_t highest_epoch) {
  return session_.call([&](pqxx::connection& connection) {
    pqxx::work work(connection);
    work.exec_prepared("raise_last_sequence", last_sequence);
    work.exec_prepared("raise_highest_epoch", std::int64_t{highest_epoch});
    work.commit();
    return ok;
  });
}

}  // namespace watchkeeper::storage::postgres
