#pragma once

#include <memory>
#include <string>

#include "sdk/c/gateway_url.hpp"
#include "sdk/c/ports.hpp"

namespace watchkeeper::sdk {

struct http2_options {
  gateway_url to;
  std::string ca_path;  // PEM; empty: the system's authorities
};

/// The default transport: HTTP/2 over TLS 1.2 or newer on one connection. The first request opens
/// it. It closes after a minute without a request; the next one resumes it by a TLS ticket. Only
/// the look-up of the host's name blocks. Redirects are not followed; certificates are checked
/// against host name and authorities. A closed connection takes no memory.
std::unique_ptr<transport> make_http2_transport(http2_options options);

}  // namespace watchkeeper::sdk
