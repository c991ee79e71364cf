#pragma once

#include <string>

#include "net/tls/ticket_keys.hpp"

namespace watchkeeper::net {

/// Where the certificate and the keys of the TLS listener come from.
struct tls_files {
  std::string certificate_path;  // PEM, chain included
  std::string key_path;          // PEM
  /// Shared by the gateways of a deployment; empty: a key of this process alone.
  ticket_key_list ticket_keys = {};
};

}  // namespace watchkeeper::net
