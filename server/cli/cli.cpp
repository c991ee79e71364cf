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

Exit codes: 0 success, 1 the command failed or found a problem, 2 wrong usage.
Signals to a running gateway: TERM and INT drain and stop it; HUP reloads certificate, keys, tokens and log.)";

// The parsed command line.
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

// Accepts --data_dir for --data-dir, because keys have underscores in the file.
std::string with_dashes(std::string argument) {
  if (!argument.starts_with("--")) return argument;
  const auto end = std::min(argument.find('='), argument.size());
  auto name = argument.substr(0, end);
  std::ranges::replace(name, '_', '-');
  const bool is_key =
      std::ranges::any_of(all_keys(), [&](const auto& key) { return flag_name(key) == name; });
  return is_key ? name + argument.substr(end) : argument;
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
                 "Configuration file; without it, ./watchkeeper.toml is read if it exists")
      ->type_name("FILE");
  for (const auto& key : all_keys()) {
    auto* option = app.add_option_function<std::string>(
        flag_name(key),
        [&line, &key](const std::string& text) {
          line.sources.flags.emplace_back(std::string(key.path), text);
        },
        std::string(key.help));
    option->type_name("VALUE");
    // Only top-level keys: `watchkeeper config --help` lists those of the sections.
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
      "device", "Create the key of a device for manual tests, and print the body of its enrolment");
  set.device->fallthrough(false);
  set.device
      ->add_option("--key", line.device.key_file,
                   "Key file of the device; it is created if it does not exist")
      ->required()
      ->type_name("FILE");
  set.device
      ->add_option("--student", line.device.student,
                   "Student of the device; required to create the key file")
      ->type_name("NAME");
  set.device->add_flag("--kid", line.kid_only, "Print only the kid");
  set.device->footer(R"text(
Example:
  curl --cacert tls-certificate.pem -X PUT \
       --data-binary "$(watchkeeper device --key d.key --student ann)" \
       -H "authorization: Bearer $admin_token" -H "content-type: application/json" \
       https://localhost:8443/v1/devices/$(watchkeeper device --key d.key --kid))text");

  set.sign =
      app.add_subcommand("sign", "Print one engagement token, signed with the key of a device");
  set.sign->fallthrough(false);
  set.sign->add_option("--key", line.sign.key_file, "Key file of the device")
      ->required()
      ->type_name("FILE");
  set.sign->add_option("--module", line.sign.module, "Module (claim cid)")
      ->capture_default_str()
      ->type_name("ID");
  set.sign->add_option("--session", line.sign.session, "Session (claim sid)")
      ->capture_default_str()
      ->type_name("ID");
  set.sign->add_option("--sn", line.sign.sequence, "Sequence number in the session")
      ->capture_default_str();
  set.sign
      ->add_option("--from", line.sign.from_ms, "Start of the interval, in milliseconds of media")
      ->capture_default_str();
  set.sign->add_option("--to", line.sign.to_ms, "End of the interval, in milliseconds of media")
      ->capture_default_str();
  set.sign->footer("");
}

void add_keys_commands(CLI::App& app, parsed_line& line, command_set& set) {
  set.keys = app.add_subcommand(
      "keys", "Create, list or rotate the keys from which session keys are derived");
  set.keys->require_subcommand(1);
  set.keys->fallthrough();
  set.keys_new = set.keys->add_subcommand("new", "Create the file session_keys.file with one key");
  set.keys_list = set.keys->add_subcommand("list", "List the kids, the announced key first");
  set.keys_rotate = set.keys->add_subcommand(
      "rotate", "Add a key, which gateways announce after SIGHUP, and remove the oldest one");
  set.keys_rotate
      ->add_option("--keep", line.keys.keep_count,
                   "Keys that stay in the file; sessions with an older key need a new signature")
      ->capture_default_str();
  for (auto* each : {set.keys, set.keys_new, set.keys_list, set.keys_rotate}) {
    each->fallthrough();
    each->footer("\nThe settings are flags too; `watchkeeper config --help` lists them.");
  }
}

command_set add_commands(CLI::App& app, parsed_line& line) {
  command_set set{};
  set.run = app.add_subcommand("run", "Run the gateway until TERM or INT; the default command");
  set.check = app.add_subcommand(
      "check",
      "Check the configuration, the keys and the stores; print each problem and its remedy");
  set.config = app.add_subcommand(
      "config", "Print the merged configuration with the origin of each value; secrets are masked");
  set.config->add_flag("--markdown", line.as_markdown,
                       "Print the tables of docs/configuration.md instead");
  set.config->footer(settings_help());
  set.migrate = app.add_subcommand("migrate", "Migrate the ledger to the latest schema");
  set.recount = app.add_subcommand(
      "recount", "Recount the viewers of the heatmaps from the coverage of all students");
  set.recount->add_option("--module", line.recount.module, "Only this module")->type_name("ID");
  set.recount->add_flag("--check", line.recount.check_only,
                        "Change nothing; exit with 1 if a heatmap is wrong");

  set.token = app.add_subcommand(
      "token", "Create a bearer token; print its secret and its [[token]] section");
  set.token->fallthrough(false);
  set.token->add_option("--role", line.token.role, "viewer, admin or operator")
      ->required()
      ->check(CLI::IsMember({"viewer", "admin", "operator"}))
      ->type_name("ROLE");
  set.token
      ->add_option("--name", line.token.name, "Name of the owner, for the log and the audit rows")
      ->required()
      ->type_name("NAME");
  set.token
      ->add_option("--append", line.token.append_to,
                   "Configuration file to which the [[token]] section is appended")
      ->type_name("FILE");

  add_keys_commands(app, line, set);
  add_device_commands(app, line, set);
  set.top = add_top_command(app, line.top);
  set.fleet = add_fleet_command(app, line.fleet);
  set.version = app.add_subcommand("version", "Print the version");
  // A subcommand inherits the program's examples unless it has its own.
  for (auto* plain : {set.run, set.check, set.migrate, set.recount, set.token, set.version})
    plain->footer("\nThe settings are flags too; `watchkeeper config --help` lists them.");
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
  if (set.sign->parsed())
    return run_sign(line.sign, handlers.time.wall_now(), handlers.out, handlers.err);
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
    return run_check(load_configuration(std::move(line.sources)), handlers.time.wall_now(),
                     handlers.out);
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
        return run_keys_new(settings, handlers.time.wall_now(), handlers.out, handlers.err);
      if (set.keys_rotate->parsed())
        return run_keys_rotate(settings, line.keys, handlers.time.wall_now(), handlers.out,
                               handlers.err);
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
  CLI::App app("watchkeeper: records which parts of a video a student actually watched.",
               "watchkeeper");
  parsed_line line;
  app.fallthrough();
  app.require_subcommand(0, 1);
  app.formatter(std::make_shared<help_format>());
  app.footer(std::string(program_examples));
  add_settings(app, line);
  bool print_version = false;
  app.add_flag("-V,--version", print_version, "Print the version");
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
    handlers.err << "Run `watchkeeper --help` for the commands and options.\n";
    return exit_usage;
  } catch (const CLI::ParseError& wrong) {
    handlers.err << fmt::format(
        "watchkeeper: {}\nRun `watchkeeper --help` for the commands and options.\n", wrong.what());
    return exit_usage;
  }
  if (print_version) {
    handlers.out << version_text();
    return exit_ok;
  }
  return dispatch(set, line, handlers);
}

}  // namespace watchkeeper::server
