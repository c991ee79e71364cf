#pragma once

#include <span>
#include <string_view>

namespace watchkeeper::storage {

/// One step of a ledger's schema: storage/migrations/<store>/NNNN_name.sql, embedded when built.
struct migration {
  int number;  // 1, 2, 3 …
  std::string_view name;
  std::string_view sql;  // several statements; run in one transaction
};

/// All steps this build knows, oldest first.
std::span<const migration> postgres_migrations() noexcept;
std::span<const migration> sqlite_migrations() noexcept;

/// What `deployment` holds: settings that stay for ever, because stored data depends on them.
struct deployment_setting {
  std::string_view key;
  std::string_view value;
};
std::span<const deployment_setting> deployment_settings() noexcept;

}  // namespace watchkeeper::storage
