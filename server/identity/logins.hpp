#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/clock.hpp"
#include "net/shared/http.hpp"
#include "server/identity/authenticator.hpp"
#include "server/identity/caller.hpp"
#include "server/identity/login_cookie.hpp"
#include "server/identity/login_revocations.hpp"

namespace watchkeeper::server {

/// The logins to the console: somebody logs in with a token and gets a cookie. The cookie holds all
/// of the login (docs/adr/0009-sealed-cookie.md), so the gateway remembers only the logins that
/// were ended early (login_revocations). Thread: any.
class logins {
 public:
  /// Borrows the first two and the clocks, which outlive it. `login_ms`: how long a login lasts.
  logins(authenticator& tokens, login_revocations& revocations, const cookie_sealer& sealer,
         std::int64_t login_ms, const time_source& time)
      : tokens_(tokens),
        revocations_(revocations),
        sealer_(sealer),
        login_ms_(login_ms),
        time_(time) {}

  /// A login and who has it.
  struct opened {
    login what;
    identity owner;
  };
  using open_result = std::variant<opened, authenticator::wrong, authenticator::too_many>;
  /// Begins a login for whoever has the token.
  [[nodiscard]] open_result open(std::string_view token, const net::peer_address& from);

  /// The login whose cookie a request carries; nothing where there is no cookie, or where it is not
  /// valid any more. Costs one HMAC.
  [[nodiscard]] std::optional<opened> find(const net::http_request& request);

  /// Whether a request with this login's cookie may change anything: its x-watchkeeper-csrf is the
  /// one of the login. Costs one HMAC.
  [[nodiscard]] bool may_write(const net::http_request& request, const login& what) const;

  /// Ends the login. `then` is called once, when the other gateways can know, on this thread or
  /// that of login_revocations.
  void close(const login& what, std::function<void()> then) {
    revocations_.revoke(what.id, what.expires_ms, std::move(then));
  }
  [[nodiscard]] bool is_revoked(const login::id_type& id) const { return revocations_.has(id); }

  [[nodiscard]] std::string csrf_of(const login& what) const { return sealer_.csrf_of(what); }
  /// The set-cookie field that sets the cookie of the login, and the one that removes it.
  [[nodiscard]] std::string cookie_of(const login& what) const {
    return set_login_cookie(sealer_.seal(what), login_ms_ / 1000);
  }
  [[nodiscard]] static std::string no_cookie() { return set_login_cookie({}, 0); }

 private:
  authenticator& tokens_;
  login_revocations& revocations_;
  const cookie_sealer sealer_;
  const std::int64_t login_ms_;
  const time_source& time_;
};

}  // namespace watchkeeper::server
