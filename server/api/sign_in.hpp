#pragma once

#include <functional>
#include <optional>

#include "net/shared/http.hpp"
#include "server/identity/authenticator.hpp"
#include "server/identity/login_cookie.hpp"
#include "server/identity/login_revocations.hpp"

namespace watchkeeper::server {

/// Signing in to the console with a token, and staying so with a cookie: /v1/session. The cookie
/// says everything itself (docs/adr/0009-sealed-cookie.md), so nothing is kept of who is signed
/// in; only of who signed out (session_ends), so that a copy of the cookie is of no use. Thread:
/// any.
class sign_in {
 public:
  using log_function = std::function<void(int, const std::string&, const std::string&)>;

  /// Borrows the first two, which outlive it.
  sign_in(authenticator& tokens, session_ends& ends, const session_seal& seal,
          std::int64_t session_ms)
      : tokens_(tokens), ends_(ends), seal_(seal), session_ms_(session_ms) {}

  /// POST and GET of /v1/session. Throws refusal for a body that cannot be read.
  [[nodiscard]] net::http_response answer(const net::http_request& request, unix_ms now_ms,
                                          const log_function& log);
  /// DELETE of /v1/session: signs out. `respond` is called once, when the other gateways can know;
  /// on this thread or that of session_ends.
  void close(const net::http_request& request, unix_ms now_ms,
             std::function<void(net::http_response&&)> respond);

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
  [[nodiscard]] net::http_response document(const signed_in& who) const;

  authenticator& tokens_;
  session_ends& ends_;
  const session_seal seal_;
  const std::int64_t session_ms_;
};

}  // namespace watchkeeper::server
