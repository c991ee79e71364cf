#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/decimal.hpp"

namespace watchkeeper {

/// Reads JSON (RFC 8259) strictly and in one pass, without allocation: strings are decoded in
/// place, since no escape is shorter than what it stands for. Owns nothing: the views it gives lie
/// in the bytes it was given, and stay good as long as those do. After a function has said no the
/// scanner must not be used any further.
class json_scanner {
 public:
  /// What may be nested in a value that is skipped.
  static constexpr int depth_max = 8;

  explicit json_scanner(std::span<char> bytes) noexcept
      : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  /// Skips whitespace; then eats `c` if it comes next.
  bool consume(char c) noexcept;
  /// Skips whitespace; whether nothing is left then.
  bool at_end() noexcept;

  /// A string that is valid UTF-8, with escapes decoded. No lone surrogates, no control characters.
  std::optional<std::string_view> string() noexcept;
  std::optional<decimal> number() noexcept;
  /// Any value, checked and forgotten. Names may repeat in objects inside of it.
  bool skip_value(int depth_left = depth_max) noexcept;

 private:
  void skip_whitespace() noexcept;
  bool literal(std::string_view word) noexcept;
  /// Decodes the escape behind a backslash to `to`.
  bool escape(char*& to) noexcept;
  std::optional<std::uint32_t> hex4() noexcept;
  /// Copies one character of two to four bytes to `to`, if it is well-formed UTF-8.
  bool multibyte(char*& to) noexcept;

  char* at_;
  char* end_;
};

}  // namespace watchkeeper
