#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/result.hpp"
#include "base/units.hpp"
#include "domain/coverage.hpp"
#include "domain/ids.hpp"
#include "domain/problem.hpp"

namespace watchkeeper {

enum class signature_algorithm : std::uint8_t { es256 = 0, eddsa = 1, hs256 = 2 };
inline constexpr std::size_t signature_algorithm_count = 3;
std::string_view name_of(signature_algorithm algorithm) noexcept;  // "ES256"

/// The claims `epk` and `skid` (docs/protocol.md, section 6): the device offers to agree on a key
/// for its session.
struct session_key_offer {
  std::array<std::uint8_t, 64> point{};  // epk, x‖y; not known to be on the curve
  thumbprint gateway_key;                // skid
  friend bool operator==(const session_key_offer&, const session_key_offer&) = default;
};

/// The claims of docs/protocol.md section 2, by value.
struct token_claims {
  student_id student;                          // sub
  module_id module;                            // cid
  session_id session;                          // sid
  std::uint32_t sequence = 0;                  // sn
  media_interval interval;                     // from, to
  std::int32_t playback_rate_permille = 1000;  // pr, rounded to the nearest thousandth
  wall_ms issued_at_ms;                        // iat, rounded down
  std::optional<wall_ms> expires_at_ms;        // exp
  std::optional<session_key_offer> key_offer;  // epk and skid
};

/// A token that is well-formed. Nothing about its signature is known yet.
struct engagement_token {
  signature_algorithm algorithm = signature_algorithm::es256;
  thumbprint device;  // kid; of HS256 the part before the dot
  token_claims claims;
  std::string_view signing_input;            // `header.payload`; borrows the text that was parsed
  std::array<std::uint8_t, 64> signature{};  // of HS256 the first 32: its MAC
  std::uint8_t signature_bytes =
      0;  // more than 64 are cut to 65: never right, refused by the verifier
};

/// Parses a JWS in compact serialisation, strictly (docs/protocol.md section 2; RFC 7515
/// section 7.1, RFC 8725): one pass, no allocation. Errors: token_too_large, malformed_token.
/// `detail`, where given, is set to a sentence in static storage that says what is wrong. HS256
/// needs `kid` = `<device kid>.<sid>` with the sid of the claims, and offers no key of its own.
result<engagement_token, problem> parse_engagement_token(std::string_view text,
                                                         std::string_view* detail = nullptr);

/// Of a signature or MAC; any other length is bad_signature.
constexpr std::size_t signature_size(signature_algorithm algorithm) noexcept {
  return algorithm == signature_algorithm::hs256 ? 32 : 64;
}

/// Bounds of rule 1 of section 5 and of `exp`.
struct time_policy {
  std::int64_t max_age_ms = 900'000;
  std::int64_t max_skew_ms = 30'000;
};
/// none, stale_token or future_token.
problem check_time(const token_claims& claims, wall_ms now_ms, const time_policy& policy) noexcept;

/// Rule 3 of section 5: the interval, cut at the end of the module however far it goes on, or
/// implausible_interval.
result<media_interval, problem> plausible_interval(media_interval claimed, media_ms duration_ms,
                                                   media_ms max_interval_ms) noexcept;

}  // namespace watchkeeper
