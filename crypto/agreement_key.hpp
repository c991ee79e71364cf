#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/thread_safety.hpp"
#include "base/units.hpp"
#include "crypto/hmac.hpp"
#include "crypto/p256.hpp"
#include "domain/device.hpp"
#include "domain/ids.hpp"

/// Session keys (docs/protocol.md, section 6): who can compute them, and how.
namespace watchkeeper::crypto {

/// One of the gateway's own key pairs for ECDH on P-256. Wiped when it ends.
class agreement_key {
 public:
  static agreement_key generate(wall_ms now_ms);
  /// Nothing for a secret that is no scalar of P-256.
  static std::optional<agreement_key> from_secret(const p256::private_key& secret,
                                                  wall_ms created_ms);
  ~agreement_key();
  agreement_key(const agreement_key&) = default;
  agreement_key& operator=(const agreement_key&) = default;

  [[nodiscard]] const device_public_key& public_key() const noexcept { return public_; }
  /// RFC 7638 thumbprint: what devices name as `skid`.
  [[nodiscard]] const thumbprint& kid() const noexcept { return kid_; }
  [[nodiscard]] wall_ms created_ms() const noexcept { return created_ms_; }
  [[nodiscard]] const p256::private_key& secret() const noexcept { return secret_; }

 private:
  agreement_key() = default;

  p256::private_key secret_{};
  device_public_key public_;
  thumbprint kid_;
  wall_ms created_ms_;  // 0: not known
};

/// Z of both sides to the key of the session: HKDF-SHA-256, the salt being the SHA-256 of the
/// `header.payload` of the token that offered it.
hmac_sha256 session_key_of(std::span<const std::uint8_t, 32> shared,
                           std::string_view signing_input) noexcept;

/// The keys of a gateway, the announced one first. Replaced as a whole when they are read anew.
/// Any thread; each call takes one short lock. Bounded by whoever fills it.
class agreement_key_ring {
 public:
  using key_list = std::shared_ptr<const std::vector<agreement_key>>;

  void replace(std::vector<agreement_key> keys);
  [[nodiscard]] key_list all() const;

  enum class failure : std::uint8_t {
    unknown_key,  // no key of this gateway has that kid
    bad_point,    // not on the curve
  };
  /// The session's key for an offer in a token. A bad point is told before an unknown key.
  [[nodiscard]] result<hmac_sha256, failure> accept(const session_key_offer& offer,
                                                    std::string_view signing_input) const;

 private:
  mutable annotated_mutex mutex_;
  key_list keys_ GUARDED_BY(mutex_) = std::make_shared<const std::vector<agreement_key>>();
};

}  // namespace watchkeeper::crypto
