#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "sdk/c/gateway_url.hpp"
#include "sdk/c/http2/address.hpp"

namespace watchkeeper::fleet {

/// Where a gateway listens.
struct endpoint : sdk::gateway_url {
  sdk::http2::socket_address address;
};

/// Parses and resolves a URL such as `https://127.0.0.1:8443` or `http://[::1]:8080`. Blocks on
/// DNS. The error is a sentence.
result<endpoint, std::string> resolve_endpoint(std::string_view url);

}  // namespace watchkeeper::fleet
