#include "base/base64url.hpp"

#include <array>

namespace watchkeeper::base64url {
namespace {

constexpr std::string_view alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::uint8_t foreign =
    0x80;  // no sextet has this bit, so one OR finds a foreign character

constexpr std::array<std::uint8_t, 256> make_sextets() {
  std::array<std::uint8_t, 256> table{};
  table.fill(foreign);
  for (std::size_t i = 0; i < alphabet.size(); ++i)
    table[static_cast<unsigned char>(alphabet[i])] = static_cast<std::uint8_t>(i);
  return table;
}
constexpr auto sextets = make_sextets();

}  // namespace

std::string encode(std::span<const std::uint8_t> bytes) {
  std::string text;
  text.reserve((bytes.size() * 4 + 2) / 3);
  std::size_t i = 0;
  for (; i + 3 <= bytes.size(); i += 3) {
    const std::uint32_t group =
        std::uint32_t{bytes[i]} << 16 | std::uint32_t{bytes[i + 1]} << 8 | bytes[i + 2];
    text += alphabet[group >> 18];
    text += alphabet[group >> 12 & 63];
    text += alphabet[group >> 6 & 63];
    text += alphabet[group & 63];
  }
  const auto left = bytes.size() - i;
  if (left == 1) {
    text += alphabet[bytes[i] >> 2];
    text += alphabet[bytes[i] << 4 & 63];
  } else if (left == 2) {
    const std::uint32_t group = std::uint32_t{bytes[i]} << 8 | bytes[i + 1];
    text += alphabet[group >> 10];
    text += alphabet[group >> 4 & 63];
    text += alphabet[group << 2 & 63];
  }
  return text;
}

std::optional<std::size_t> decode(std::string_view text, std::span<std::uint8_t> out) noexcept {
  const auto left = text.size() % 4;
  if (left == 1) return std::nullopt;
  const auto bytes = text.size() / 4 * 3 + (left == 0 ? 0 : left - 1);
  if (bytes > out.size()) return std::nullopt;

  const auto* in = reinterpret_cast<const unsigned char*>(text.data());
  auto* to = out.data();
  std::uint8_t all = 0;
  for (auto groups = text.size() / 4; groups > 0; --groups, in += 4, to += 3) {
    const auto a = sextets[in[0]], b = sextets[in[1]], c = sextets[in[2]], d = sextets[in[3]];
    all |= static_cast<std::uint8_t>(a | b | c | d);
    to[0] = static_cast<std::uint8_t>(a << 2 | b >> 4);
    to[1] = static_cast<std::uint8_t>(b << 4 | c >> 2);
    to[2] = static_cast<std::uint8_t>(c << 6 | d);
  }
  if (left >= 2) {
    const auto a = sextets[in[0]], b = sextets[in[1]];
    all |= static_cast<std::uint8_t>(a | b);
    to[0] = static_cast<std::uint8_t>(a << 2 | b >> 4);
    auto unused = b & 0x0f;
    if (left == 3) {
      const auto c = sextets[in[2]];
      all |= c;
      to[1] = static_cast<std::uint8_t>(b << 4 | c >> 2);
      unused = c & 0x03;
    }
    if (unused != 0) return std::nullopt;
  }
  if (all & foreign) return std::nullopt;
  return bytes;
}

}  // namespace watchkeeper::base64url
