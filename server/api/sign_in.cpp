#include "server/api/sign_in.hpp"

#include <nlohmann/json.hpp>

#include "net/shared/problem_response.hpp"
#include "server/api/authorization.hpp"
#include "server/api/call.hpp"
#include "server/api/documents/json_body.hpp"
#include "server/api/documents/request_bodies.hpp"

namespace watchkeeper::server {
namespace {

using net::http_method;
using net::request_field;

bool is_write(http_method method) noexcept {
  return method != http_method::get && method != http_method::head &&
         method != http_method::options;
}

}  // namespace

net::http_response sign_in::answer(const net::http_request& request, unix_ms now_ms,
                                   const log_function& log) {
  if (request.method == http_method::post) return open(request, now_ms, log);
  if (const auto who = find(request, now_ms)) return document(*who);
  return refusal_response(problem::unauthorized, "Nobody is signed in", now_ms);
}

sign_in::verdict sign_in::identify(const net::http_request& request, unix_ms now_ms) {
  auto who = find(request, now_ms);
  if (!who) return not_signed_in{};
  if (is_write(request.method) && !may_write(request, who->session)) return csrf_missing{};
  return std::move(who->owner);
}

std::optional<sign_in::signed_in> sign_in::find(const net::http_request& request, unix_ms now_ms) {
  const auto cookie = session_cookie_of(request.field(request_field::cookie));
  if (cookie.empty()) return std::nullopt;
  const auto session = seal_.open(cookie, now_ms);
  if (!session || ends_.has(session->id)) return std::nullopt;
  auto owner = tokens_.holder_of(session->token);
  if (!owner) return std::nullopt;
  owner->expires_ms = session->expires_ms;
  owner->session = session->id;
  return signed_in{*session, *std::move(owner)};
}

bool sign_in::may_write(const net::http_request& request, const console_session& session) {
  const auto shown = request.field(request_field::csrf);
  const auto wanted = seal_.csrf_of(session);
  const auto bytes = [](std::string_view text) {
    return std::span(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
  };
  return crypto::constant_time_equal(bytes(shown), bytes(wanted));
}

net::http_response sign_in::open(const net::http_request& request, unix_ms now_ms,
                                 const log_function& log) {
  const auto token = read_sign_in(request);
  auto found = tokens_.identify_token(token, request.peer, now_ms);
  if (const auto* wait = std::get_if<authenticator::too_many>(&found))
    return too_many_wrong_tokens(wait->retry_after_ms, now_ms);
  if (!std::holds_alternative<authenticator::holder>(found)) {
    log(1, "api", "wrong token at sign-in from " + net::to_string(request.peer));
    return refusal_response(problem::unauthorized, "The token is not known", now_ms);
  }
  auto& held = std::get<authenticator::holder>(found);
  signed_in who;
  who.owner = std::move(held.owner);
  crypto::random_bytes(who.session.id);
  who.session.token = held.fingerprint;
  who.session.expires_ms = (now_ms + session_ms_) / 1000 * 1000;
  log(0, "api", who.owner.name + " signed in from " + net::to_string(request.peer));
  auto response = document(who);
  response.headers.emplace_back("set-cookie",
                                set_session_cookie(seal_.seal(who.session), session_ms_ / 1000));
  return response;
}

void sign_in::close(const net::http_request& request, unix_ms now_ms,
                    std::function<void(net::http_response&&)> respond) {
  const auto who = find(request, now_ms);
  if (who && !may_write(request, who->session)) return respond(csrf_refusal(now_ms));
  auto done = [respond = std::move(respond)] {
    auto response = no_content();
    response.headers.emplace_back("set-cookie", set_session_cookie({}, 0));
    respond(std::move(response));
  };
  if (who)
    ends_.end(who->session.id, who->session.expires_ms, std::move(done));
  else
    done();
}

net::http_response sign_in::document(const signed_in& who) const {
  nlohmann::ordered_json out;
  out["name"] = who.owner.name;
  out["role"] = name_of(who.owner.role);
  out["expires_at"] = net::rfc3339(who.session.expires_ms);
  out["csrf"] = seal_.csrf_of(who.session);
  auto response = json_response(dump(out));
  response.headers.emplace_back("cache-control", "no-store");
  return response;
}

}  // namespace watchkeeper::server
