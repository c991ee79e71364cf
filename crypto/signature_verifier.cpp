#include "crypto/signature_verifier.hpp"

#include <sodium/crypto_sign_ed25519.h>

#include "crypto/digest.hpp"
#include "crypto/es256.hpp"

namespace watchkeeper::crypto {

bool signature_verifier::verify(std::string_view signing_input,
                                std::span<const std::uint8_t> signature) const noexcept {
  if (signature.size() != 64) return false;
  switch (key_.algorithm) {
    case signature_algorithm::es256:
      return es256::verify(key_.bytes, sha256(signing_input), signature.first<64>());
    case signature_algorithm::eddsa:
      // Also refuses keys and R of small order, and an S that is not reduced.
      return crypto_sign_ed25519_verify_detached(
                 signature.data(), reinterpret_cast<const unsigned char*>(signing_input.data()),
                 signing_input.size(), key_.bytes.data()) == 0;
    case signature_algorithm::hs256:
      break;  // never the algorithm of a device's key
  }
  return false;
}

}  // namespace watchkeeper::crypto
