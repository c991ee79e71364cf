#include "sdk/c/der_signature.hpp"

#include <algorithm>

namespace watchkeeper::sdk {
namespace {

/// One INTEGER at the start of `rest`, right-aligned into `out`; false when it is none that may be.
bool read_integer(std::span<const std::uint8_t>& rest, std::span<std::uint8_t> out) noexcept {
  if (rest.size() < 2 || rest[0] != 0x02) return false;
  const std::size_t length = rest[1];  // two numbers of 33 bytes need no long form
  if (length == 0 || length > 33 || rest.size() - 2 < length) return false;
  auto number = rest.subspan(2, length);
  rest = rest.subspan(2 + length);
  if (number[0] & 0x80) return false;  // negative
  if (number[0] == 0) {
    if (number.size() == 1) return false;   // zero
    if (!(number[1] & 0x80)) return false;  // not minimal
    number = number.subspan(1);
  }
  if (number.size() > out.size()) return false;
  std::copy(number.begin(), number.end(), out.end() - static_cast<std::ptrdiff_t>(number.size()));
  return true;
}

}  // namespace

std::optional<std::array<std::uint8_t, 64>> raw_signature_of(
    std::span<const std::uint8_t> der) noexcept {
  if (der.size() < 2 || der[0] != 0x30 || der[1] != der.size() - 2 || der[1] >= 0x80)
    return std::nullopt;
  auto rest = der.subspan(2);
  std::array<std::uint8_t, 64> raw{};
  if (!read_integer(rest, std::span{raw}.first(32)) ||
      !read_integer(rest, std::span{raw}.last(32)) || !rest.empty())
    return std::nullopt;
  return raw;
}

}  // namespace watchkeeper::sdk
