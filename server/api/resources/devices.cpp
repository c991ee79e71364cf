// /v1/devices: which key belongs to which student.
#include "base/base64url.hpp"
#include "net/shared/problem_response.hpp"
#include "server/api/api_problem.hpp"
#include "server/api/call.hpp"
#include "server/api/documents/json_body.hpp"
#include "server/api/documents/request_bodies.hpp"
#include "storage/limits.hpp"

namespace watchkeeper::server {
namespace {

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
  out["kid"] = device.kid.text();
  out["student"] = device.student.view();
  out["algorithm"] = name_of(device.key.algorithm);
  out["jwk"] = jwk_of(device.key);
  out["revoked"] = device.revoked;
  out["created_at"] = net::rfc3339(device.created_ms);
  return out;
}

net::http_response device_response(const device_record& device, int status) {
  return json_response(dump(document_of(device)), status);
}

std::optional<device_record> find_device(call& c, const thumbprint& kid) {
  auto found = need(c.store.ledger().get_devices({&kid, 1}));
  return found.empty() ? std::nullopt : found.front();
}

}  // namespace

net::http_response put_device(call& c) {
  auto device = read_device(c.request, c.kid_at(0), c.now_ms);
  const auto enrolled = find_device(c, device.kid);
  if (enrolled && enrolled->student == device.student) device.created_ms = enrolled->created_ms;
  if (!need(c.store.ledger().put_device(device)))
    throw api_problem(problem::conflict, "The device is enrolled for another student");
  // After the ledger has the device: from here on an erased student may earn again.
  need(c.gateway.readmit_student(device.student));
  c.gateway.forget_device(device.kid);
  return device_response(device, enrolled ? 200 : 201);
}

net::http_response get_device(call& c) {
  const auto device = find_device(c, c.kid_at(0));
  if (!device) throw api_problem(problem::not_found, "No device with this kid is enrolled");
  return device_response(*device, 200);
}

net::http_response list_student_devices(call& c) {
  const auto devices = need(c.store.ledger().devices_of(c.student_at(0)));
  nlohmann::ordered_json out;
  out["items"] = nlohmann::ordered_json::array();
  for (const auto& device : devices) out["items"].push_back(document_of(device));
  out["next"] = nullptr;  // one page has them all: storage_limits::list_items_max
  return json_response(dump(out));
}

net::http_response delete_device(call& c) {
  const auto kid = c.kid_at(0);
  // Unlike elsewhere, it is an error if there is nothing to delete: an unknown kid was probably
  // misspelt, and the device that the caller meant would go on earning.
  if (!need(c.store.ledger().revoke_device(kid)))
    throw api_problem(problem::not_found, "No device with this kid is enrolled");
  c.gateway.forget_device(kid);
  return no_content();
}

}  // namespace watchkeeper::server
