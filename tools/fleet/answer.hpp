#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tools/fleet/http2_client.hpp"

namespace watchkeeper::fleet {

enum class outcome_kind : std::uint8_t {
  credited,
  limited,
  duplicate,
  accepted,  // 204: credited or a duplicate
  rejected,  // for good
  retry,     // not this time: overload, storage, rate, or the transport failed
};
inline constexpr std::size_t outcome_kinds = 6;
std::string_view name_of(outcome_kind kind) noexcept;
constexpr bool is_acknowledged(outcome_kind kind) noexcept {
  return kind <= outcome_kind::accepted;
}

/// The reason that asks for a signature by the device: `retry`, signed again.
inline constexpr std::string_view session_key_unknown = "session-key-unknown";

/// What became of one heartbeat.
struct outcome {
  outcome_kind kind = outcome_kind::retry;
  bool transport = false;  // `reason` is a transport_error, not a problem
  bool mastered = false;   // the state in the answer is MASTERED
  std::optional<std::int64_t> credited_ms;
  std::string reason;  // rejected and retry: a name of letters and '-', safe to print
};

/// One outcome for each of the `count` tokens of the request, in order (docs/protocol.md, sections
/// 3 and 4). An answer that does not make sense is a rejection by the name of
/// `unintelligible-answer`.
std::vector<outcome> read_answer(const http2_response& response, std::size_t count);

}  // namespace watchkeeper::fleet
