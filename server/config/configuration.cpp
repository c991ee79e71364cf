#include "server/config/configuration.hpp"

#include <fmt/format.h>

#include <filesystem>

namespace watchkeeper::server {

std::string_view name_of(token_role role) noexcept {
  switch (role) {
    case token_role::viewer:
      return "viewer";
    case token_role::admin:
      return "admin";
    case token_role::operator_:
      return "operator";
  }
  return "viewer";
}

storage::durability_level required_durability(const configuration& settings) noexcept {
  const auto& word = settings.store.require_durability;
  if (word == "fsync") return storage::durability_level::fsync;
  return word == "memory" ? storage::durability_level::memory : storage::durability_level::log;
}

crypto::es256::arithmetic use_configured_es256(const configuration& settings) noexcept {
  using crypto::es256::choice;
  return crypto::es256::use(settings.crypto.p256 == "openssl" ? choice::openssl : choice::automatic,
                            static_cast<std::size_t>(settings.crypto.p256_tables));
}

std::string sqlite_ledger_path(const configuration& settings) {
  constexpr std::string_view scheme = "sqlite:";
  const std::string_view ledger = settings.store.ledger;
  if (!ledger.starts_with(scheme)) return {};
  // An absolute path stays as it is: that is what operator/ does.
  return (std::filesystem::path(settings.data_dir) / ledger.substr(scheme.size())).string();
}

std::string embedded_store_path(const configuration& settings) {
  if (settings.store.hot != "embedded") return {};
  return (std::filesystem::path(settings.data_dir) / "hot.db").string();
}

std::string erasure_log_path(const configuration& settings) {
  return (std::filesystem::path(settings.data_dir) / "erasures").string();
}

result<ok_t, std::string> prepare_data_dir(const configuration& settings) {
  std::error_code error;
  std::filesystem::create_directories(settings.data_dir, error);
  if (error)
    return fmt::format("data_dir: cannot create the directory {}: {}", settings.data_dir,
                       error.message());
  return ok;
}

result<file_lock, std::string> lock_data_dir(const configuration& settings) {
  if (const auto made = prepare_data_dir(settings); !made) return made.error();
  auto lock = file_lock::take((std::filesystem::path(settings.data_dir) / "lock").string());
  if (lock) return *std::move(lock);
  const auto& [what, is_held_by_other] = lock.error();
  return fmt::format("data_dir: {}{}", what,
                     is_held_by_other ? "; each gateway needs a directory of its own, and "
                                        "`watchkeeper migrate` of a SQLite ledger one that no "
                                        "gateway uses"
                                      : "");
}

namespace {
/// What an embedded store has to be opened with.
storage::durability_level embedded_durability(const configuration& settings) {
  return required_durability(settings) == storage::durability_level::fsync
             ? storage::durability_level::fsync
             : storage::durability_level::log;
}
}  // namespace

std::unique_ptr<storage::hot_store> open_hot_store(const configuration& settings) {
  if (const auto path = embedded_store_path(settings); !path.empty())
    return storage::make_embedded_store(path, embedded_durability(settings));
  return storage::make_redis_store(settings.store.hot);
}

storage::stored<storage::hot_store_look> look_at_hot_store(const configuration& settings) {
  if (const auto path = embedded_store_path(settings); !path.empty())
    return storage::look_at_embedded_store(path, embedded_durability(settings));
  return storage::look_at_redis_store(settings.store.hot);
}

std::unique_ptr<storage::ledger> open_ledger(const configuration& settings) {
  if (const auto path = sqlite_ledger_path(settings); !path.empty())
    return storage::make_sqlite_ledger(path);
  return storage::make_postgres_ledger(settings.store.ledger);
}

}  // namespace watchkeeper::server
