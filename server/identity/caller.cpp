#include "server/identity/caller.hpp"

namespace watchkeeper::server {

bool allows(access needs, token_role role) noexcept {
  switch (needs) {
    case access::anyone:
      return true;
    case access::viewer:
      return role == token_role::viewer || role == token_role::admin;
    case access::admin:
      return role == token_role::admin;
    case access::operator_role:
      return role == token_role::operator_;
  }
  return false;
}

}  // namespace watchkeeper::server
