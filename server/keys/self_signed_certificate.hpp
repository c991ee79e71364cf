#pragma once

#include <string>

#include "base/result.hpp"
#include "base/units.hpp"

namespace watchkeeper::server {

/// The certificate that a gateway makes for itself if none is configured: for a first start and for
/// development. Clients must be configured to trust it (curl --cacert FILE).
struct self_signed_pair {
  std::string certificate_path;
  std::string key_path;
  std::string fingerprint;  // SHA-256 of the certificate, "AB:CD:…"
  wall_ms not_after_ms;
  bool made_now = false;  // false: the one on the disk was good
};

inline constexpr std::int64_t self_signed_days = 825;
inline constexpr std::int64_t self_signed_renewal_days = 7;

/// Gives the pair tls-certificate.pem and tls-key.pem in `data_dir`, which is created if need be.
/// Uses an existing pair that belongs together and is valid for more than self_signed_renewal_days;
/// otherwise makes a new one: P-256, for localhost, 127.0.0.1 and ::1. The key's file has mode
/// 0600; both appear whole or not at all. The error is a sentence that names the file.
result<self_signed_pair, std::string> make_self_signed_pair(const std::string& data_dir,
                                                            wall_ms now_ms);

}  // namespace watchkeeper::server
