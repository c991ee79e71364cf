#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>

#include "base/units.hpp"

/// The commands for manual tests: `device` and `sign`. Internal to server/cli.
namespace watchkeeper::server {

struct device_request {
  std::string
      key_file;  // of tools/fleet/key_file.hpp, with one device; created if it does not exist
  std::string student;  // needed to create the file
};

struct sign_request {
  std::string key_file;
  std::string module = "intro";
  std::string session = "by-hand";
  std::int64_t sequence = 0;
  std::int64_t from_ms = 0;
  std::int64_t to_ms = 10'000;
};

/// Prints `{"student":…,"jwk":…}`, the body of PUT /v1/devices/{kid}; the kid goes to `err`, unless
/// `kid_only`: then it alone goes to `out`.
int run_device(const device_request& request, bool kid_only, std::ostream& out, std::ostream& err);
/// Prints one engagement token of the device.
int run_sign(const sign_request& request, wall_ms now_ms, std::ostream& out, std::ostream& err);

}  // namespace watchkeeper::server
