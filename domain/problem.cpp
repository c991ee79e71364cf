#include "domain/problem.hpp"

#include <array>

namespace watchkeeper {
namespace {

// Indexed by the value of `problem`; statuses of docs/protocol.md, section 4.
constexpr std::array<problem_info, problem_count> problems{{
    {"none", "Nothing is wrong.", 200},
    {"malformed-token", "The engagement token is not well-formed.", 400},
    {"token-too-large", "The engagement token is larger than 1,023 bytes.", 413},
    {"too-many-tokens", "The request holds more than 16 tokens.", 413},
    {"unknown-device", "No device with this key is enrolled.", 401},
    {"bad-signature", "The signature is not that of the device's key.", 401},
    {"stale-token", "The token is too old; set the clock by server_time.", 401},
    {"future-token", "The token is from the future; set the clock by server_time.", 401},
    {"session-key-unknown", "Sign this heartbeat with the device key.", 401},
    {"revoked-device", "The device has been revoked.", 403},
    {"subject-mismatch", "The device is enrolled for another student.", 403},
    {"session-mismatch", "The session is bound to another module.", 403},
    {"not-assigned", "The module is not assigned to the student.", 403},
    {"unknown-module", "The catalogue has no such module.", 404},
    {"implausible-interval", "The interval cannot have been played.", 422},
    {"rate-limited", "Too many tokens in too short a time.", 429},
    {"overloaded", "The gateway has more to do than it can.", 503},
    {"storage-unavailable", "Progress cannot be stored at the moment.", 503},
    {"draining", "The gateway is about to stop.", 503},
    {"malformed-request", "The request is not well-formed.", 400},
    {"unauthorized", "A valid bearer token is needed.", 401},
    {"forbidden", "The role of the bearer token does not suffice.", 403},
    {"not-found", "There is nothing here.", 404},
    {"method-not-allowed", "The method is not allowed here.", 405},
    {"unsupported-media-type", "The content type is not one of those accepted here.", 415},
    {"payload-too-large", "The request body is too large.", 413},
    {"conflict", "The request contradicts what is stored.", 409},
    {"request-timeout", "The request did not arrive in time.", 408},
    {"misdirected-request", "This server does not answer for that authority.", 421},
    {"sequence-reused", "The session used this number for another interval.", 409},
    {"cursor-from-the-future", "The cursor is past the end of the outbox.", 409},
}};
static_assert(static_cast<std::size_t>(problem::cursor_from_the_future) + 1 == problem_count);
static_assert(!problems.back().name.empty());

}  // namespace

const problem_info& describe(problem p) noexcept {
  const auto index = static_cast<std::size_t>(p);
  return problems[index < problem_count ? index : 0];
}

std::optional<problem> problem_from_name(std::string_view name) noexcept {
  for (std::size_t i = 0; i < problem_count; ++i)
    if (problems[i].name == name) return static_cast<problem>(i);
  return std::nullopt;
}

}  // namespace watchkeeper
