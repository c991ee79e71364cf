#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sdk/c/claim.hpp"

namespace watchkeeper::sdk {

/// What a transport brings back.
struct http_answer {
  int status = 0;
  std::optional<std::int64_t> retry_after_ms;
  std::string body;  // of one that was too long, nothing
  bool too_long = false;
};

enum class verdict : std::uint8_t {
  accepted,        // credited, limited or a duplicate: it is durable
  keep,            // not credited; to be sent again later
  keep_in_doubt,   // nothing is known: the very same heartbeat is to be sent again later
  set_clock,       // to be signed again at once, with the gateway's time
  enrol,           // not credited; to be sent again once the device is enrolled
  sign_by_device,  // the gateway lost the session's key: at once, by the device key
  refused,         // for good
};

struct progress_report {
  std::uint32_t seconds_watched = 0;
  double completion_percentage = 0;
  media_ms resume_ms = 0;
  bool mastered = false;
};

struct token_outcome {
  verdict what = verdict::keep_in_doubt;
  std::string problem;  // its name; empty where there is none
  bool limited = false;
  std::optional<media_ms> credited_ms;  // of the interval, from its beginning
  std::optional<progress_report> progress;
};

/// Why an answer is none that a gateway gives.
enum class oddity : std::uint8_t { none, not_understood, redirected, too_long };

struct answer_reading {
  std::vector<token_outcome> outcomes;  // one a token, in order
  std::optional<unix_ms> server_time_ms;
  bool pause = false;       // the shared cooldown begins, or grows
  bool one_by_one = false;  // the batch as a whole was refused: which token it was is not known
  oddity odd = oddity::none;
};

struct sent_token {
  session_id session;
  std::uint32_t sequence = 0;
  bool session_key = false;  // signed by HS256
};

/// Reads the answer to a request with these tokens (docs/protocol.md, sections 3 and 4). Whatever
/// the answer is, each token has an outcome: what is no answer of a gateway keeps the heartbeat,
/// and only a problem that is for good lets go of it. One of a name that is not known is for good
/// when the token was sent alone and the status says that the request is at fault (4xx but 408, 425
/// and 429); in a batch the status is not known, and it is sent alone (`one_by_one`). `minimal`: an
/// answer without content was asked for; else a 204 says nothing. Changes `answer.body` in place.
answer_reading read_heartbeat_answer(http_answer& answer, std::span<const sent_token> sent,
                                     bool minimal = false);

}  // namespace watchkeeper::sdk
