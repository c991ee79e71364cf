#include "storage/postgres/database.hpp"
#include "storage/postgres/statements.hpp"

#include <libpq-fe.h>

#include <map>
#include <new>
#include <pqxx/except.hxx>

#include "storage/postgres/deadline.hpp"

namespace watchkeeper::storage::postgres {
namespace {

/// Every statement is a look-up by key. A plan that was made and kept while the tables were empty
/// must not read them from end to end once they are large; and compiling one to machine code, which
/// these costs would trigger, takes longer than running it, as does planning over 16 partitions
/// each time (1 ms of 1.35 for some pairs; they are pruned when the plan runs).
constexpr const char* server_options =
    "-c idle_in_transaction_session_timeout=10000 "
    "-c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off -c jit=off "
    "-c plan_cache_mode=force_generic_plan";

std::string quoted(const std::string& value) {
  std::string text = "'";
  for (const char c : value) {
    if (c == '\'' || c == '\\') text += '\\';
    text += c;
  }
  return text + "'";
}

struct option_list_deleter {
  void operator()(PQconninfoOption* list) const noexcept { PQconninfoFree(list); }
};

}  // namespace

connection_settings settings_from(const std::string& url, const postgres_time_limits& limits) {
  char* reason = nullptr;
  const std::unique_ptr<PQconninfoOption, option_list_deleter> parsed(
      PQconninfoParse(url.c_str(), &reason));
  PQfreemem(reason);  // it quotes the URL: not for the log
  if (!parsed) return {};

  std::map<std::string, std::string> options{{"application_name", "watchkeeper"}};
  for (const auto* option = parsed.get(); option->keyword != nullptr; ++option)
    if (option->val != nullptr) options[option->keyword] = option->val;
  options["connect_timeout"] = std::to_string(limits.connect.count());
  options["keepalives"] = "1";
  options["keepalives_idle"] = "2";
  options["keepalives_interval"] = "1";
  options["keepalives_count"] = "3";
  options["tcp_user_timeout"] = "5000";
  options["client_encoding"] = "UTF8";
  // What a standby has may be old. Of several hosts, this chooses the primary.
  options["target_session_attrs"] = "read-write";
  auto& server = options["options"];
  if (!server.empty()) server += ' ';
  server +=
      "-c statement_timeout=" + std::to_string(limits.statement.count()) + ' ' + server_options;

  connection_settings settings;
  for (const auto& [keyword, value] : options)
    settings.conninfo += keyword + "=" + quoted(value) + " ";
  settings.password = options["password"];
  return settings;
}

storage_error classify_sqlstate(std::string_view sqlstate) noexcept {
  if (sqlstate.size() != 5) return storage_error::unavailable;
  const auto group = sqlstate.substr(0, 2);
  if (group == "08" || group == "57" || group == "58") return storage_error::unavailable;
  if (group == "40" || group == "55") return storage_error::unavailable;  // locks: try again later
  if (sqlstate == "53300") return storage_error::unavailable;             // too many connections
  // Read-only: a primary that became a standby. The connection is made anew, to find the other one.
  if (sqlstate == "25006") return storage_error::unavailable;
  if (group == "XX") return storage_error::corrupt;
  if (sqlstate == "42501") return storage_error::refused;  // insufficient privilege
  // No such table, column, function, type, schema, database.
  if (group == "42" || group == "3D" || group == "3F") return storage_error::mismatch;
  return storage_error::refused;  // 53 out of resources, 22 and 23 our own data …
}

session::session(const std::string& url, const postgres_time_limits& limits)
    : limits_(limits),
      settings_(settings_from(url, limits)),
      deadline_(std::make_unique<call_deadline>()) {}

session::~session() = default;

void session::connect() {
  if (settings_.conninfo.empty()) throw mismatch_error("not a PostgreSQL connection string");
  connection_ = std::make_unique<pqxx::connection>(settings_.conninfo);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
  // Reconnecting is this class's business: one attempt a call, and the caller hears of the break.
  connection_->inhibit_reactivation(true);
#pragma GCC diagnostic pop
  connection_->set_verbosity(pqxx::connection_base::terse);
  prepare_statements(*connection_);
}

session::armed::armed(session& owner, std::chrono::milliseconds limit) : owner_(owner) {
  if (!owner_.connection_) owner_.connect();
  owner_.deadline_->arm(owner_.connection_->sock(), limit);
}

session::armed::~armed() {
  owner_.deadline_->disarm();
}

bool session::note_failure(storage_failure& failure) {
  bool again = false;
  bool keep_connection = false;
  try {
    throw;
  } catch (const pqxx::deadlock_detected& error) {
    failure = {storage_error::unavailable, error.what()};
    again = keep_connection = true;
  } catch (const pqxx::serialization_failure& error) {
    failure = {storage_error::unavailable, error.what()};
    again = keep_connection = true;
  } catch (const pqxx::sql_error& error) {
    failure = {classify_sqlstate(error.sqlstate()), error.what()};
    keep_connection = failure.code != storage_error::unavailable;
  } catch (const decode_error& error) {
    failure = {storage_error::corrupt, error.what()};
    keep_connection = true;
  } catch (const mismatch_error& error) {
    failure = {storage_error::mismatch, error.what()};
  } catch (const pqxx::conversion_error& error) {
    failure = {storage_error::corrupt, error.what()};
    keep_connection = true;
  } catch (const pqxx::range_error& error) {
    failure = {storage_error::corrupt, error.what()};
    keep_connection = true;
  } catch (const std::bad_alloc&) {
    failure = {storage_error::refused, "out of memory"};
  } catch (const std::exception& error) {  // broken_connection, in_doubt_error, …
    failure = {storage_error::unavailable, error.what()};
  }
  failure.detail = "PostgreSQL: " + without_secrets(std::move(failure.detail));
  if (!keep_connection) connection_.reset();
  return again;
}

std::string session::without_secrets(std::string text) const {
  while (text.ends_with('\n')) text.pop_back();
  if (settings_.password.empty()) return text;
  for (auto at = text.find(settings_.password); at != std::string::npos;
       at = text.find(settings_.password, at + 3))
    text.replace(at, settings_.password.size(), "***");
  return text;
}

}  // namespace watchkeeper::storage::postgres
