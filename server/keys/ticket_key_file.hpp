#pragma once

#include <string>

#include "base/result.hpp"
#include "net/tls/ticket_keys.hpp"

namespace watchkeeper::server {

/// Reads the file of `tls.ticket_keys` (net/tls/ticket_keys.hpp has its form). The error is a
/// sentence that names the file and holds no secret; a file that everybody may use is one.
result<net::ticket_key_list, std::string> read_ticket_keys(const std::string& path);

}  // namespace watchkeeper::server
