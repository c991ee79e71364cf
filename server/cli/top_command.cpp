#include <CLI/CLI.hpp>

#include "server/cli/fleet_commands.hpp"

namespace watchkeeper::server {

CLI::App* add_top_command(CLI::App& app, top::top_options& options) {
  auto* top = app.add_subcommand("top", "Watch a running gateway in the terminal");
  top->fallthrough(false);
  top->footer(R"(
Example:
  watchkeeper top --ca var/tls-certificate.pem --token wk_operator_…

Exit codes: 0 ended by the user, 2 wrong usage, gateway not reachable, or token not accepted.)");
  top->add_option("--url", options.url,
                  "https://host:port, or http://host:port for cleartext HTTP/2")
      ->capture_default_str()
      ->type_name("URL");
  auto* authority = top->add_option("--ca", options.ca_file, "PEM file of the certificate to trust")
                        ->type_name("FILE");
  top->add_flag("--insecure", options.insecure, "Accept any certificate")->excludes(authority);
  top->add_option("--token", options.token, "Bearer token with the role operator")
      ->envname("WATCHKEEPER_OPERATOR_TOKEN")
      ->type_name("SECRET");
  top->add_option("--interval", options.interval_s, "Seconds between two updates, 0.1 to 60")
      ->capture_default_str()
      ->check(CLI::Range(0.1, 60.0))
      ->type_name("SECONDS");
  top->add_flag("--once", options.once, "Print one frame as plain text and exit");
  return top;
}

}  // namespace watchkeeper::server
