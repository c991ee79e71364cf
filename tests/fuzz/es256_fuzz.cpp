// libFuzzer target that holds the own P-256 against OpenSSL's: an input says a key, a digest and a
// signature, and both ways of the own arithmetic must answer as OpenSSL does.
//
// The first byte says how the rest is read. Bit 0: as r‖s‖digest as they are (nearly always
// refused, so this is for the edges of ranges); otherwise as scalars t and s: r is then the x of
// t · G and s is solved for, which gives a valid signature. Bit 1: one bit of the outcome is
// flipped. Bit 2: the key is a point as it stands; otherwise d · G.

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "crypto/p256.hpp"
#include "crypto/p256_fast.hpp"

using namespace watchkeeper::crypto;
using namespace watchkeeper::crypto::p256;

namespace {

using octets_64 = std::array<std::uint8_t, 64>;

/// Bytes of the input, then zeros.
class reader {
 public:
  reader(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}
  std::uint8_t byte() { return at_ < size_ ? data_[at_++] : std::uint8_t{0}; }
  template <std::size_t Size>
  std::array<std::uint8_t, Size> bytes() {
    std::array<std::uint8_t, Size> out;
    for (auto& b : out) b = byte();
    return out;
  }
  /// Below the order, not zero.
  words256 scalar() {
    auto w = read_words(bytes<32>());
    if (!less(w, scalar::order)) w = subtract_words(w, scalar::order);
    return is_zero(w) ? words256{1, 0, 0, 0} : w;
  }

 private:
  const std::uint8_t* data_;
  std::size_t size_, at_ = 0;
};

void write_words(const words256& w, std::uint8_t* to) {
  for (std::size_t i = 0; i < 32; ++i)
    to[31 - i] = static_cast<std::uint8_t>(w[i / 8] >> (i % 8 * 8));
}

words256 product(const words256& a, const words256& b) {
  return scalar::multiply_montgomery(scalar::multiply_montgomery(a, b), scalar::montgomery_square);
}

/// d · G by OpenSSL.
octets_64 multiple_of_base(const words256& d) {
  private_key secret;
  write_words(d, secret.data());
  octets_64 point;
  if (!public_of(secret, point)) std::abort();
  return point;
}

void fail(const char* what, const octets_64& key, const sha256_digest& digest,
          const octets_64& signature) {
  std::fprintf(stderr, "es256_fuzz: %s differs\n", what);
  const auto print = [](const char* name, const auto& bytes) {
    std::fprintf(stderr, "%s ", name);
    for (const auto b : bytes) std::fprintf(stderr, "%02x", b);
    std::fputc('\n', stderr);
  };
  print("key", key);
  print("digest", digest);
  print("signature", signature);
  std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  reader input{data, size};
  const auto mode = input.byte();
  const auto flip = input.byte() | input.byte() << 8;
  sha256_digest digest = input.bytes<32>();
  const auto d = input.scalar();
  octets_64 key = multiple_of_base(d);
  octets_64 signature;
  bool must_be_valid = false;
  if (mode & 1) {
    signature = input.bytes<64>();
  } else {
    const auto t = input.scalar();
    const auto point = multiple_of_base(t);
    auto r = read_words(std::span<const std::uint8_t, 64>{point}.first<32>());
    if (!less(r, scalar::order)) r = subtract_words(r, scalar::order);
    auto e = read_words(digest);
    if (!less(e, scalar::order)) e = subtract_words(e, scalar::order);
    // s = (e + r d) / t; the sum of two numbers below n, modulo n.
    const auto rd = product(r, d);
    const auto sum = add_words(e, rd);
    const bool over = less(sum, e) || !less(sum, scalar::order);
    const auto s =
        product(over ? subtract_words(sum, scalar::order) : sum, inverse(t, scalar::order_modulus));
    write_words(r, signature.data());
    write_words(s, signature.data() + 32);
    must_be_valid = !is_zero(r) && !is_zero(s);
  }
  if (mode & 4) {
    key = input.bytes<64>();
    must_be_valid = false;
  }
  if (mode & 2) {
    const auto bit = static_cast<std::size_t>(flip) % (8 * 160);
    const auto mask = static_cast<std::uint8_t>(1u << bit % 8);
    if (bit / 8 < 64)
      signature[bit / 8] ^= mask;
    else if (bit / 8 < 128)
      key[bit / 8 - 64] ^= mask;
    else
      digest[bit / 8 - 128] ^= mask;
    must_be_valid = false;
  }

  const bool wanted = verify(key, digest, signature);
  if (must_be_valid && !wanted) fail("a valid signature", key, digest, signature);
  if (verify_fast(key, digest, signature) != wanted)
    fail("the way without a table", key, digest, signature);
  affine_point q;
  const bool on_curve = read_point(key, q);
  if (on_curve != is_on_curve(key)) fail("the check of the point", key, digest, signature);
  if (on_curve) {
    static key_table table;
    make_table(q, table);
    if (verify_fast(table, digest, signature) != wanted)
      fail("the way with a table", key, digest, signature);
  }
  return 0;
}
