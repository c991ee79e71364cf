#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <map>
#include <mutex>
#include <optional>

#include "net/http.hpp"
#include "server/api/authenticator.hpp"
#include "server/console/session_cookie.hpp"

namespace watchkeeper::server {

/// Signing in to the console with a token, and staying so with a cookie: /v1/session. The cookie
/// says everything itself (docs/adr/0009-sealed-cookie.md), so nothing is kept of who is signed
/// in; only of who signed out, so that a copy of the cookie is of no use. Thread: any.
class sign_in {
 public:
  using log_function = std::function<void(int, const std::string&, const std::string&)>;

  /// Borrows the authenticator, which outlives it.
  sign_in(authenticator& tokens, const session_seal& seal, std::int64_t session_ms)
      : tokens_(tokens), seal_(seal), session_ms_(session_ms) {}

  /// POST, GET and DELETE of /v1/session. Throws refusal for a body that cannot be read.
  [[nodiscard]] net::http_response answer(const net::http_request& request, unix_ms now_ms,
                                          const log_function& log);

  struct not_signed_in {};  // no cookie, or one that is good no more
  struct csrf_missing {};   // a write without the right x-watchkeeper-csrf
  using verdict = std::variant<identity, not_signed_in, csrf_missing>;
  /// Whose cookie a request carries. Costs two HMACs.
  [[nodiscard]] verdict identify(const net::http_request& request, unix_ms now_ms);

 private:
  struct signed_in {
    console_session session;
    identity owner;
  };
  [[nodiscard]] std::optional<signed_in> find(const net::http_request& request, unix_ms now_ms);
  [[nodiscard]] bool may_write(const net::http_request& request, const console_session& session);
  [[nodiscard]] net::http_response open(const net::http_request& request, unix_ms now_ms,
                                        const log_function& log);
  [[nodiscard]] net::http_response close(const net::http_request& request, unix_ms now_ms);
  [[nodiscard]] net::http_response document(const signed_in& who) const;
  void note_signed_out(const console_session& session, unix_ms now_ms);

  using session_number = std::array<std::uint8_t, console_session::id_bytes>;
  authenticator& tokens_;
  const session_seal seal_;
  const std::int64_t session_ms_;
  std::mutex mutex_;
  std::map<session_number, unix_ms> signed_out_;  // until when to remember; guarded by mutex_
};

}  // namespace watchkeeper::server
