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

/// HTTP/2 over TLS 1.2 or newer (nghttp2, OpenSSL) with one connection, opened with the first
/// request, kept for as long as requests come (a minute), resumed by session ticket after that.
/// Nothing blocks but the name's resolution. Redirects are not followed, certificates are checked
/// against host name and authorities. Memory is taken with the connection and given back with it.
std::unique_ptr<transport> make_http2_transport(http2_options options);

}  // namespace watchkeeper::sdk
