#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tools/fleet/heartbeat.hpp"
#include "tools/fleet/http2_client.hpp"

namespace watchkeeper::fleet {

enum class outcome_kind : std::uint8_t {
  credited,
  limited,
  duplicate,
  accepted,  // 204: credited or a duplicate
  rejected,  // not sent again
  retry,     // not this time: overload, storage, rate, or the transport failed
};
inline constexpr std::size_t outcome_kinds = 6;
std::string_view name_of(outcome_kind kind) noexcept;
constexpr bool is_acknowledged(outcome_kind kind) noexcept {
  return kind <= outcome_kind::accepted;
}

/// What became of one heartbeat.
struct outcome {
  outcome_kind kind = outcome_kind::retry;
  bool transport = false;       // `reason` is a transport_error, not a problem
  bool sign_by_device = false;  // `retry`: the gateway does not know the session's key
  bool mastered = false;
  std::optional<std::int64_t> credited_ms;
  std::string reason;  // rejected and retry: a name of letters, digits and '-'
};

/// One outcome for each heartbeat of the request, in order, by the reader of the SDK. A load test
/// must come to an end: what a device would correct and send again later (an unknown device, a
/// wrong clock, a response that is not a gateway's) is `rejected` here. `minimal`: the request
/// asked for a 204.
std::vector<outcome> read_outcomes(http2_response&& response, std::span<const heartbeat> sent,
                                   bool minimal);

}  // namespace watchkeeper::fleet
