#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/units.hpp"
#include "server/config/configuration.hpp"
#include "server/identity/login_cookie.hpp"

namespace watchkeeper::server {

/// What a call needs (docs/protocol.md, section 7). `viewer` calls are open to viewers and admins,
/// `admin` calls to admins. `operator_role` calls are open to operators only: whoever looks after
/// the machines sees nothing of students, and the other way round.
enum class access : std::uint8_t { anyone, viewer, admin, operator_role };
bool allows(access needs, token_role role) noexcept;

/// Who makes a request, once it has passed the authorization.
struct identity {
  std::string name;  // for the log and the audit trail
  token_role role = token_role::viewer;
  wall_ms expires_ms;                        // of a login; 0: a token, which does not expire
  std::optional<login::id_type> login_id{};  // of a request with the console's cookie
};

}  // namespace watchkeeper::server
