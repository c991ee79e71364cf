#pragma once

#include <string>

#include "client/key_set.hpp"
#include "domain/result.hpp"
#include "fleet/simple_client.hpp"

namespace watchkeeper::fleet {

/// The gateway's key for session keys, from `GET /v1/keys` (docs/protocol.md, section 6). Blocks.
/// The error is a sentence.
result<client::gateway_key, std::string> read_gateway_key(simple_client& client);

}  // namespace watchkeeper::fleet
