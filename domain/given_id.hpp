#pragma once

#include <optional>
#include <string_view>

#include "domain/ids.hpp"

namespace watchkeeper {

/// What parse_given_id accepts, for messages.
inline constexpr char given_id_form[] =
    "1 to 64 characters of A-Z a-z 0-9 . _ ~ : @ -, and neither '.' nor '..'";

/// An id that comes from outside and may become part of a record. URL parsers and proxies remove
/// `.` and `..` from a path, so that an ordinary client could never name, nor erase, such an id. In
/// the stores it stays readable: an earlier version accepted it.
template <class Id>
std::optional<Id> parse_given_id(std::string_view text) noexcept {
  if (text == "." || text == "..") return std::nullopt;
  return Id::parse(text);
}

}  // namespace watchkeeper
