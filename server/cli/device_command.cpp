#include "server/cli/device_command.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <ostream>

#include "base/json_writer.hpp"
#include "crypto/device_signer.hpp"
#include "domain/limits.hpp"
#include "server/cli/cli.hpp"
#include "tools/fleet/key_file.hpp"

namespace watchkeeper::server {

namespace {

/// The device in the file. Nothing, and a message on `err`, if the file does not have exactly one.
std::optional<fleet::fleet_device> device_in(const std::string& path, std::ostream& err) {
  auto devices = fleet::load_keys(path);
  if (!devices) {
    err << devices.error() << '\n';
    return std::nullopt;
  }
  if (devices->size() != 1) {
    err << fmt::format("{} has {} devices; it must have exactly one\n", path, devices->size());
    return std::nullopt;
  }
  return std::move(devices->front());
}

template <class Id>
std::optional<Id> id_of(const std::string& text, std::string_view what, std::ostream& err) {
  auto id = Id::parse(text);
  if (!id)
    err << fmt::format("{} must be 1 to 64 characters of A-Z a-z 0-9 . _ ~ : @ -, not '{}'\n", what,
                       text);
  return id;
}

/// The body of PUT /v1/devices/{kid}.
std::string enrolment_of(const fleet::fleet_device& device) {
  std::string text;
  json_writer(text)
      .begin_object()
      .member("student", device.student.view())
      .key("jwk")
      .raw(crypto::public_jwk_json(device.key.public_key()))
      .end_object();
  return text;
}

}  // namespace

int run_device(const device_request& request, bool kid_only, std::ostream& out, std::ostream& err) {
  if (!std::filesystem::exists(request.key_file)) {
    if (request.student.empty()) {
      err << fmt::format("{} does not exist; to create it, add --student NAME\n", request.key_file);
      return exit_usage;
    }
    const auto student = id_of<student_id>(request.student, "student", err);
    if (!student) return exit_usage;
    std::vector<fleet::fleet_device> made;
    made.push_back({sdk::software_key::generate(), *student});
    if (const auto saved = fleet::save_keys(request.key_file, made); !saved) {
      err << saved.error() << '\n';
      return exit_problem;
    }
  }
  const auto device = device_in(request.key_file, err);
  if (!device) return exit_problem;
  if (!request.student.empty() && device->student.view() != request.student) {
    err << fmt::format("{} is the key of a device of {}, not of {}\n", request.key_file,
                       device->student.view(), request.student);
    return exit_problem;
  }
  if (kid_only)
    out << device->key.kid_text() << '\n';
  else
    out << enrolment_of(*device) << '\n';
  return exit_ok;
}

int run_sign(const sign_request& request, wall_ms now_ms, std::ostream& out, std::ostream& err) {
  const auto device = device_in(request.key_file, err);
  if (!device) return exit_problem;
  const auto module = id_of<module_id>(request.module, "module", err);
  const auto session = id_of<session_id>(request.session, "session", err);
  if (!module || !session) return exit_usage;
  const auto end_max = limits::media_duration_ms_max;
  if (request.sequence < 0 || request.sequence > limits::sequence_max || request.from_ms < 0 ||
      request.from_ms >= request.to_ms || request.to_ms > end_max) {
    err << fmt::format(
        "--sn must be 0 to {}; --from must be less than --to, and both 0 to {} milliseconds\n",
        limits::sequence_max, end_max);
    return exit_usage;
  }
  token_claims claims;
  claims.student = device->student;
  claims.module = *module;
  claims.session = *session;
  claims.sequence = static_cast<std::uint32_t>(request.sequence);
  claims.interval = {static_cast<media_ms>(request.from_ms), static_cast<media_ms>(request.to_ms)};
  claims.issued_at_ms = now_ms;
  out << device->key.sign_token(claims) << '\n';
  return exit_ok;
}

}  // namespace watchkeeper::server
