#include "storage/redis/keys.hpp"

#include <fmt/format.h>

namespace watchkeeper::storage::redis_keys {

std::string progress(partition_index partition, const pair_key& pair) {
  return fmt::format("wk:{{p{}}}:progress:{}/{}", partition, pair.student.view(),
                     pair.module.view());
}

std::string student(partition_index partition, const student_id& student) {
  return fmt::format("wk:{{p{}}}:student:{}", partition, student.view());
}

std::string session(partition_index partition, const student_id& student, std::uint64_t tag) {
  return fmt::format("wk:{{p{}}}:session:{}/{:014x}", partition, student.view(), tag);
}

std::string dirty(partition_index partition) {
  return fmt::format("wk:{{p{}}}:dirty", partition);
}

std::string pairs(partition_index partition, const student_id& student) {
  return fmt::format("wk:{{p{}}}:pairs:{}", partition, student.view());
}

std::string member(const pair_key& pair) {
  return fmt::format("{}/{}", pair.student.view(), pair.module.view());
}

std::optional<pair_key> parse_member(std::string_view text) noexcept {
  const auto slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto student = student_id::parse(text.substr(0, slash));
  const auto module = module_id::parse(text.substr(slash + 1));
  if (!student || !module) return std::nullopt;
  return pair_key{*student, *module};
}

std::string_view member_of_progress(std::string_view key) noexcept {
  constexpr std::string_view infix = "}:progress:";
  const auto at = key.find(infix);
  return at == std::string_view::npos ? std::string_view() : key.substr(at + infix.size());
}

}  // namespace watchkeeper::storage::redis_keys
