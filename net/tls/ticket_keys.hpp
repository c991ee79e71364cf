#pragma once

#include <openssl/ssl.h>

#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

/// Resumption tickets (the session tickets of RFC 8446 section 4.6.1 and RFC 5077): the client
/// keeps its TLS state, sealed by a key that only gateways know, so that it may resume at any of
/// them that has the key.
namespace watchkeeper::net {

/// Wiped when it goes.
struct ticket_key {
  static constexpr std::size_t bytes = 80;
  std::array<unsigned char, 16> name{};  // sent in the clear: which key
  std::array<unsigned char, 32> mac{};   // HMAC-SHA256
  std::array<unsigned char, 32> seal{};  // AES-256-CBC

  ticket_key() = default;
  ticket_key(const ticket_key&) = default;
  ticket_key& operator=(const ticket_key&) = default;
  ~ticket_key();
};

/// The first seals new tickets; all open those that come back. Empty: none configured.
using ticket_key_list = std::vector<ticket_key>;
inline constexpr std::size_t ticket_keys_max = 8;
inline constexpr std::size_t ticket_key_file_bytes_max = 8 * 1024;

/// Reads keys, 160 hexadecimal digits a line (name, mac, seal), newest first; empty lines and those
/// that begin with # are skipped. The error never holds a digit of a key. None, more than
/// ticket_keys_max, or a name twice is an error.
result<ticket_key_list, std::string> parse_ticket_keys(std::string_view text);

/// One key of random bytes. Throws std::runtime_error when the system has none to give.
ticket_key random_ticket_key();

/// Has `context` seal and open its tickets with `keys`, which must not be empty. The context keeps
/// them for as long as it lives. Throws std::bad_alloc.
void install_ticket_keys(SSL_CTX* context, std::shared_ptr<const ticket_key_list> keys);

}  // namespace watchkeeper::net
