#include "server/cli/cli.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <ostream>

#include "server/cli/commands.hpp"
#include "server/cli/device_command.hpp"
#include "server/cli/fleet_commands.hpp"
#include "server/cli/help_format.hpp"
#include "server/config/keys.hpp"
#include "server/config/print.hpp"
#include "server/config/text_checks.hpp"

namespace watchkeeper::server {
namespace {

constexpr std::string_view default_file = "watchkeeper.toml";

constexpr std::string_view program_examples = R"(
Examples:
  watchkeeper                                    serve with ./watchkeeper.toml or the defaults
  watchkeeper --config /etc/watchkeeper.toml check
  watchkeeper run --listen 0.0.0.0:8443 --store.hot redis://127.0.0.1:6379
  watchkeeper token --role admin --name console --append watchkeeper.toml

Exit codes: 0 done, 1 a problem was found or the command failed, 2 it was used wrongly.
Signals of a running gateway: TERM and INT stop it in order, HUP reloads certificate, tokens and log.)";

// What was asked for, before anything is done.
struct parsed_line {
  configuration_sources sources;
  bool as_markdown = false;
  token_request token;
  keys_request keys;
  recount_request recount;
  device_request device;
  bool kid_only = false;
  sign_request sign;
  fleet::fleet_options fleet;
  top::top_options top;
};

// --data_dir for --data-dir: the keys are written with underscores in the file, so both are right.
std::string with_dashes(std::string argument) {
  if (!argument.starts_with("--")) return argument;
  const auto end = std::min(argument.find('='), argument.size());
  auto name = argument.substr(0, end);
  std::ranges::replace(name, '_', '-');
  const auto known =
      std::ranges::any_of(all_keys(), [&](const auto& key) { return flag_name(key) == name; });
  return known ? name + argument.substr(end) : argument;
}

std::string flag_suggestion(const std::string& unknown) {
  const auto name = with_dashes(unknown).substr(0, unknown.find('='));
  std::string best;
  std::size_t best_distance = 3;
  for (const auto& key : all_keys()) {
    const auto flag = flag_name(key);
    const auto distance = edit_distance(name, flag);
    if (distance < best_distance) {
      best = flag;
      best_distance = distance;
    }
  }
  return best.empty() ? "" : fmt::format("; did you mean {}?", best);
}

void add_settings(CLI::App& app, parsed_line& line) {
  app.add_option("-c,--config", line.sources.file,
                 "Configuration file; ./watchkeeper.toml is read when it is there")
      ->type_name("FILE");
  for (const auto& key : all_keys()) {
    auto* option = app.add_option_function<std::string>(
        flag_name(key),
        [&line, &key](const std::string& text) {
          line.sources.flags.emplace_back(std::string(key.path), text);
        },
        std::string(key.help));
    option->type_name("VALUE");
    // The help stays short: the keys of the sections are listed by `watchkeeper config --help`.
    if (!section_of(key.path).empty()) option->group("");
  }
}

struct command_set {
  CLI::App* run;
  CLI::App* check;
  CLI::App* config;
  CLI::App* migrate;
  CLI::App* recount;
  CLI::App* token;
  CLI::App* keys;
  CLI::App* keys_new;
  CLI::App* keys_list;
  CLI::App* keys_rotate;
  CLI::App* device;
  CLI::App* sign;
  CLI::App* top;
  CLI::App* fleet;
  CLI::App* version;
};

void add_device_commands(CLI::App& app, parsed_line& line, command_set& set) {
  set.device = app.add_subcommand(
      "device", "Make a device's key for trying things by hand; print its document");
  set.device->fallthrough(false);
  set.device->add_option("--key", line.device.key_file, "Its key file, made when it is not there")
      ->required()
      ->type_name("FILE");
  set.device->add_option("--student", line.device.student, "Whose device it is")->type_name("NAME");
  set.device->add_flag("--kid", line.kid_only, "Print its kid and nothing else");
  set.device->footer(R"text(
Example:
  curl --cacert tls-certificate.pem -X PUT \
       --data-binary "$(watchkeeper device --key d.key --student ann)" \
       -H "authorization: Bearer $admin_token" -H "content-type: application/json" \
       https://localhost:8443/v1/devices/$(watchkeeper device --key d.key --kid))text");

  set.sign = app.add_subcommand("sign", "Print one engagement token, signed now by a device's key");
  set.sign->fallthrough(false);
  set.sign->add_option("--key", line.sign.key_file, "The device's key file")
      ->required()
      ->type_name("FILE");
  set.sign->add_option("--module", line.sign.module, "cid, the module")
      ->capture_default_str()
      ->type_name("ID");
  set.sign->add_option("--session", line.sign.session, "sid, the playback")
      ->capture_default_str()
      ->type_name("ID");
  set.sign->add_option("--sn", line.sign.sequence, "Number in the session")->capture_default_str();
  set.sign->add_option("--from", line.sign.from_ms, "Start in milliseconds of media")
      ->capture_default_str();
  set.sign->add_option("--to", line.sign.to_ms, "End in milliseconds of media")
      ->capture_default_str();
  set.sign->footer("");
}

void add_keys_commands(CLI::App& app, parsed_line& line, command_set& set) {
  set.keys = app.add_subcommand("keys", "Make, list or rotate the gateway's keys for session keys");
  set.keys->require_subcommand(1);
  set.keys->fallthrough();
  set.keys_new = set.keys->add_subcommand("new", "Make the file of session_keys.file with one key");
  set.keys_list = set.keys->add_subcommand("list", "Print the keys' kids, the announced one first");
  set.keys_rotate = set.keys->add_subcommand(
      "rotate", "Add a key, which is announced from the next SIGHUP on, and remove the oldest");
  set.keys_rotate
      ->add_option("--keep", line.keys.kept, "How many keys stay; sessions of older ones sign anew")
      ->capture_default_str();
  for (auto* each : {set.keys, set.keys_new, set.keys_list, set.keys_rotate}) {
    each->fallthrough();
    each->footer("\nSettings as for the program: see `watchkeeper config --help`.");
  }
}

command_set add_commands(CLI::App& app, parsed_line& line) {
  command_set set{};
  set.run = app.add_subcommand("run", "Serve until told to stop; also what no command at all does");
  set.check = app.add_subcommand(
      "check", "Look at the configuration and the stores, and say what is wrong and what to do");
  set.config = app.add_subcommand(
      "config", "Print the configuration as merged, each value with its origin, secrets masked");
  set.config->add_flag("--markdown", line.as_markdown,
                       "Print the tables of docs/configuration.md instead");
  set.config->footer(settings_help());
  set.migrate = app.add_subcommand("migrate", "Bring the ledger's schema up to date and stop");
  set.recount = app.add_subcommand(
      "recount", "Count the heatmaps' viewers anew from what every student has seen");
  set.recount->add_option("--module", line.recount.module, "Only this module")->type_name("ID");
  set.recount->add_flag("--check", line.recount.check_only,
                        "Change nothing; exit with 1 when a heatmap is wrong");

  set.token = app.add_subcommand("token", "Make a bearer token: its secret and its [[token]]");
  set.token->fallthrough(false);
  set.token->add_option("--role", line.token.role, "viewer, admin or operator")
      ->required()
      ->check(CLI::IsMember({"viewer", "admin", "operator"}))
      ->type_name("ROLE");
  set.token->add_option("--name", line.token.name, "Who or what holds it; shown in logs and audit")
      ->required()
      ->type_name("NAME");
  set.token->add_option("--append", line.token.append_to, "Configuration file to append it to")
      ->type_name("FILE");

  add_keys_commands(app, line, set);
  add_device_commands(app, line, set);
  set.top = add_top_command(app, line.top);
  set.fleet = add_fleet_command(app, line.fleet);
  set.version = app.add_subcommand("version", "Print the version and stop");
  // A subcommand inherits the program's examples unless it has its own.
  for (auto* plain : {set.run, set.check, set.migrate, set.recount, set.token, set.version})
    plain->footer("\nSettings as for the program: see `watchkeeper config --help`.");
  set.token->footer("");
  set.version->footer("");
  return set;
}

int with_configuration(parsed_line& line, command_handlers& handlers, const char* command,
                       const std::function<int(const loaded_configuration&)>& action) {
  const auto loaded = load_configuration(std::move(line.sources));
  if (!loaded.usable()) {
    handlers.err << describe(loaded.problems)
                 << fmt::format("watchkeeper {}: {} problem{} in the configuration\n", command,
                                loaded.problems.size(), loaded.problems.size() == 1 ? "" : "s");
    return exit_problem;
  }
  return action(loaded);
}

int dispatch(const command_set& set, parsed_line& line, command_handlers& handlers) {
  if (set.version->parsed()) {
    handlers.out << version_text();
    return exit_ok;
  }
  if (set.token->parsed()) return run_token(line.token, handlers.out, handlers.err);
  if (set.device->parsed())
    return run_device(line.device, line.kid_only, handlers.out, handlers.err);
  if (set.sign->parsed()) return run_sign(line.sign, handlers.now(), handlers.out, handlers.err);
  if (set.fleet->parsed()) return handlers.fleet(line.fleet);
  if (set.top->parsed()) return handlers.top(line.top);
  if (set.config->parsed() && line.as_markdown) {
    handlers.out << markdown_tables();
    return exit_ok;
  }
  line.sources.environment = handlers.environment;
  if (line.sources.file.empty()) {
    line.sources.file = default_file;
    line.sources.file_must_exist = false;
  }
  if (set.check->parsed())
    return run_check(load_configuration(std::move(line.sources)), handlers.now(), handlers.out);
  if (set.config->parsed())
    return with_configuration(line, handlers, "config", [&](const auto& loaded) {
      handlers.out << print_configuration(loaded);
      handlers.err << describe(loaded.warnings);
      return static_cast<int>(exit_ok);
    });
  if (set.keys->parsed())
    return with_configuration(line, handlers, "keys", [&](const auto& loaded) {
      const auto& settings = loaded.values;
      if (set.keys_new->parsed())
        return run_keys_new(settings, handlers.now(), handlers.out, handlers.err);
      if (set.keys_rotate->parsed())
        return run_keys_rotate(settings, line.keys, handlers.now(), handlers.out, handlers.err);
      return run_keys_list(settings, handlers.out, handlers.err);
    });
  if (set.migrate->parsed())
    return with_configuration(line, handlers, "migrate", [&](const auto& loaded) {
      return run_migrate(loaded, handlers.out, handlers.err);
    });
  if (set.recount->parsed())
    return with_configuration(line, handlers, "recount", [&](const auto& loaded) {
      return run_recount(loaded, line.recount, handlers.out, handlers.err);
    });
  return with_configuration(line, handlers, "run", handlers.serve);
}

}  // namespace

int run_command_line(int argc, const char* const* argv, command_handlers& handlers) {
  CLI::App app("watchkeeper: turns device-signed playback heartbeats into trusted watch progress.",
               "watchkeeper");
  parsed_line line;
  app.fallthrough();
  app.require_subcommand(0, 1);
  app.formatter(std::make_shared<help_format>());
  app.footer(std::string(program_examples));
  add_settings(app, line);
  bool version_wanted = false;
  app.add_flag("-V,--version", version_wanted, "Print the version and stop");
  const auto set = add_commands(app, line);

  std::vector<std::string> arguments;  // CLI11 takes them in reverse order
  for (int i = argc - 1; i > 0; --i) arguments.push_back(with_dashes(argv[i]));
  try {
    app.parse(arguments);
  } catch (const CLI::CallForHelp&) {
    handlers.out << tidy_help(app.help());
    return exit_ok;
  } catch (const CLI::ExtrasError&) {
    for (const auto& extra : app.remaining(true)) {
      handlers.err << fmt::format("watchkeeper: unknown {} {}{}\n",
                                  extra.starts_with("-") ? "option" : "argument", extra,
                                  flag_suggestion(extra));
    }
    handlers.err << "Run `watchkeeper --help` for what there is.\n";
    return exit_usage;
  } catch (const CLI::ParseError& wrong) {
    handlers.err << fmt::format("watchkeeper: {}\nRun `watchkeeper --help` for what there is.\n",
                                wrong.what());
    return exit_usage;
  }
  if (version_wanted) {
    handlers.out << version_text();
    return exit_ok;
  }
  return dispatch(set, line, handlers);
}

}  // namespace watchkeeper::server
