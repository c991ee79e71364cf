// /v1/devices: which key belongs to which student.
#include <array>

#include "crypto/device_key.hpp"
#include "crypto/digest.hpp"
#include "domain/base64url.hpp"
#include "net/problem_response.hpp"
#include "server/api/call.hpp"
#include "server/api/json_body.hpp"
#include "server/api/refusal.hpp"

namespace watchkeeper::server {
namespace {

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
    throw refusal(problem::malformed_request, "jwk must be a JSON object, the public key");
  const object_reader members(jwk, "jwk.");
  for (const auto secret : {"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
    if (members.has(secret))
      throw refusal(problem::malformed_request,
                    "jwk holds a private key (member " + std::string(secret) +
                        "). It must never leave the device: make a new key pair and send the "
                        "public members only");
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
    throw refusal(problem::malformed_request,
                  "jwk is not a usable key: " + std::string(crypto::describe(checked.error())));
  return *checked;
}

nlohmann::ordered_json jwk_of(const device_public_key& key) {
  nlohmann::ordered_json out;
  const auto raw = key.raw();
  if (key.algorithm == signature_algorithm::es256) {
    out["crv"] = "P-256";
    out["kty"] = "EC";
    out["x"] = base64url::encode(raw.first(32));
    out["y"] = base64url::encode(raw.last(32));
  } else {
    out["crv"] = "Ed25519";
    out["kty"] = "OKP";
    out["x"] = base64url::encode(raw);
  }
  return out;
}

nlohmann::ordered_json document_of(const device_record& device) {
  nlohmann::ordered_json out;
  out["kid"] = base64url::encode(device.kid);
  out["student"] = device.student.view();
  out["algorithm"] = name_of(device.key.algorithm);
  out["jwk"] = jwk_of(device.key);
  out["revoked"] = device.revoked;
  out["created_at"] = net::rfc3339(device.created_ms);
  return out;
}

net::http_response answer_with(const device_record& device, int status) {
  return json_response(dump(document_of(device)), status);
}

std::optional<device_record> find_device(call& c, const thumbprint& kid) {
  auto found = need(c.store.book().get_devices({&kid, 1}));
  return found.empty() ? std::nullopt : std::move(found.front());
}

device_record read_device(const call& c) {
  const auto body = parse_object(c.request);
  const object_reader members(body, "");
  members.only({"student", "jwk"});
  device_record device;
  device.kid = c.kid_at(0);
  constexpr auto student_right = "an id: 1 to 64 characters of A-Z a-z 0-9 . _ ~ : @ -";
  const auto student = student_id::parse(members.text("student", student_right));
  if (!student) members.fail("student", student_right);
  device.student = *student;
  const auto& jwk = members.need("jwk", "the device's public key as a JWK");
  device.key = read_key(jwk);
  const auto kid = crypto::thumbprint_of(device.key);
  if (kid != device.kid)
    throw refusal(
        problem::malformed_request,
        "The kid in the path is not the thumbprint (RFC 7638, SHA-256) of jwk, which is " +
            base64url::encode(kid));
  const object_reader key_members(jwk, "jwk.");
  if (key_members.has("kid") && key_members.text("kid", "the thumbprint") != base64url::encode(kid))
    key_members.fail("kid", "the key's thumbprint, as in the path, or left out");
  device.created_ms = c.now_ms;
  return device;
}

}  // namespace

net::http_response put_device(call& c) {
  auto device = read_device(c);
  const auto held = find_device(c, device.kid);
  if (held && held->student == device.student) device.created_ms = held->created_ms;
  if (!need(c.store.book().put_device(device)))
    throw refusal(problem::conflict, "The device is enrolled for another student");
  // Only once the ledger knows it: a student who was erased may earn again from here on.
  need(c.gateway.readmit_student(device.student));
  c.gateway.forget_device(device.kid);
  return answer_with(device, held ? 200 : 201);
}

net::http_response get_device(call& c) {
  const auto device = find_device(c, c.kid_at(0));
  if (!device) throw refusal(problem::not_found, "No device is enrolled under this kid");
  return answer_with(*device, 200);
}

net::http_response list_student_devices(call& c) {
  const auto devices = need(c.store.book().devices_of(c.student_at(0)));
  nlohmann::ordered_json out;
  out["items"] = nlohmann::ordered_json::array();
  for (const auto& device : devices) out["items"].push_back(document_of(device));
  out["next"] = nullptr;  // one page holds them all: limits::list_items_max
  return json_response(dump(out));
}

net::http_response delete_device(call& c) {
  const auto kid = c.kid_at(0);
  // Unlike elsewhere, nothing to delete is an error: a kid that is not known was probably mistyped,
  // and the device that was meant would go on earning.
  if (!need(c.store.book().revoke_device(kid)))
    throw refusal(problem::not_found, "No device is enrolled under this kid");
  c.gateway.forget_device(kid);
  return no_content();
}

}  // namespace watchkeeper::server
