#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace watchkeeper {

/// Why a token or a request was refused; docs/protocol.md, section 4. `none` means it was not.
/// The values are stable: statistics are indexed by them.
enum class problem : std::uint8_t {
  none = 0,
  malformed_token,
  token_too_large,
  too_many_tokens,
  unknown_device,
  bad_signature,
  stale_token,
  future_token,
  session_key_unknown,
  revoked_device,
  subject_mismatch,
  session_mismatch,
  not_assigned,
  unknown_module,
  implausible_interval,
  rate_limited,
  overloaded,
  storage_unavailable,
  draining,
  // Requests that are not heartbeats.
  malformed_request,
  unauthorized,
  forbidden,
  not_found,
  method_not_allowed,
  unsupported_media_type,
  payload_too_large,
  conflict,
  request_timeout,
  misdirected_request,
  // Of a heartbeat, too.
  sequence_reused,
  cursor_from_the_future,  // of a list
};
inline constexpr std::size_t problem_count = 31;

struct problem_info {
  std::string_view name;   // "stale-token"; the type is urn:watchkeeper:problem:<name>
  std::string_view title;  // one sentence for people
  int http_status;
};

const problem_info& describe(problem p) noexcept;
std::optional<problem> problem_from_name(std::string_view name) noexcept;

}  // namespace watchkeeper
