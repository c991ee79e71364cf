#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/units.hpp"
#include "crypto/digest.hpp"
#include "crypto/hmac.hpp"

/// The cookie of a login to the console (docs/adr/0009-sealed-cookie.md).
namespace watchkeeper::server {

inline constexpr std::string_view login_cookie_name = "__Host-wk";

/// One login to the console, and until when it is valid. It names the token by a fingerprint: each
/// request looks up what the token may do, so a token that leaves the configuration takes its
/// logins along.
struct login {
  static constexpr std::size_t id_bytes = 16;
  static constexpr std::size_t fingerprint_bytes = 16;
  using id_type = std::array<std::uint8_t, id_bytes>;
  using token_fingerprint = std::array<std::uint8_t, fingerprint_bytes>;
  id_type id{};  // random
  token_fingerprint token{};
  wall_ms expires_ms;  // whole seconds
};

/// The fingerprint of a token by the digest that the configuration holds.
login::token_fingerprint fingerprint_of(const crypto::sha256_digest& token_digest);

/// Makes cookies and accepts only its own: HMAC-SHA256 with a secret key. A value, read-only once
/// made: any thread.
class cookie_sealer {
 public:
  using key = std::array<std::uint8_t, 32>;
  explicit cookie_sealer(const key& secret) : keyed_(secret) {}

  /// The cookie's value: base64url, 96 characters.
  [[nodiscard]] std::string seal(const login& opened) const;
  /// Nothing if the cookie was not made with this key, or if it has expired.
  [[nodiscard]] std::optional<login> open(std::string_view sealed, wall_ms now_ms) const;
  /// What a request that writes must show beside the cookie: only a page of this origin has read
  /// it.
  [[nodiscard]] std::string csrf_of(const login& opened) const;
  /// In constant time.
  [[nodiscard]] bool is_csrf_of(const login& opened, std::string_view shown) const;

 private:
  [[nodiscard]] crypto::sha256_digest mac(std::string_view purpose, std::string_view bytes) const;
  crypto::hmac_sha256 keyed_;
};

/// The value of the cookie `login_cookie_name` in a cookie field (RFC 6265, section 5.4); empty
/// where there is none.
std::string_view login_cookie_of(std::string_view cookie_field) noexcept;
/// The set-cookie field that sets it for `max_age_s` seconds; 0 removes it.
std::string set_login_cookie(std::string_view value, std::int64_t max_age_s);

/// The key in console-cookie.key of `data_dir`, made there (mode 0600) when there is none. The
/// error is a sentence that names the file.
result<cookie_sealer::key, std::string> load_cookie_key(const std::string& data_dir);

}  // namespace watchkeeper::server
