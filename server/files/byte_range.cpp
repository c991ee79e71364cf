#include "server/files/byte_range.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

namespace watchkeeper::server {
namespace {

/// Nothing for what is no number of digits alone; one too large is the largest.
std::optional<std::uint64_t> number_of(std::string_view text) noexcept {
  if (text.empty() || text.find_first_not_of("0123456789") != std::string_view::npos)
    return std::nullopt;
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} ? value : UINT64_MAX;
}

}  // namespace

byte_range byte_range_of(std::string_view field, std::uint64_t size) noexcept {
  using enum byte_range::kind;
  constexpr std::string_view unit = "bytes=";
  if (!field.starts_with(unit)) return {};
  field.remove_prefix(unit.size());
  const auto dash = field.find('-');
  if (dash == std::string_view::npos) return {};
  const auto from = field.substr(0, dash);
  const auto to = field.substr(dash + 1);
  if (from.empty()) {  // the last so many bytes
    const auto count = number_of(to);
    if (!count) return {};
    if (*count == 0 || size == 0) return {unsatisfiable};
    return {part, size - std::min(*count, size), size - 1};
  }
  const auto first = number_of(from);
  const auto last = to.empty() ? std::optional<std::uint64_t>(UINT64_MAX) : number_of(to);
  if (!first || !last || *last < *first) return {};
  if (*first >= size) return {unsatisfiable};
  return {part, *first, std::min(*last, size - 1)};
}

}  // namespace watchkeeper::server
