#include "storage/migrations.hpp"

#include "domain/limits.hpp"
#include "storage/migrations_sql.hpp"

namespace watchkeeper::storage {

std::span<const migration> postgres_migrations() noexcept {
  return embedded::postgres_migrations;
}

std::span<const migration> sqlite_migrations() noexcept {
  return embedded::sqlite_migrations;
}

std::span<const deployment_setting> deployment_settings() noexcept {
  static_assert(limits::partitions == 256, "write the new number below as well");
  static constexpr deployment_setting settings[] = {{"partitions", "256"}, {"format", "1"}};
  return settings;
}

}  // namespace watchkeeper::storage
