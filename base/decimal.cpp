#include "base/decimal.hpp"

#include <algorithm>
#include <array>

namespace watchkeeper {
namespace {

constexpr int significant_digits_max = 18;
/// Exponents beyond it mean zero or far out of range, whatever the digits of a token may be.
constexpr std::int32_t exponent_limit = 100'000;

constexpr auto powers_of_ten = [] {
  std::array<std::uint64_t, significant_digits_max + 1> powers{};
  powers[0] = 1;
  for (std::size_t i = 1; i < powers.size(); ++i) powers[i] = powers[i - 1] * 10;
  return powers;
}();

bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}

/// Collects digits; those after the eighteenth significant one only move the point.
struct digit_sink {
  decimal& number;
  int significant = 0;

  void put(char c, bool fraction) noexcept {
    const auto digit = static_cast<std::uint64_t>(c - '0');
    if (significant == significant_digits_max) {
      number.inexact |= digit != 0;
      if (!fraction) ++number.exponent;
      return;
    }
    number.digits = number.digits * 10 + digit;
    if (number.digits != 0) ++significant;
    if (fraction) --number.exponent;
  }
};

}  // namespace

std::optional<decimal> scan_decimal(std::string_view text, std::size_t& used) noexcept {
  const char* at = text.data();
  const char* const end = at + text.size();
  decimal number;
  if (at != end && *at == '-') {
    number.negative = true;
    ++at;
  }
  if (at == end || !is_digit(*at)) return std::nullopt;
  digit_sink sink{number};
  if (*at == '0') {
    ++at;
    if (at != end && is_digit(*at)) return std::nullopt;
  } else {
    while (at != end && is_digit(*at)) sink.put(*at++, false);
  }
  if (at != end && *at == '.') {
    number.integer = false;
    if (++at == end || !is_digit(*at)) return std::nullopt;
    while (at != end && is_digit(*at)) sink.put(*at++, true);
  }
  if (at != end && (*at == 'e' || *at == 'E')) {
    number.integer = false;
    ++at;
    bool down = false;
    if (at != end && (*at == '+' || *at == '-')) down = *at++ == '-';
    if (at == end || !is_digit(*at)) return std::nullopt;
    std::int32_t shift = 0;
    while (at != end && is_digit(*at)) shift = std::min(shift * 10 + (*at++ - '0'), exponent_limit);
    number.exponent += down ? -shift : shift;
  }
  used = static_cast<std::size_t>(at - text.data());
  return number;
}

std::optional<thousandths> to_thousandths(const decimal& number) noexcept {
  if (number.negative) return std::nullopt;
  if (number.digits == 0) return thousandths{};
  constexpr std::uint64_t limit = 1'000'000'000'000'000'000;  // 10^15 in thousandths
  const auto exponent = number.exponent + 3;
  if (exponent >= 0) {
    if (exponent >= significant_digits_max || number.digits >= limit / powers_of_ten[exponent])
      return std::nullopt;
    return thousandths{static_cast<std::int64_t>(number.digits * powers_of_ten[exponent]),
                       !number.inexact, false};
  }
  if (exponent < -significant_digits_max) return thousandths{0, false, false};
  const auto scale = powers_of_ten[-exponent];
  const auto rest = number.digits % scale;
  return thousandths{static_cast<std::int64_t>(number.digits / scale), rest == 0 && !number.inexact,
                     rest >= scale / 2};
}

}  // namespace watchkeeper
