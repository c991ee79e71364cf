#include "crypto/hmac.hpp"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <algorithm>
#include <string>

// The one-shot functions of OpenSSL 3 look their algorithm up on every call, under a lock.
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

namespace watchkeeper::crypto {
namespace {

constexpr std::size_t block_bytes = SHA256_CBLOCK;

using block = std::array<std::uint8_t, block_bytes>;

/// The state of SHA-256 after one block.
std::array<std::uint32_t, 8> after(const block& padded) noexcept {
  SHA256_CTX context;
  SHA256_Init(&context);
  SHA256_Update(&context, padded.data(), padded.size());
  std::array<std::uint32_t, 8> state;
  std::copy(std::begin(context.h), std::end(context.h), state.begin());
  OPENSSL_cleanse(&context, sizeof context);
  return state;
}

/// A context that has taken the block of `state`.
SHA256_CTX resumed(const std::array<std::uint32_t, 8>& state) noexcept {
  SHA256_CTX context;
  SHA256_Init(&context);
  std::copy(state.begin(), state.end(), std::begin(context.h));
  context.Nl = block_bytes * 8;
  return context;
}

std::string_view text_of(std::span<const std::uint8_t> bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

hmac_sha256::hmac_sha256(std::span<const std::uint8_t> key) noexcept {
  block padded{};
  if (key.size() > padded.size()) {
    const auto digest = sha256(text_of(key));
    std::copy(digest.begin(), digest.end(), padded.begin());
  } else {
    std::copy(key.begin(), key.end(), padded.begin());
  }
  for (auto& byte : padded) byte ^= 0x36;
  inner_ = after(padded);
  for (auto& byte : padded) byte ^= 0x36 ^ 0x5c;
  outer_ = after(padded);
  OPENSSL_cleanse(padded.data(), padded.size());
}

hmac_sha256::~hmac_sha256() {
  OPENSSL_cleanse(inner_.data(), sizeof inner_);
  OPENSSL_cleanse(outer_.data(), sizeof outer_);
}

sha256_digest hmac_sha256::mac(std::string_view message) const noexcept {
  sha256_digest digest;
  auto context = resumed(inner_);
  SHA256_Update(&context, message.data(), message.size());
  SHA256_Final(digest.data(), &context);
  context = resumed(outer_);
  SHA256_Update(&context, digest.data(), digest.size());
  SHA256_Final(digest.data(), &context);
  OPENSSL_cleanse(&context, sizeof context);
  return digest;
}

bool hmac_sha256::verify(std::string_view message,
                         std::span<const std::uint8_t> mac) const noexcept {
  return constant_time_equal(this->mac(message), mac);
}

sha256_digest hkdf_sha256(std::span<const std::uint8_t> secret, std::span<const std::uint8_t> salt,
                          std::string_view info) noexcept {
  auto extracted = hmac_sha256(salt).mac(text_of(secret));
  std::string block(info);
  block += '\x01';
  const auto expanded = hmac_sha256(extracted).mac(block);
  OPENSSL_cleanse(extracted.data(), extracted.size());
  return expanded;
}

}  // namespace watchkeeper::crypto
