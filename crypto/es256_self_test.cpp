#include <algorithm>
#include <array>
#include <string_view>

#include "crypto/es256.hpp"

namespace watchkeeper::crypto::es256 {
namespace {

struct known_signature {
  std::string_view point, message, signature;  // x‖y and r‖s in hexadecimal
};

constexpr std::string_view rfc6979_key =
    "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"
    "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299";

constexpr std::array<known_signature, 4> known_signatures = {{
    // RFC 6979, appendix A.2.5.
    {rfc6979_key, "sample",
     "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
     "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8"},
    {rfc6979_key, "test",
     "f1abb023518351cd71d881567b1ea663ed3efcf6c5132b354f28d3b0b7d38367"
     "019f4113742a2b14bd25926b49c649155f267e60d3814b4c0cc84250e46f0083"},
    // The x of the point is n + 3, above the order; made for this test.
    {"0ff9f7cc95646ab5dde9a906bcc85ef5a3b33ff74321bb5ac4f383b732760da0"
     "b60eefb5c8a44fe339785e038bc718d35d33d1a759160e65750f25698495ea9b",
     "x above the order",
     "0000000000000000000000000000000000000000000000000000000000000003"
     "123456789abcdef0fedcba9876543210deadbeefcafebabe0123456789abcdef"},
    // And here p - 3: the largest r to which the order is added.
    {"bc12fde327962cacaaee0a1c569cbdd921f732924d01c65f02a64f6223e4cee9"
     "46aadda03af5787276ceca60229b65cee87f055dc431d40236a4e3e5eccd7dec",
     "x just below the prime",
     "000000000000000000000000000000004319055358e8617b0c46353d039cdaab"
     "ffffffff00000000ffffffffffffffffbce6faada7179e84f296855b72b75762"},
}};

std::array<std::uint8_t, 64> bytes_of(std::string_view hexadecimal) noexcept {
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  std::array<std::uint8_t, 64> bytes;
  for (std::size_t i = 0; i < bytes.size(); ++i)
    bytes[i] =
        static_cast<std::uint8_t>(digit(hexadecimal[2 * i]) << 4 | digit(hexadecimal[2 * i + 1]));
  return bytes;
}

}  // namespace

bool passes_self_test(verify_function verify) noexcept {
  for (const auto& [point_text, message, signature_text] : known_signatures) {
    const auto point = bytes_of(point_text);
    const auto signature = bytes_of(signature_text);
    const auto digest = sha256(message);
    if (!verify(point, digest, signature)) return false;

    // One bit of each of them, at several places.
    for (const std::size_t bit : {0u, 100u, 255u}) {
      const auto changed = static_cast<std::uint8_t>(1u << bit % 8);
      auto other_digest = digest;
      other_digest[bit / 8] ^= changed;
      auto other_r = signature, other_s = signature, other_point = point;
      other_r[bit / 8] ^= changed;
      other_s[32 + bit / 8] ^= changed;
      other_point[bit / 8] ^= changed;
      if (verify(point, other_digest, signature) || verify(point, digest, other_r) ||
          verify(point, digest, other_s) || verify(other_point, digest, signature))
        return false;
    }
    auto zero_r = signature, zero_s = signature;
    std::fill(zero_r.begin(), zero_r.begin() + 32, std::uint8_t{0});
    std::fill(zero_s.begin() + 32, zero_s.end(), std::uint8_t{0});
    if (verify(point, digest, zero_r) || verify(point, digest, zero_s)) return false;
  }
  return true;
}

}  // namespace watchkeeper::crypto::es256
