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

Exit codes: 0 every heartbeat was accepted, 1 some were refused or lost, 2 used wrongly or not reachable.)";

/// Says `warm` on standard error when it is asked first; true once a line, or its end, has come on
/// standard input.
std::function<bool()> asks_standard_input() {
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
  constexpr const char* group = "The gateway";
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
  app.add_flag("--tls-resume", o.tls_resume, "Resume TLS sessions instead of full handshakes")
      ->group(group);
  app.add_option("--admin-token", o.admin_token, "Token that may enrol devices and make modules")
      ->envname("WATCHKEEPER_ADMIN_TOKEN")
      ->type_name("SECRET")
      ->group(group);
}

void add_players(CLI::App& app, fleet_options& o) {
  constexpr const char* group = "Who plays what";
  app.add_option("--devices", o.devices, "Simulated devices, each with a student of its own")
      ->capture_default_str()
      ->check(CLI::Range(std::size_t{1}, bounds::devices_max))
      ->type_name("N")
      ->group(group);
  app.add_option("--connections", o.connections,
                 "Connections they share; 0: one a device, at most 10000")
      ->capture_default_str()
      ->check(CLI::Range(std::size_t{0}, bounds::connections_max))
      ->type_name("N")
      ->group(group);
  app.add_option("--module", o.modules, "Module to play; may be given several times")
      ->capture_default_str()
      ->type_name("ID")
      ->group(group);
  app.add_flag_callback(
         "--no-create-modules", [&o] { o.create_modules = false; },
         "Take the modules as they are instead of creating them first")
      ->group(group);
  app.add_option("--module-duration", o.module_duration_s, "Seconds of media of a module")
      ->capture_default_str()
      ->check(at_least_one_second)
      ->type_name("SECONDS")
      ->group(group);
  app.add_option("--student-prefix", o.student_prefix,
                 "Students are called <prefix><number>; default: of this run")
      ->type_name("TEXT")
      ->group(group);
  app.add_option("--sessions-per-device", o.sessions_per_device, "Playbacks at once on a device")
      ->capture_default_str()
      ->check(CLI::Range(1U, static_cast<unsigned>(bounds::sessions_per_device_max)))
      ->type_name("N")
      ->group(group);
  app.add_option("--start", o.start_s, "Seconds of media at which every playback starts")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 86'400.0))
      ->type_name("SECONDS")
      ->group(group);
  app.add_option("--skip-share", o.skip_share, "Share of the devices, 0 to 1, that seek to cheat")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 1.0))
      ->type_name("SHARE")
      ->group(group);
  app.add_option("--keys-file", o.keys_file,
                 "The devices' private keys: read if it is there, else written")
      ->type_name("FILE")
      ->group(group);
}

void add_pace(CLI::App& app, fleet_options& o) {
  constexpr const char* group = "How they send";
  app.add_option("--interval", o.interval_s, "Seconds between a device's heartbeats")
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
  auto* burst =
      app.add_flag("--burst", o.burst, "All devices send one heartbeat at once")->group(group);
  app.add_option("--burst-rounds", o.burst_rounds, "How many times they do")
      ->capture_default_str()
      ->check(CLI::Range(1U, 1'000'000U))
      ->needs(burst)
      ->type_name("N")
      ->group(group);
  auto* presign =
      app.add_flag("--presign", o.presign, "Sign first, then send as fast as answers come")
          ->excludes(burst)
          ->group(group);
  app.add_flag_callback(
         "--warm-up", [&o] { o.warm = asks_standard_input(); },
         "Of --presign: the first heartbeat of each device goes ahead and is not counted; says "
         "`warm`, and sends the others after a line on standard input")
      ->needs(presign)
      ->group(group);
  app.add_option("--heartbeats-per-device", o.heartbeats_per_device,
                 "Of --presign and --uri-file; more than 6 exceed what a student may earn at once")
      ->capture_default_str()
      ->check(CLI::Range(1U, 1'000'000U))
      ->type_name("N")
      ->group(group);
  app.add_option("--window", o.window, "Requests in flight on one connection")
      ->capture_default_str()
      ->check(CLI::Range(1U, 128U))
      ->type_name("N")
      ->group(group);
  app.add_option("--batch", o.batch, "Tokens a request")
      ->capture_default_str()
      ->check(CLI::Range(1U, static_cast<unsigned>(limits::tokens_per_request_max)))
      ->type_name("N")
      ->group(group);
  app.add_flag("--session-keys", o.session_keys,
               "Sign by a key of the session, which it agrees on with its first heartbeat")
      ->group(group);
  app.add_flag("--minimal", o.minimal, "Ask for 204 instead of a result")->group(group);
  app.add_option("--request-timeout", o.request_timeout_s, "Seconds until a request counts as lost")
      ->capture_default_str()
      ->check(CLI::Range(0.001, 3600.0))
      ->type_name("SECONDS")
      ->group(group);
  app.add_option("--connect-timeout", o.connect_timeout_s,
                 "Seconds until all connections must be open")
      ->capture_default_str()
      ->check(CLI::Range(0.001, 3600.0))
      ->type_name("SECONDS")
      ->group(group);
  app.add_option("--drain", o.drain_s, "Seconds to wait at the end for the last answers")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 3600.0))
      ->type_name("SECONDS")
      ->group(group);
  app.add_option("--seed", o.seed, "Of the jitter and of the cheaters")
      ->capture_default_str()
      ->type_name("N")
      ->group(group);
}

void add_output(CLI::App& app, fleet_options& o) {
  constexpr const char* group = "What they leave behind";
  app.add_option("--ack-log", o.ack_log, "Append a JSON line for each heartbeat sent and answered")
      ->type_name("FILE")
      ->group(group);
  app.add_option("--uri-file", o.uri_file, "Send nothing; write request paths for h2load -i")
      ->excludes("--burst")
      ->excludes("--presign")
      ->type_name("FILE")
      ->group(group);
  app.add_flag("--json", o.json, "The summary as one JSON object")->group(group);
  app.add_flag("--quiet", o.quiet, "No progress on standard error")->group(group);
}

}  // namespace

CLI::App* add_fleet_command(CLI::App& app, fleet_options& options) {
  auto* fleet =
      app.add_subcommand("fleet", "Simulate devices that play, for a demonstration or a load test");
  fleet->fallthrough(false);
  fleet->footer(fleet_examples);
  add_gateway(*fleet, options);
  add_players(*fleet, options);
  add_pace(*fleet, options);
  add_output(*fleet, options);
  return fleet;
}

}  // namespace watchkeeper::server
