#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "crypto/agreement_key.hpp"
#include "server/config/configuration.hpp"

/// The gateway's own keys for the sessions of devices (docs/protocol.md, section 6), in a file that
/// all gateways of a deployment share.
namespace watchkeeper::server {

inline constexpr std::size_t session_keys_max = 16;
inline constexpr std::size_t session_keys_after_rotation =
    3;  // keys that a rotation leaves by default
inline constexpr std::size_t session_key_file_bytes_max = 64 * 1024;

using agreement_keys = std::vector<crypto::agreement_key>;

/// `session_keys.file`, or session-keys.json in data_dir.
std::string session_key_path(const configuration& settings);

/// Reads P-256 private keys, the announced one first: a JWK set (RFC 7517), or one or more PEM
/// blocks, unencrypted. The error is a sentence that names the file and never holds a secret: not
/// readable, readable by everybody, no such format, another curve, coordinates or a kid that do not
/// belong to the key, a key twice, none or more than session_keys_max.
struct session_key_file {
  agreement_keys keys;
  bool is_pem = false;
};
result<session_key_file, std::string> read_session_keys(const std::string& path);

/// As a JWK set with private members.
std::string private_key_set(const agreement_keys& keys);
/// The body of the response to GET /v1/keys: the public part of the first key, or an empty set.
std::string announced_key_set(const agreement_keys& keys);

struct loaded_session_keys {
  agreement_keys keys;
  std::string path;
  bool made_now = false;
};
/// The keys for a start of the gateway. If no file is configured and data_dir has none, creates it
/// there with mode 0600.
result<loaded_session_keys, std::string> load_session_keys(const configuration& settings,
                                                           wall_ms now_ms);

}  // namespace watchkeeper::server
