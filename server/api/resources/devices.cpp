// /v1/devices: which key belongs to which student.
#include "base/base64url.hpp"
#include "base/calendar.hpp"
#include "base/json_writer.hpp"
#include "server/api/api_problem.hpp"
#include "server/api/call.hpp"
#include "server/api/documents/request_bodies.hpp"
#include "storage/limits.hpp"
#include "storage/lost_enrolment.hpp"

namespace watchkeeper::server {
namespace {

void write_jwk(json_writer& out, const device_public_key& key) {
  const auto raw = key.raw();
  const bool is_p256 = key.algorithm == signature_algorithm::es256;
  out.begin_object()
      .member("crv", is_p256 ? "P-256" : "Ed25519")
      .member("kty", is_p256 ? "EC" : "OKP");
  out.member("x", base64url::encode(is_p256 ? raw.first(32) : raw));
  if (is_p256) out.member("y", base64url::encode(raw.last(32)));
  out.end_object();
}

void write_device(json_writer& out, const device_record& device) {
  out.begin_object()
      .member("kid", device.kid.text())
      .member("student", device.student.view())
      .member("algorithm", name_of(device.key.algorithm));
  write_jwk(out.key("jwk"), device.key);
  out.member("revoked", device.revoked)
      .member("created_at", rfc3339(device.created_ms))
      .end_object();
}

net::http_response device_response(const device_record& device, int status) {
  std::string body;
  json_writer out(body);
  write_device(out, device);
  return json_response(std::move(body), status);
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
  auto& hot = c.store.hot();
  const auto& student = device.student;
  const bool is_known = need(c.store.ledger().life_of(student)).epoch > 0;
  // The hot store knows of an erasure that a ledger which has come back older does not. Without it,
  // the clock and the ledger's own numbers have to do.
  const auto known =
      is_known ? hot.find_student(student, c.now_ms)
               : storage::living_epoch(hot, student, c.gateway.erased_below(student), c.now_ms);
  const storage::enrolment at{.now_ms = c.now_ms,
                              .in_hot_store = known ? *known : storage::hot_student{}};
  const auto life = need(c.store.ledger().put_device(device, at));
  if (!life) throw api_problem(problem::conflict, "The device is enrolled for another student");
  // A call that is repeated finds both enrolled, though the one before may have failed here.
  if (at.in_hot_store.is_living && (!is_known || enrolled) && life->epoch == at.in_hot_store.epoch)
    need(storage::mark_pairs_dirty(hot, student));
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
  std::string body;
  json_writer out(body);
  out.begin_object().key("items").begin_array();
  for (const auto& device : devices) write_device(out, device);
  // One page has them all: storage_limits::list_items_max.
  out.end_array().key("next").null().end_object();
  return json_response(std::move(body));
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
