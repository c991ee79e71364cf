#include "server/api/documents/request_bodies.hpp"

#include <array>

#include "base/base64url.hpp"
#include "crypto/device_key.hpp"
#include "domain/given_id.hpp"
#include "server/api/api_limits.hpp"
#include "server/api/api_problem.hpp"
#include "server/api/documents/json_body.hpp"

namespace watchkeeper::server {
namespace {

bool is_one_line(const std::string& text, std::size_t bytes_max) {
  if (text.empty() || text.size() > bytes_max) return false;
  for (const char c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return false;
  return true;
}

/// What a page of the console may be made to play: never javascript: or another page's //host.
bool is_preview_url(std::string_view url) {
  if (url.size() > api_limits::preview_url_bytes_max) return false;
  for (const char c : url)
    if (c <= 0x20 || c > 0x7e || std::string_view("\"<>\\^`{|}").find(c) != std::string_view::npos)
      return false;
  constexpr std::string_view https = "https://";
  if (!url.starts_with(https)) return url.starts_with('/') && !url.starts_with("//");
  const auto rest = url.substr(https.size());
  const auto host = rest.substr(0, rest.find_first_of("/?#"));
  return !host.empty() && host.front() != ':' && host.find('@') == std::string_view::npos;
}

using coordinate = std::array<std::uint8_t, 32>;

coordinate read_coordinate(const object_reader& jwk, std::string_view name) {
  constexpr auto right = "43 characters of base64url without padding: 32 bytes";
  const auto& text = jwk.text(name, right);
  coordinate bytes{};
  if (text.size() != 43 || base64url::decode(text, bytes) != bytes.size()) jwk.fail(name, right);
  return bytes;
}

/// Members that do not make the key but must not contradict what it is used for.
void check_metadata(const nlohmann::json& jwk, const object_reader& members,
                    std::string_view algorithm) {
  if (members.has("use") && members.text("use", "\"sig\"") != "sig") members.fail("use", "\"sig\"");
  const auto right = "\"" + std::string(algorithm) + "\"";
  if (members.has("alg") && members.text("alg", right) != algorithm) members.fail("alg", right);
  if (members.has("key_ops")) {
    constexpr auto ops_right = "[\"verify\"]";
    if (jwk["key_ops"] != nlohmann::json::array({"verify"})) members.fail("key_ops", ops_right);
  }
}

device_public_key read_key(const nlohmann::json& jwk) {
  if (!jwk.is_object())
    throw api_problem(problem::malformed_request, "jwk must be a JSON object with the public key");
  const object_reader members(jwk, "jwk.");
  for (const auto secret : {"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
    if (members.has(secret))
      throw api_problem(problem::malformed_request,
                        "jwk has the private member " + std::string(secret) +
                            ". A private key must never leave the device: make a new key pair and "
                            "send only its public members");
  constexpr auto kty_right = "\"EC\" (with crv P-256) or \"OKP\" (with crv Ed25519)";
  const auto& kty = members.text("kty", kty_right);
  const auto checked = [&]() -> result<device_public_key, crypto::key_error> {
    if (kty == "EC") {
      members.only({"kty", "crv", "x", "y", "kid", "use", "alg", "key_ops", "ext"});
      if (members.text("crv", "\"P-256\"") != "P-256") members.fail("crv", "\"P-256\"");
      check_metadata(jwk, members, "ES256");
      return crypto::make_p256_key(read_coordinate(members, "x"), read_coordinate(members, "y"));
    }
    if (kty != "OKP") members.fail("kty", kty_right);
    members.only({"kty", "crv", "x", "kid", "use", "alg", "key_ops", "ext"});
    if (members.text("crv", "\"Ed25519\"") != "Ed25519") members.fail("crv", "\"Ed25519\"");
    check_metadata(jwk, members, "EdDSA");
    return crypto::make_ed25519_key(read_coordinate(members, "x"));
  }();
  if (!checked)
    throw api_problem(problem::malformed_request,
                      "jwk is not a usable key: " + std::string(crypto::describe(checked.error())));
  return *checked;
}

}  // namespace

namespace {

void only_members_of_module(const nlohmann::json& body) {
  object_reader(body, "").only(
      {"title", "duration_ms", "mastery_threshold", "max_rate", "preview_url"});
}

module_record module_from(const nlohmann::json& body, const module_id& id, wall_ms now_ms) {
  only_members_of_module(body);
  const object_reader members(body, "");
  module_record module;
  module.id = id;
  constexpr auto title_right = "a string of 1 to 512 bytes of UTF-8 without control characters";
  module.title = members.text("title", title_right);
  if (!is_one_line(module.title, api_limits::title_bytes_max)) members.fail("title", title_right);
  module.rules.duration_ms =
      static_cast<media_ms>(members.integer("duration_ms", 1, limits::media_duration_ms_max));
  if (members.has("mastery_threshold"))
    module.rules.mastery_centipercent = static_cast<std::int32_t>(
        members.scaled("mastery_threshold", 0.01, 100.0, 2,
                       "a number of percent from 0.01 to 100 with at most two decimals"));
  if (members.has("max_rate"))
    module.rules.max_rate_permille = static_cast<std::int32_t>(members.scaled(
        "max_rate", 0.25, 16.0, 3, "a number from 0.25 to 16 with at most three decimals"));
  if (members.has("preview_url")) {
    constexpr auto preview_right =
        "a URL that begins with https:// and a host, or a path that begins with one slash: at most "
        "2048 characters of a URI, others percent-encoded";
    module.preview_url = members.text("preview_url", preview_right);
    if (!is_preview_url(module.preview_url)) members.fail("preview_url", preview_right);
  }
  module.updated_ms = now_ms;
  return module;
}

/// The body that would put the module as it is.
nlohmann::json members_of(const module_record& module) {
  auto members = nlohmann::json::object({
      {"title", module.title},
      {"duration_ms", module.rules.duration_ms},
      {"mastery_threshold", module.rules.mastery_centipercent / 100.0},
      {"max_rate", module.rules.max_rate_permille / 1000.0},
  });
  if (!module.preview_url.empty()) members["preview_url"] = module.preview_url;
  return members;
}

}  // namespace

module_record read_module(const net::http_request& request, const module_id& id, wall_ms now_ms) {
  return module_from(parse_object(request), id, now_ms);
}

module_record patched_module(const module_record& before, const net::http_request& request,
                             wall_ms now_ms) {
  const auto patch = parse_merge_patch(request);
  only_members_of_module(patch);  // the merge drops those that are null
  auto members = members_of(before);
  members.merge_patch(patch);
  return module_from(members, before.id, now_ms);
}

device_record read_device(const net::http_request& request, const thumbprint& kid_of_path,
                          wall_ms now_ms) {
  const auto body = parse_object(request);
  const object_reader members(body, "");
  members.only({"student", "jwk"});
  device_record device;
  device.kid = kid_of_path;
  const auto student_right = std::string("an id: ") + given_id_form;
  const auto student = parse_given_id<student_id>(members.text("student", student_right));
  if (!student) members.fail("student", student_right);
  device.student = *student;
  const auto& jwk = members.need("jwk", "the device's public key as a JWK");
  device.key = read_key(jwk);
  const auto kid = crypto::thumbprint_of(device.key);
  if (kid != device.kid)
    throw api_problem(
        problem::malformed_request,
        "The kid in the path is not the thumbprint (RFC 7638, SHA-256) of jwk, which is " +
            kid.text());
  const object_reader key_members(jwk, "jwk.");
  if (key_members.has("kid") && key_members.text("kid", "the thumbprint") != kid.text())
    key_members.fail("kid", "the key's thumbprint, as in the path, or left out");
  device.created_ms = now_ms;
  return device;
}

std::string read_reset_reason(const net::http_request& request) {
  const auto body = parse_object(request);
  const object_reader members(body, "");
  members.only({"reason"});
  constexpr auto right = "a string of 1 to 512 bytes of UTF-8 without control characters";
  auto reason = members.text("reason", right);
  if (!is_one_line(reason, api_limits::reason_bytes_max)) members.fail("reason", right);
  return reason;
}

std::string read_login(const net::http_request& request) {
  // Asked for by name: a form of another site cannot send it (and sign somebody in as another).
  if (request.content_type.empty())
    throw api_problem(problem::unsupported_media_type, "content-type must be application/json");
  const auto body = parse_object(request);
  const object_reader members(body, "");
  members.only({"token"});
  return members.text("token", "the token as text");
}

}  // namespace watchkeeper::server
