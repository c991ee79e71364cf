#pragma once

#include <span>
#include <string>

#include "actors/shared/heartbeat.hpp"
#include "base/json_writer.hpp"
#include "base/units.hpp"

namespace watchkeeper::server {

/// One result (docs/protocol.md, section 3).
void write_result(json_writer& out, const actors::heartbeat_result& result);
/// The whole response: `{"server_time":…,"results":[…]}`.
std::string results_document(std::span<const actors::heartbeat_result> results, wall_ms now_ms);

/// The seconds of `retry-after`, for 429 and 503. `spread` (any number) adds jitter, so that
/// devices that were rejected together do not come back together.
int retry_after_s(const actors::heartbeat_result& result, std::uint32_t spread) noexcept;

}  // namespace watchkeeper::server
