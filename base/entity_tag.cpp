#include "base/entity_tag.hpp"

namespace watchkeeper {
namespace {

std::string_view strong(std::string_view tag) noexcept {
  return tag.starts_with("W/") ? tag.substr(2) : tag;
}

}  // namespace

bool names_tag(std::string_view if_none_match, std::string_view tag) noexcept {
  while (!if_none_match.empty()) {
    const auto begin = if_none_match.find_first_not_of(" \t,");
    if (begin == std::string_view::npos) return false;
    if_none_match.remove_prefix(begin);
    if (if_none_match.front() == '*') return true;
    // A comma may stand inside of the quotes.
    const auto quote = if_none_match.find('"');
    const auto end = quote == std::string_view::npos ? quote : if_none_match.find('"', quote + 1);
    if (end == std::string_view::npos) return false;
    if (strong(if_none_match.substr(0, end + 1)) == strong(tag)) return true;
    if_none_match.remove_prefix(end + 1);
  }
  return false;
}

}  // namespace watchkeeper
