#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "server/config/configuration.hpp"

namespace watchkeeper::server {

inline constexpr std::size_t configuration_file_bytes_max = 1024 * 1024;
inline constexpr std::size_t configured_tokens_max = 256;
inline constexpr std::size_t static_folders_max = 16;

/// Where the values come from, weakest first: defaults, the file, the environment, the flags.
/// A plain value, so that SIGHUP can load the same sources again.
struct configuration_sources {
  std::string file;             // empty: none
  bool file_must_exist = true;  // false: ./watchkeeper.toml, looked for without being asked
  std::vector<std::string> environment;                    // NAME=value, as in ::environ
  std::vector<std::pair<std::string, std::string>> flags;  // key path, text
};

struct configuration_problem {
  std::string where;  // "watchkeeper.toml:12:8", "environment WATCHKEEPER_LISTEN", "flag --listen"
  std::string what;   // a sentence: what is wrong and what would be right
  friend bool operator==(const configuration_problem&, const configuration_problem&) = default;
};

struct loaded_configuration {
  configuration values;  // usable only if there are no problems
  /// By key path (and "token", "token <name>", "static"): "default" or as
  /// configuration_problem::where.
  std::map<std::string, std::string> origins;
  std::vector<configuration_problem> problems;  // every one that was found
  std::vector<configuration_problem> warnings;  // allowed, but probably not intended
  configuration_sources sources;

  [[nodiscard]] bool usable() const noexcept { return problems.empty(); }
};

/// Never throws because of the sources: `problems` has every mistake in them.
loaded_configuration load_configuration(configuration_sources sources);

/// "where: what"; only the sentence for a value that is left at its default.
std::string describe(const configuration_problem& problem);
/// One a line.
std::string describe(const std::vector<configuration_problem>& problems);

/// The process's environment, the variables WATCHKEEPER_… only.
std::vector<std::string> watchkeeper_environment();

}  // namespace watchkeeper::server
