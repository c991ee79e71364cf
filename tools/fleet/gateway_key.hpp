#pragma once

#include <string>

#include "base/result.hpp"
#include "sdk/c/key_set.hpp"
#include "tools/fleet/simple_client.hpp"

namespace watchkeeper::fleet {

/// The gateway's key for session keys, from `GET /v1/keys` (docs/protocol.md, section 6). Blocks.
/// The error is a sentence.
result<sdk::gateway_key, std::string> read_gateway_key(simple_client& client);

}  // namespace watchkeeper::fleet
