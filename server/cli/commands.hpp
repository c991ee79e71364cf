#pragma once

#include <iosfwd>
#include <string>

#include "server/cli/cli.hpp"

/// The commands that need no handler from outside. Internal to server/cli.
namespace watchkeeper::server {

struct token_request {
  std::string role;
  std::string name;
  std::string append_to;  // a configuration file; empty: print only
};

int run_check(const loaded_configuration& loaded, unix_ms now_ms, std::ostream& out);
int run_migrate(const loaded_configuration& loaded, std::ostream& out, std::ostream& err);
int run_token(const token_request& request, std::ostream& out, std::ostream& err);
std::string version_text();

/// Every setting as a flag, with its default and what it means.
std::string settings_help();

}  // namespace watchkeeper::server
