#include "tools/fleet/fleet.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <memory>
#include <random>
#include <utility>

#include "base/clock.hpp"
#include "tools/fleet/catalogue.hpp"
#include "tools/fleet/enrolment.hpp"
#include "tools/fleet/fleet_check.hpp"
#include "tools/fleet/gateway_key.hpp"
#include "tools/fleet/key_file.hpp"
#include "tools/fleet/playback.hpp"
#include "tools/fleet/report.hpp"
#include "tools/fleet/stop_signal.hpp"
#include "tools/fleet/uri_file.hpp"

namespace watchkeeper::fleet {
namespace {

constexpr int exit_clean = 0;
constexpr int exit_refused = 1;
constexpr int exit_unusable = 2;

/// The devices of the key file, or new ones (then `fresh`), which the file is to hold from now on.
result<std::vector<fleet_device>, std::string> make_devices(const fleet_options& options,
                                                            progress_line& progress, bool& fresh) {
  fresh = options.keys_file.empty() || access(options.keys_file.c_str(), F_OK) != 0;
  if (!fresh) {
    auto loaded = load_keys(options.keys_file);
    if (loaded && loaded->size() < options.devices)
      return fmt::format("the key file '{}' holds {} devices, and {} are asked for",
                         options.keys_file, loaded->size(), options.devices);
    if (loaded)
      loaded->erase(loaded->begin() + static_cast<std::ptrdiff_t>(options.devices), loaded->end());
    return loaded;
  }
  if (options.admin_token.empty())
    return fmt::format(
        "the key file '{}' does not exist, and new devices cannot be enrolled without "
        "a token of the role admin",
        options.keys_file);
  auto prefix = options.student_prefix;
  if (prefix.empty()) prefix = fmt::format("fleet-{:06x}-", std::random_device{}() & 0xff'ffff);
  std::vector<fleet_device> made;
  made.reserve(options.devices);
  for (std::size_t i = 0; i < options.devices && !stop_signal::requested(); ++i) {
    const auto student = student_id::parse(fmt::format("{}{:06}", prefix, i));
    if (!student)
      return fmt::format(
          "'{}' cannot begin the ids of students: at most 57 characters of A-Z a-z 0-9 "
          ". _ ~ : @ - are allowed",
          prefix);
    made.push_back({sdk::software_key::generate(), *student});
    progress.step("making keys", i, options.devices, event_loop::clock::now());
  }
  return made;
}

struct prepared_fleet {
  std::vector<played_module> modules;
  std::optional<sdk::gateway_key> gateway;  // with session keys
  std::vector<fleet_device> devices;
};

/// Everything before the first heartbeat.
result<prepared_fleet, std::string> prepare(const fleet_options& options, http2_client& client,
                                            progress_line& progress) {
  prepared_fleet made;
  {
    const client_tls_options tls{options.ca_file, options.insecure, false};
    auto admin = simple_client::make(options.url, tls);
    if (!admin) return admin.error();
    auto modules = prepare_modules(options, **admin);
    if (!modules) return modules.error();
    made.modules = std::move(modules).value();
    if (options.session_keys) {
      auto key = read_gateway_key(**admin);
      if (!key) return key.error();
      made.gateway = std::move(key).value();
    }
  }
  bool fresh = false;
  auto devices = make_devices(options, progress, fresh);
  if (!devices) return devices.error();
  made.devices = std::move(devices).value();
  // Enrolling is idempotent; a device that is enrolled already stays what it is.
  if (!options.admin_token.empty()) {
    const auto enrolled = enrol_devices(
        client, made.devices, options.admin_token, stop_signal::requested, [&](std::size_t done) {
          progress.step("enrolling", done, made.devices.size(), event_loop::clock::now());
        });
    if (!enrolled) return enrolled.error();
  }
  if (fresh && !options.keys_file.empty())
    if (const auto saved = save_keys(options.keys_file, made.devices); !saved) return saved.error();
  return made;
}

std::vector<player> make_players(const fleet_options& options, prepared_fleet& fleet,
                                 player::random& seeded) {
  std::vector<player> players;
  players.reserve(fleet.devices.size());
  for (std::size_t i = 0; i < fleet.devices.size(); ++i) {
    const bool cheats = std::uniform_real_distribution<double>(0, 1)(seeded) < options.skip_share;
    players.emplace_back(std::move(fleet.devices[i].key), fleet.devices[i].student, i,
                         fleet.modules, options.sessions_per_device,
                         static_cast<media_ms>(std::lround(options.start_s * 1000)), cheats);
  }
  fleet.devices.clear();
  return players;
}

int complain(const std::string& sentence) {
  std::fputs(fmt::format("watchkeeper fleet: {}\n", sentence).c_str(), stderr);
  return exit_unusable;
}

int write_uris(const fleet_options& options, std::vector<player>& players,
               const sdk::gateway_key* gateway, player::random& seeded, progress_line& progress) {
  playing_rules rules;
  rules.gateway = gateway;
  rules.heartbeat_ms =
      static_cast<media_ms>(std::lround(options.interval_s * options.playback_rate * 1000));
  rules.rate_permille = static_cast<std::int32_t>(std::lround(options.playback_rate * 1000));
  const auto problem = write_uri_file(
      options.uri_file, players, options.heartbeats_per_device, rules,
      system_time_source().wall_now(), seeded, [&](std::size_t done, std::size_t whole) {
        progress.step("signing", done, whole, event_loop::clock::now());
      });
  return problem.empty() ? exit_clean : complain(problem);
}

}  // namespace

int run_fleet(const fleet_options& options) {
  if (const auto problem = check_options(options); !problem.empty()) return complain(problem);
  const auto connections = connections_of(options);
  if (const auto problem = allow_descriptors(connections); !problem.empty())
    return complain(problem);
  std::signal(SIGPIPE, SIG_IGN);
  const stop_signal signals;

  auto server = resolve_endpoint(options.url);
  if (!server) return complain(server.error());
  ack_log log;
  if (!options.ack_log.empty()) {
    auto opened = ack_log::open(options.ack_log);
    if (!opened) return complain(opened.error());
    log = std::move(opened).value();
  }
  event_loop loop;
  client_options transport;
  transport.server = std::move(server).value();
  transport.tls = {options.ca_file, options.insecure, options.tls_resume};
  transport.seed = options.seed;
  auto client = http2_client::make(loop, std::move(transport));
  if (!client) return complain(client.error());

  tally counts;
  {
    progress_line progress{options.quiet};
    auto fleet = prepare(options, **client, progress);
    if (!fleet) return complain(fleet.error());
    if (stop_signal::requested()) return complain("stopped before anything was sent");
    player::random seeded{options.seed};
    auto players = make_players(options, *fleet, seeded);
    const auto* gateway = fleet->gateway ? &*fleet->gateway : nullptr;
    if (!options.uri_file.empty()) return write_uris(options, players, gateway, seeded, progress);

    playback run{options,  connections,           **client, players, gateway, log, counts,
                 progress, stop_signal::requested};
    if (!run.connect())
      return complain((*client)->last_failure().empty() ? "no connection could be opened in time"
                                                        : (*client)->last_failure());
    run.run();
  }
  const auto text = options.json ? report_json(options, connections, counts) + "\n"
                                 : report_table(options, connections, counts);
  std::fputs(text.c_str(), stdout);
  std::fflush(stdout);
  if (!log.failure().empty()) return complain(log.failure());
  return counts.clean() && counts.generated != 0 ? exit_clean : exit_refused;
}

}  // namespace watchkeeper::fleet
