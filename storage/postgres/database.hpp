#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <pqxx/connection.hxx>
#include <stdexcept>
#include <string>
#include <string_view>

#include "storage/ledger.hpp"
#include "storage/storage_error.hpp"

/// The connection of the PostgreSQL ledger: when it is made and given up, how long a call may take,
/// and what a failure means.
namespace watchkeeper::storage::postgres {

/// What is stored cannot be read as the documented format.
class decode_error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};
/// The database was made for another deployment or by a newer build.
class mismatch_error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Connection settings with this product's own added: connect_timeout, keepalives,
/// statement_timeout, application_name. What the URL names itself is kept, but for the time limits.
struct connection_settings {
  std::string conninfo;  // libpq keyword=value form; empty: `url` is none that libpq takes
  std::string password;  // to be kept out of messages; may be empty
};
connection_settings settings_from(const std::string& url, const postgres_time_limits& limits);

/// Breaks a connection whose call has not come back in time: `statement_timeout` is kept by the
/// server, which may be the one that is stuck (stopped, frozen disk, network gone).
class call_deadline;

/// Thread: one at a time. Blocks.
class session {
 public:
  session(const std::string& url, const postgres_time_limits& limits);
  ~session();
  session(const session&) = delete;
  session& operator=(const session&) = delete;

  /// Calls `work(pqxx::connection&)` with an open connection, made now if need be, and once more if
  /// PostgreSQL chose it as the victim of a deadlock. Whatever `work` throws becomes a failure.
  template <class Work>
  auto call(Work&& work, std::optional<std::chrono::milliseconds> limit = {})
      -> stored<std::decay_t<decltype(work(std::declval<pqxx::connection&>()))>> {
    for (bool retried = false;; retried = true) {
      storage_failure failure;
      bool again = false;
      try {
        const armed guard(*this, limit.value_or(limits_.call));
        return work(*connection_);
      } catch (...) {
        again = note_failure(failure);
      }
      if (!again || retried) return failure;
    }
  }

 private:
  /// Opens the connection and keeps the deadline while a call runs.
  class armed {
   public:
    armed(session& owner, std::chrono::milliseconds limit);
    ~armed();
    armed(const armed&) = delete;
    armed& operator=(const armed&) = delete;

   private:
    session& owner_;
  };

  void connect();
  /// Classifies the exception that is being handled; gives up the connection where it is of no more
  /// use. True: the same call may be tried again at once.
  bool note_failure(storage_failure& failure);
  [[nodiscard]] std::string without_secrets(std::string text) const;

  const postgres_time_limits limits_;
  connection_settings settings_;
  std::unique_ptr<pqxx::connection> connection_;
  std::unique_ptr<call_deadline> deadline_;
};

/// What an SQLSTATE means for the caller; empty: the connection broke.
storage_error classify_sqlstate(std::string_view sqlstate) noexcept;

}  // namespace watchkeeper::storage::postgres
