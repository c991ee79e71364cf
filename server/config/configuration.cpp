#include "server/config/configuration.hpp"

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

durability required_durability(const configuration& settings) noexcept {
  const auto& word = settings.store.require_durability;
  if (word == "fsync") return durability::fsync;
  return word == "memory" ? durability::memory : durability::log;
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

}  // namespace watchkeeper::server
