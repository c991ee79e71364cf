#include "crypto/agreement_key.hpp"

#include <openssl/crypto.h>

#include <algorithm>
#include <utility>

#include "crypto/device_key.hpp"

namespace watchkeeper::crypto {

namespace {

constexpr std::string_view key_info = "watchkeeper session key v1";

}  // namespace

agreement_key agreement_key::generate(wall_ms now_ms) {
  agreement_key made;
  p256::generate(made.secret_, made.public_.bytes);
  made.kid_ = thumbprint_of(made.public_);
  made.created_ms_ = now_ms;
  return made;
}

std::optional<agreement_key> agreement_key::from_secret(const p256::private_key& secret,
                                                        wall_ms created_ms) {
  agreement_key made;
  if (!p256::public_of(secret, made.public_.bytes)) return std::nullopt;
  made.secret_ = secret;
  made.kid_ = thumbprint_of(made.public_);
  made.created_ms_ = created_ms;
  return made;
}

agreement_key::~agreement_key() {
  OPENSSL_cleanse(secret_.data(), secret_.size());
}

hmac_sha256 session_key_of(std::span<const std::uint8_t, 32> shared,
                           std::string_view signing_input) noexcept {
  auto key = hkdf_sha256(shared, sha256(signing_input), key_info);
  hmac_sha256 made(key);
  OPENSSL_cleanse(key.data(), key.size());
  return made;
}

void agreement_key_ring::replace(std::vector<agreement_key> keys) {
  auto fresh = std::make_shared<const std::vector<agreement_key>>(std::move(keys));
  const mutex_lock lock(mutex_);
  std::swap(keys_, fresh);
}

agreement_key_ring::key_list agreement_key_ring::all() const {
  const mutex_lock lock(mutex_);
  return keys_;
}

result<hmac_sha256, agreement_key_ring::failure> agreement_key_ring::accept(
    const session_key_offer& offer, std::string_view signing_input) const {
  const auto keys = all();
  const auto named = std::ranges::find(*keys, offer.gateway_key, &agreement_key::kid);
  if (named == keys->end())
    return p256::is_on_curve(offer.point) ? failure::unknown_key : failure::bad_point;
  std::array<std::uint8_t, 32> shared;
  if (!p256::agree(named->secret(), offer.point, shared)) return failure::bad_point;
  auto key = session_key_of(shared, signing_input);
  OPENSSL_cleanse(shared.data(), shared.size());
  return key;
}

}  // namespace watchkeeper::crypto
