#include <CLI/CLI.hpp>

#include "server/cli/fleet_commands.hpp"

namespace watchkeeper::server {

CLI::App* add_top_command(CLI::App& app, fleet::top_options& options) {
  auto* top = app.add_subcommand("top", "Watch a running gateway in the terminal");
  top->fallthrough(false);
  top->add_option("--url", options.url, "The gateway's address")
      ->capture_default_str()
      ->type_name("URL");
  return top;
}

}  // namespace watchkeeper::server
