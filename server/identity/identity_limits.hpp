#pragma once

#include <cstddef>

#include "base/rate_limiter.hpp"
#include "server/config/load.hpp"

/// The bounds of tokens and of logins to the console.
namespace watchkeeper::server::identity_limits {

/// Bearer tokens of a configuration.
inline constexpr std::size_t tokens_max = configured_tokens_max;
/// A longer bearer token is not looked at.
inline constexpr std::size_t bearer_bytes_max = 512;
/// Wrong bearer tokens of one address: twenty at once, then one in three seconds. Beyond it the
/// response is 429.
inline constexpr rate_limit wrong_tokens{3'000'000, 20};
/// Addresses whose wrong tokens are counted.
inline constexpr std::size_t wrong_token_addresses_max = 4096;
/// Logins that were ended early and are remembered.
inline constexpr std::size_t revoked_logins_max = 10'000;

}  // namespace watchkeeper::server::identity_limits
