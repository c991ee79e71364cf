#include "server/identity/logins.hpp"

namespace watchkeeper::server {

using net::request_field;

logins::open_result logins::open(std::string_view token, const net::peer_address& from) {
  auto found = tokens_.identify_token(token, from, time_.monotonic_now());
  if (const auto* wait = std::get_if<authenticator::too_many>(&found)) return *wait;
  auto* holder = std::get_if<authenticator::holder>(&found);
  if (holder == nullptr) return authenticator::wrong{};
  opened made;
  made.owner = std::move(holder->owner);
  crypto::random_bytes(made.what.id);
  made.what.token = holder->fingerprint;
  made.what.expires_ms = from_unix_s(to_unix_s(time_.wall_now() + login_ms_));
  return made;
}

std::optional<logins::opened> logins::find(const net::http_request& request) {
  const auto cookie = login_cookie_of(request.field(request_field::cookie));
  if (cookie.empty()) return std::nullopt;
  const auto what = sealer_.open(cookie, time_.wall_now());
  if (!what || revocations_.has(what->id)) return std::nullopt;
  auto owner = tokens_.holder_of(what->token);
  if (!owner) return std::nullopt;
  owner->expires_ms = what->expires_ms;
  owner->login_id = what->id;
  return opened{*what, *std::move(owner)};
}

bool logins::may_write(const net::http_request& request, const login& what) const {
  return sealer_.is_csrf_of(what, request.field(request_field::csrf));
}

}  // namespace watchkeeper::server
