#pragma once

#include <boost/test/unit_test.hpp>

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/obj_mac.h>

#include <array>
#include <cstdint>
#include <random>
#include <vector>

#include "crypto/p256_fast.hpp"
#include "crypto/p256_scalar.hpp"

/// OpenSSL's numbers and points, which the own arithmetic is held against.
namespace watchkeeper::test {

using crypto::p256::words256;

/// For suites that run the own arithmetic: on another processor they are skipped, and say so.
inline boost::test_tools::assertion_result processor_has_it(boost::unit_test::test_unit_id) {
  return crypto::p256::fast_is_supported();
}

inline std::array<std::uint8_t, 32> big_endian(const words256& w) {
  std::array<std::uint8_t, 32> bytes;
  for (std::size_t i = 0; i < 32; ++i)
    bytes[31 - i] = static_cast<std::uint8_t>(w[i / 8] >> (i % 8 * 8));
  return bytes;
}

/// A BIGNUM that ends with its scope.
struct number {
  BIGNUM* value = BN_new();
  number() = default;
  explicit number(const words256& w) { set(w); }
  ~number() { BN_free(value); }
  number(const number&) = delete;
  number& operator=(const number&) = delete;
  void set(const words256& w) {
    const auto bytes = big_endian(w);
    BN_bin2bn(bytes.data(), 32, value);
  }
  [[nodiscard]] words256 words() const {
    std::array<std::uint8_t, 32> bytes;
    BN_bn2binpad(value, bytes.data(), 32);
    return crypto::p256::read_words(bytes);
  }
};

/// Random numbers, half of them of words that carry far: zeros, ones and their neighbours.
class spiky_numbers {
 public:
  explicit spiky_numbers(std::uint64_t seed) : random_(seed) {}

  std::uint64_t operator()() { return random_(); }

  words256 below(const words256& limit) {
    const bool spiky = random_() % 2 == 0;
    for (;;) {
      words256 made;
      for (auto& word : made) word = spiky ? spike() : random_();
      if (crypto::p256::less(made, limit)) return made;
      // Near the limit from below.
      if (spiky && random_() % 2 == 0)
        return crypto::p256::subtract_words(limit, {1 + random_() % 4, 0, 0, 0});
    }
  }

 private:
  std::uint64_t spike() {
    switch (random_() % 10) {
      case 0:
      case 1:
        return 0;
      case 2:
      case 3:
        return ~std::uint64_t{0};
      case 4:
        return 1;
      case 5:
        return 0xffff'ffff;
      case 6:
        return 0xffff'ffff'0000'0000;
      case 7:
        return std::uint64_t{1} << random_() % 64;
      case 8:
        return ~(std::uint64_t{1} << random_() % 64);
      default:
        return random_();
    }
  }

  std::mt19937_64 random_;
};

/// Numbers at the edges of a modulus m and of words: 0, 1, m − 1, (m ± 1) / 2, powers of two and
/// their neighbours, all below m.
inline std::vector<words256> edges_below(const words256& m) {
  using namespace crypto::p256;
  std::vector<words256> all;
  const auto keep = [&](const words256& w) {
    if (less(w, m)) all.push_back(w);
    const auto opposite = subtract_words(m, w);
    if (less(opposite, m)) all.push_back(opposite);
  };
  for (std::uint64_t i = 0; i < 4; ++i) keep({i, 0, 0, 0});
  for (const unsigned bit : {31u,  32u,  33u,  63u,  64u,  95u,  96u,  97u,  127u, 128u,
                             159u, 160u, 191u, 192u, 193u, 223u, 224u, 225u, 254u, 255u}) {
    words256 power{};
    power[bit / 64] = std::uint64_t{1} << bit % 64;
    keep(power);
    keep(add_words(power, {1, 0, 0, 0}));
    keep(subtract_words(power, {1, 0, 0, 0}));
  }
  for (unsigned i = 0; i < 16; ++i) {
    words256 ones{};
    for (unsigned word = 0; word < 4; ++word) ones[word] = (i >> word & 1) ? ~std::uint64_t{0} : 0;
    keep(ones);
  }
  words256 half{};
  for (unsigned word = 0; word < 4; ++word)
    half[word] = m[word] >> 1 | (word < 3 ? m[word + 1] << 63 : 0);
  keep(half);
  keep(add_words(half, {1, 0, 0, 0}));
  // 2^256 mod m, the Montgomery form of 1.
  keep(subtract_words({}, m));
  return all;
}

}  // namespace watchkeeper::test
