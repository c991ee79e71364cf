#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace watchkeeper {

/// A JSON number, exactly as far as the claims of a token need it: its first 18 significant digits,
/// where they stand, and whether any digit beyond them is not zero.
struct decimal {
  bool negative = false;  // also of -0
  bool integer = true;    // written without fraction and exponent
  std::uint64_t digits = 0;
  std::int32_t exponent = 0;  // value = digits × 10^exponent, and a little more when `inexact`
  bool inexact = false;
};

/// A number in thousandths.
struct thousandths {
  std::int64_t floor = 0;
  bool exact = true;          // nothing was cut off
  bool half_or_more = false;  // what was cut off is half a thousandth or more
};

/// Reads a number by the grammar of RFC 8259, section 6, at the start of `text` and sets `used` to
/// its length. Nothing when there is none (a leading zero, a bare point or sign).
std::optional<decimal> scan_decimal(std::string_view text, std::size_t& used) noexcept;

/// Nothing for a negative number (-0 included) and for one of 10^15 or more. Exact otherwise: the
/// digits that a `decimal` does not hold lie far behind the thousandths of such a number.
std::optional<thousandths> to_thousandths(const decimal& number) noexcept;

}  // namespace watchkeeper
