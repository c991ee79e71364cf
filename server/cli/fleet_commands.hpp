#pragma once

#include "tools/fleet/fleet.hpp"
#include "tools/top/top.hpp"

namespace CLI {
class App;
}

/// The subcommands `fleet` and `top`: every member of their options is a flag. Internal to
/// server/cli.
namespace watchkeeper::server {

/// The options outlive the parse, which writes into them.
CLI::App* add_fleet_command(CLI::App& app, fleet::fleet_options& options);
CLI::App* add_top_command(CLI::App& app, top::top_options& options);

}  // namespace watchkeeper::server
