#include <fmt/format.h>
#include <openssl/crypto.h>

#include "server/cli/commands.hpp"
#include "server/config/keys.hpp"

namespace watchkeeper::server {

std::string settings_help() {
  const configuration defaults;
  std::string out =
      "\nEvery setting is a flag of run, check, config, migrate, recount and keys, and an "
      "environment\nvariable:\n";
  std::string_view section = "-";
  for (const auto& key : all_keys()) {
    if (section_of(key.path) != section) {
      section = section_of(key.path);
      out += section.empty() ? "\n" : fmt::format("\n[{}]\n", section);
    }
    out += fmt::format("  {} ({})\n      {}\n      Allowed: {}; default: {}\n", flag_name(key),
                       environment_name(key), key.help, allowed_values(key),
                       toml_value(key, defaults, true));
  }
  out +=
      "\nWATCHKEEPER_TOKENS=name:role:sha256[,name:role:sha256…] replaces the tokens of the file.";
  return out;
}

std::string version_text() {
  return fmt::format("watchkeeper {}\nbuilt with GCC {}, {}\n", WATCHKEEPER_VERSION, __VERSION__,
                     OpenSSL_version(OPENSSL_VERSION));
}

}  // namespace watchkeeper::server
