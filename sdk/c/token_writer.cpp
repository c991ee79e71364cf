#include "sdk/c/token_writer.hpp"

#include <array>
#include <charconv>
#include <cstdint>

#include "base/base64url.hpp"

namespace watchkeeper::sdk {
namespace {

std::string encode(std::string_view text) {
  return base64url::encode(
      std::span{reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

void put(std::string& out, std::int64_t number) {
  std::array<char, 24> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  out.append(digits.data(), end);
}

/// Thousandths as a JSON number, without a fraction where there is none.
void put_thousandths(std::string& out, std::int64_t value) {
  put(out, value / 1000);
  const auto rest = static_cast<int>(value % 1000);
  if (rest == 0) return;
  out += '.';
  for (const int digit : {rest / 100, rest / 10 % 10, rest % 10})
    out += static_cast<char>('0' + digit);
}

}  // namespace

std::string device_header(std::string_view kid) {
  std::string json = R"({"alg":"ES256","kid":")";
  json += kid;
  json += R"(","typ":"engagement+jwt"})";
  return encode(json);
}

std::string session_header(std::string_view kid, const session_id& session) {
  std::string json = R"({"alg":"HS256","kid":")";
  json += kid;
  json += '.';
  json += session.view();
  json += R"(","typ":"engagement+jwt"})";
  return encode(json);
}

std::string signing_input(std::string_view header, const token_claims& claims,
                          const key_offer* offer) {
  // The alphabet of the ids has no character that JSON would have to escape.
  std::string json;
  json.reserve(512);
  json += R"({"sub":")";
  json += claims.student.view();
  json += R"(","cid":")";
  json += claims.module.view();
  json += R"(","sid":")";
  json += claims.session.view();
  json += R"(","sn":)";
  put(json, claims.sequence);
  json += R"(,"from":)";
  put(json, claims.interval.from_ms);
  json += R"(,"to":)";
  put(json, claims.interval.to_ms);
  if (claims.playback_rate_permille != 1000) {
    json += R"(,"pr":)";
    put_thousandths(json, claims.playback_rate_permille);
  }
  json += R"(,"iat":)";
  put_thousandths(json, claims.issued_at_ms.value());
  if (claims.expires_at_ms) {
    json += R"(,"exp":)";
    put_thousandths(json, claims.expires_at_ms->value());
  }
  if (offer != nullptr) {
    const std::span point{offer->point};
    json += R"(,"epk":{"crv":"P-256","kty":"EC","x":")";
    json += base64url::encode(point.first(32));
    json += R"(","y":")";
    json += base64url::encode(point.last(32));
    json += R"("},"skid":")";
    json += offer->gateway_kid;
    json += '"';
  }
  json += '}';
  std::string input{header};
  input += '.';
  input += encode(json);
  return input;
}

std::string finish_token(std::string signing_input, std::span<const std::uint8_t> signature) {
  signing_input += '.';
  signing_input += base64url::encode(signature);
  return signing_input;
}

}  // namespace watchkeeper::sdk
