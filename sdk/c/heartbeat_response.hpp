#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sdk/c/pending_heartbeat.hpp"

namespace watchkeeper::sdk {

/// A response as a transport delivers it.
struct http_response {
  int status = 0;
  std::optional<std::int64_t> retry_after_ms;
  std::string body;  // empty if it was too long
  bool too_long = false;
};

/// What a device does with a heartbeat after its result.
enum class result_kind : std::uint8_t {
  accepted,        // credited, limited or a duplicate: it is durable
  retry,           // not credited: send it again after the pause
  retry_alone,     // not credited: send it alone, since only the status of its own response says
                   // whether the problem is final
  in_doubt,        // unknown: send exactly the same heartbeat again after the pause
  set_clock,       // not credited: sign it again at once, with the gateway's time
  enrol,           // not credited: send it again once the device is enrolled
  sign_by_device,  // the gateway does not know the session's key: sign it by the device's key at
                   // once
  renew_session,  // another interval was credited under its number: send it again at once, in a new
                  // session
  rejected,       // never credited
};

enum class credit_status : std::uint8_t { unspecified, credited, limited, duplicate };

struct progress_report {
  std::uint32_t seconds_watched = 0;
  double completion_percentage = 0;
  media_ms resume_ms = 0;
  bool mastered = false;
};

struct token_result {
  result_kind kind = result_kind::in_doubt;
  credit_status credit = credit_status::unspecified;  // of an accepted one; a 204 does not say
  std::string problem;  // its name, of letters, digits and '-'; empty if there is none
  std::optional<media_ms> credited_ms;  // from the beginning of the interval
  std::optional<progress_report> progress;
};

/// Why a response cannot come from a gateway.
enum class response_defect : std::uint8_t { none, not_understood, redirected, too_long };

struct heartbeat_response {
  std::vector<token_result> results;  // one for each token, in order
  std::optional<wall_ms> server_time_ms;
  bool pause = false;       // the shared pause begins, or grows
  bool one_by_one = false;  // what waits is sent one heartbeat at a time
  response_defect defect = response_defect::none;
};

struct sent_token {
  session_id session;
  std::uint32_t sequence = 0;
  bool session_key = false;  // signed by HS256
  wall_ms issued_at_ms;
};

/// Reads the response to a request with the tokens `sent` (docs/protocol.md, sections 3 and 4;
/// sdk/vectors/README.md has the rules that all SDKs share).
///
/// Each token gets a result, whatever the response is. A response that does not come from a
/// gateway leaves the heartbeats in doubt, and only a final problem rejects one. The status counts
/// more than the name of the problem. A problem with an unknown name is final if the token was sent
/// alone and the status says that the request is wrong. In a batch the status of one token is not
/// known: the token is `retry_alone`.
///
/// `minimal`: the request asked for a response without content. Without that, a 204 leaves the
/// heartbeats in doubt.
/// Changes `response.body` in place. Any thread.
heartbeat_response read_heartbeat_response(http_response& response,
                                           std::span<const sent_token> sent, bool minimal = false);

}  // namespace watchkeeper::sdk
