#pragma once

#include <functional>
#include <iosfwd>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/units.hpp"
#include "server/config/load.hpp"
#include "tools/fleet/fleet.hpp"
#include "tools/top/top.hpp"

/// The command line: one program, a subcommand a task.
namespace watchkeeper::server {

/// The exit codes of the program. 1 also means that `check` found a problem or a drain ran out of
/// time.
enum exit_code : int { exit_ok = 0, exit_problem = 1, exit_usage = 2 };

/// What the commands need from outside. main and the tests fill it in.
struct command_handlers {
  /// Run with a usable configuration; `loaded.sources` load it again on SIGHUP.
  std::function<int(const loaded_configuration& loaded)> serve;
  std::function<int(const fleet::fleet_options& options)> fleet;
  std::function<int(const top::top_options& options)> top;

  const time_source& time;
  std::vector<std::string> environment;  // WATCHKEEPER_…, see watchkeeper_environment()
  std::ostream& out;
  std::ostream& err;
};

/// Parses, runs, and returns the exit code of the process. Throws only what a handler throws.
int run_command_line(int argc, const char* const* argv, command_handlers& handlers);

}  // namespace watchkeeper::server
