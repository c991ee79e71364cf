#pragma once

#include <cstddef>

#include "base/rate_limiter.hpp"
#include "server/config/load.hpp"

/// The bounds of tokens and of logins to the console.
namespace watchkeeper::server::identity_limits {

inline constexpr std::size_t tokens_max = configured_tokens_max;
inline constexpr std::size_t bearer_bytes_max = 512;
/// Wrong tokens of one address: twenty at once, then one in three seconds.
inline constexpr rate_limit wrong_tokens{3'000'000, 20};
inline constexpr std::size_t wrong_token_addresses_max = 4096;
/// Console sessions that were ended before their time and are remembered for that.
inline constexpr std::size_t signed_out_max = 10'000;

}  // namespace watchkeeper::server::identity_limits
