#include <poll.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <functional>
#include <utility>

#include "server/cli/fleet_commands.hpp"
#include "tools/fleet/limits.hpp"

namespace watchkeeper::server {
namespace {

using fleet::fleet_options;
namespace bounds = fleet::fleet_limits;

constexpr const char* fleet_examples = R"(
Examples:
  watchkeeper fleet --ca var/tls-certificate.pem --admin-token wk_admin_… --devices 1000
  watchkeeper fleet --insecure --burst --burst-rounds 20 --devices 10000 --connections 100
  watchkeeper fleet --uri-file uris.txt --devices 5000 && h2load -i uris.txt -n 5000 …

Exit codes: 0 every heartbeat was credited, 1 some were rejected or lost, 2 wrong usage or gateway not reachable.)";

/// Prints `warm` on standard error at its first call. True once a line, or the end, has come on
/// standard input.
std::function<bool()> waits_for_standard_input() {
  return [said = false]() mutable {
    if (!std::exchange(said, true)) std::fputs("warm\n", stderr);
    pollfd input{STDIN_FILENO, POLLIN, 0};
    if (::poll(&input, 1, 0) <= 0) return false;
    char some[64];
    return ::read(STDIN_FILENO, some, sizeof some) >= 0;
  };
}

const CLI::Range at_least_one_second(1.0, 86'400.0);

void add_gateway(CLI::App& app, fleet_options& o) {
  constexpr const char* group = "Gateway";
  app.add_option("--url", o.url, "https://host:port, or http://host:port for cleartext HTTP/2")
      ->capture_default_str()
      ->type_name("URL")
      ->group(group);
  auto* authority = app.add_option("--ca", o.ca_file, "PEM file of the certificate to trust")
                        ->type_name("FILE")
                        ->group(group);
  app.add_flag("--insecure", o.insecure, "Accept any certificate")
      ->excludes(authority)
      ->group(group);
  app.add_flag("--tls-resume", o.tls_resume, "Resume TLS instead of making full handshakes")
      ->group(group);
  app.add_option("--admin-token", o.admin_token,
                 "Bearer token with the role admin, to enrol devices and create modules")
      ->envname("WATCHKEEPER_ADMIN_TOKEN")
      ->type_name("SECRET")
      ->group(group);
}

void add_players(CLI::App& app, fleet_options& o) {
  constexpr const char* group = "Players";
  app.add_option("--devices", o.devices, "Simulated devices, each with a student of its own")
      ->capture_default_str()
      ->check(CLI::Range(std::size_t{1}, bounds::devices_max))
      ->type_name("N")
      ->group(group);
  app.add_option("--connections", o.connections,
                 "Connections that the devices share; 0: one for each device, at most 10000")
      ->capture_default_str()
      ->check(CLI::Range(std::size_t{0}, bounds::connections_max))
      ->type_name("N")
      ->group(group);
  app.add_option("--module", o.modules, "Module to play; may be repeated")
      ->capture_default_str()
      ->type_name("ID")
      ->group(group);
  app.add_flag_callback(
         "--no-create-modules", [&o] { o.create_modules = false; },
         "Use existing modules instead of creating them first")
      ->group(group);
  app.add_option("--module-duration", o.module_duration_s,
                 "Length of a module, in seconds of media")
      ->capture_default_str()
      ->check(at_least_one_second)
      ->type_name("SECONDS")
      ->group(group);
  app.add_option("--student-prefix", o.student_prefix,
                 "Students are named <prefix><number>; by default the prefix is new in each run")
      ->type_name("TEXT")
      ->group(group);
  app.add_option("--sessions-per-device", o.sessions_per_device, "Concurrent playbacks of a device")
      ->capture_default_str()
      ->check(CLI::Range(1U, static_cast<unsigned>(bounds::sessions_per_device_max)))
      ->type_name("N")
      ->group(group);
  app.add_option("--start", o.start_s,
                 "Position at which every playback starts, in seconds of media")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 86'400.0))
      ->type_name("SECONDS")
      ->group(group);
  app.add_option("--skip-share", o.skip_share,
                 "Share of the devices, 0 to 1, that cheat by seeking")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 1.0))
      ->type_name("SHARE")
      ->group(group);
  app.add_option("--keys-file", o.keys_file,
                 "File of the devices' private keys; it is written if it does not exist")
      ->type_name("FILE")
      ->group(group);
}

void add_pace(CLI::App& app, fleet_options& o) {
  constexpr const char* group = "Sending";
  app.add_option("--interval", o.interval_s, "Seconds between two heartbeats of a playback")
      ->capture_default_str()
      ->check(CLI::Range(0.001, 86'400.0))
      ->type_name("SECONDS")
      ->group(group);
  app.add_option("--playback-rate", o.playback_rate, "Playback rate, 0.25 to 4")
      ->capture_default_str()
      ->check(CLI::Range(0.25, 4.0))
      ->type_name("RATE")
      ->group(group);
  app.add_option("--duration", o.duration_s, "Seconds to play")
      ->capture_default_str()
      ->check(CLI::Range(0.001, 1e9))
      ->type_name("SECONDS")
      ->group(group);
  auto* burst = app.add_flag("--burst", o.burst, "All devices send one heartbeat at the same time")
                    ->group(group);
  app.add_option("--burst-rounds", o.burst_rounds, "Number of bursts")
      ->capture_default_str()
      ->check(CLI::Range(1U, 1'000'000U))
      ->needs(burst)
      ->type_name("N")
      ->group(group);
  auto* presign = app.add_flag("--presign", o.presign,
                               "Sign all heartbeats first, then send as fast as responses come")
                      ->excludes(burst)
                      ->group(group);
  app.add_flag_callback(
         "--warm-up", [&o] { o.warm = waits_for_standard_input(); },
         "With --presign: send the first heartbeat of each device uncounted, print `warm`, and "
         "send the others after a line on standard input")
      ->needs(presign)
      ->group(group);
  app.add_option("--heartbeats-per-device", o.heartbeats_per_device,
                 "With --presign or --uri-file: heartbeats of each device; more than 6 exceed the "
                 "budget of a student")
      ->capture_default_str()
      ->check(CLI::Range(1U, 1'000'000U))
      ->type_name("N")
      ->group(group);
}

void add_requests(CLI::App& app, fleet_options& o) {
  constexpr const char* group = "Requests";
  app.add_option("--window", o.window, "Requests in flight on a connection")
      ->capture_default_str()
      ->check(CLI::Range(1U, 128U))
      ->type_name("N")
      ->group(group);
  app.add_option("--batch", o.batch, "Tokens in a request")
      ->capture_default_str()
      ->check(CLI::Range(1U, static_cast<unsigned>(limits::tokens_per_request_max)))
      ->type_name("N")
      ->group(group);
  app.add_flag("--session-keys", o.session_keys,
               "Authenticate heartbeats with session keys, agreed on with the first one")
      ->group(group);
  app.add_flag("--minimal", o.minimal, "Request 204 instead of results (prefer: return=minimal)")
      ->group(group);
  app.add_option("--request-timeout", o.request_timeout_s,
                 "Seconds after which a request counts as lost")
      ->capture_default_str()
      ->check(CLI::Range(0.001, 3600.0))
      ->type_name("SECONDS")
      ->group(group);
  app.add_option("--connect-timeout", o.connect_timeout_s,
                 "Seconds in which all connections must open")
      ->capture_default_str()
      ->check(CLI::Range(0.001, 3600.0))
      ->type_name("SECONDS")
      ->group(group);
  app.add_option("--drain", o.drain_s, "Seconds to wait for the last responses at the end")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 3600.0))
      ->type_name("SECONDS")
      ->group(group);
  app.add_option("--seed", o.seed, "Seed of the jitter and of the choice of cheaters")
      ->capture_default_str()
      ->type_name("N")
      ->group(group);
}

void add_output(CLI::App& app, fleet_options& o) {
  constexpr const char* group = "Output";
  app.add_option("--ack-log", o.ack_log,
                 "File to which a JSON line is appended for each heartbeat sent and each result")
      ->type_name("FILE")
      ->group(group);
  app.add_option("--uri-file", o.uri_file, "Send nothing; write request paths for h2load -i")
      ->excludes("--burst")
      ->excludes("--presign")
      ->type_name("FILE")
      ->group(group);
  app.add_flag("--json", o.json, "Print the summary as one JSON object")->group(group);
  app.add_flag("--quiet", o.quiet, "Print no progress on standard error")->group(group);
}

}  // namespace

CLI::App* add_fleet_command(CLI::App& app, fleet_options& options) {
  auto* fleet = app.add_subcommand("fleet", "Simulate players, for a demonstration or a load test");
  fleet->fallthrough(false);
  fleet->footer(fleet_examples);
  add_gateway(*fleet, options);
  add_players(*fleet, options);
  add_pace(*fleet, options);
  add_requests(*fleet, options);
  add_output(*fleet, options);
  return fleet;
}

}  // namespace watchkeeper::server
