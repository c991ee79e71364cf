#include "storage/ledger_identity.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>

namespace watchkeeper::storage {
namespace {

constexpr std::string_view identity_format = "1";
constexpr std::size_t history_bytes_max = 128;

template <class Integer>
bool parse_count(std::string_view text, Integer& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size() && value >= 0;
}

}  // namespace

std::string encode(const ledger_identity& identity) {
  return fmt::format("{} {} {} {} {}", identity_format, identity.history, identity.transactions,
                     identity.last_sequence, identity.highest_epoch);
}

std::optional<ledger_identity> decode_ledger_identity(std::string_view text) {
  std::array<std::string_view, 5> words;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const auto end = i + 1 < words.size() ? text.find(' ') : text.size();
    if (end == std::string_view::npos || end == 0) return std::nullopt;
    words[i] = text.substr(0, end);
    text.remove_prefix(end + (i + 1 < words.size() ? 1 : 0));
  }
  ledger_identity identity;
  identity.history = words[1];
  if (words[0] != identity_format || identity.history.size() > history_bytes_max ||
      !parse_count(words[2], identity.transactions) ||
      !parse_count(words[3], identity.last_sequence) ||
      !parse_count(words[4], identity.highest_epoch))
    return std::nullopt;
  return identity;
}

}  // namespace watchkeeper::storage
