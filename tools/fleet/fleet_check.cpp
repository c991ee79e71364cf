#include "tools/fleet/fleet_check.hpp"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "tools/fleet/limits.hpp"

namespace watchkeeper::fleet {
namespace {

/// False for NaN as well.
bool within(double value, double low, double high) {
  return value >= low && value <= high;
}

// Each gives a sentence on the first option that is wrong; empty: none is.

std::string check_size(const fleet_options& o) {
  if (o.devices < 1 || o.devices > fleet_limits::devices_max)
    return fmt::format("the number of devices must be 1 to {}", fleet_limits::devices_max);
  if (o.connections > fleet_limits::connections_max)
    return fmt::format("the number of connections must be at most {}",
                       fleet_limits::connections_max);
  if (o.connections > o.devices)
    return "there cannot be more connections than devices: a connection carries the heartbeats of "
           "at least one";
  if (o.sessions_per_device < 1 || o.sessions_per_device > fleet_limits::sessions_per_device_max)
    return fmt::format("sessions per device must be 1 to {}",
                       fleet_limits::sessions_per_device_max);
  return {};
}

std::string check_media(const fleet_options& o) {
  if (o.modules.empty()) return "at least one module must be named";
  if (!within(o.module_duration_s, 1, limits::media_duration_ms_max / 1e3))
    return "the modules' duration must be 1 s to 86,400 s";
  if (!within(o.playback_rate, 0.25, 4)) return "the playback rate must be 0.25 to 4";
  if (!within(o.interval_s, 0.01, 3600)) return "the interval must be 0.01 s to 3,600 s";
  if (o.interval_s * o.playback_rate * 1000 < 1)
    return "a heartbeat must cover at least one millisecond of media: take a longer interval";
  if (!within(o.start_s, 0, limits::media_duration_ms_max / 1e3))
    return "the start must be 0 s to 86,400 s";
  if (!within(o.skip_share, 0, 1)) return "the share of cheating devices must be 0 to 1";
  return {};
}

std::string check_times(const fleet_options& o) {
  if (!within(o.duration_s, 0.001, 1e7)) return "the duration must be more than 0 s";
  if (!within(o.request_timeout_s, 0.001, 3600)) return "the request timeout must be more than 0 s";
  if (!within(o.connect_timeout_s, 0.001, 3600)) return "the connect timeout must be more than 0 s";
  if (!within(o.drain_s, 0, 3600)) return "the drain time must be 0 s to 3,600 s";
  return {};
}

std::string check_mode(const fleet_options& o) {
  if (int{o.burst} + int{o.presign} + int{!o.uri_file.empty()} > 1)
    return "burst, presign and a URI file exclude each other: choose one";
  if (o.burst && o.burst_rounds < 1) return "there must be at least one burst round";
  if (o.batch < 1 || o.batch > limits::tokens_per_request_max)
    return fmt::format("a request holds 1 to {} tokens", limits::tokens_per_request_max);
  if (o.window < 1 || o.window > 128) return "requests in flight on a connection must be 1 to 128";
  if (!o.presign && o.uri_file.empty()) return {};
  if (o.heartbeats_per_device < 1) return "there must be at least one heartbeat a device";
  if (std::uint64_t{o.heartbeats_per_device} * o.devices > fleet_limits::presigned_tokens_max)
    return fmt::format(
        "at most {} tokens may be signed beforehand: take fewer devices or fewer heartbeats of "
        "each",
        fleet_limits::presigned_tokens_max);
  return {};
}

std::string check_access(const fleet_options& o) {
  if (o.admin_token.empty() && o.keys_file.empty())
    return "the devices cannot be enrolled without a token of the role admin; give one, or a key "
           "file of devices that are enrolled";
  for (const char c : o.admin_token)
    if (c < 0x21 || c > 0x7e) return "the admin token has a character that no token has";
  return {};
}

}  // namespace

std::string check_options(const fleet_options& options) {
  for (const auto check : {check_size, check_media, check_times, check_mode, check_access})
    if (auto problem = check(options); !problem.empty()) return problem;
  return {};
}

std::size_t connections_of(const fleet_options& options) {
  return options.connections != 0 ? options.connections
                                  : std::min<std::size_t>(options.devices, 10'000);
}

std::string allow_descriptors(std::size_t connections) {
  const rlim_t needed = connections + 64;  // standard streams, files, epoll, libraries
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= needed) return {};
  if (limit.rlim_max != RLIM_INFINITY && limit.rlim_max < needed)
    return fmt::format(
        "{} connections need {} open files, and only {} are allowed; take fewer "
        "connections or raise the limit (ulimit -Hn)",
        connections, needed, limit.rlim_max);
  limit.rlim_cur = needed;
  return setrlimit(RLIMIT_NOFILE, &limit) == 0
             ? std::string{}
             : fmt::format("the limit of open files cannot be raised to {}", needed);
}

}  // namespace watchkeeper::fleet
