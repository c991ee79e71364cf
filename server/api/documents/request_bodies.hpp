#pragma once

#include <string>

#include "base/units.hpp"
#include "domain/device.hpp"
#include "domain/module.hpp"
#include "net/shared/http.hpp"

/// Reads the bodies of requests, and checks everything that a client writes there. Each function
/// throws api_problem (malformed_request, unsupported_media_type) and nothing else. Pure.
namespace watchkeeper::server {

/// The body of PUT /v1/modules/{module}.
module_record read_module(const net::http_request& request, const module_id& id, wall_ms now_ms);
/// The body of PATCH /v1/modules/{module}, a merge patch (RFC 7396): `before` with what it changes.
/// A member that it sets to null gets its default, or is missing.
module_record patched_module(const module_record& before, const net::http_request& request,
                             wall_ms now_ms);
/// The body of PUT /v1/devices/{kid}; `kid_of_path` must be the thumbprint of its key.
device_record read_device(const net::http_request& request, const thumbprint& kid_of_path,
                          wall_ms now_ms);
/// The reason in the body of POST /v1/progress/{student}/{module}/reset.
std::string read_reset_reason(const net::http_request& request);
/// The token in the body of POST /v1/session.
std::string read_login(const net::http_request& request);

}  // namespace watchkeeper::server
