#pragma once

#include <iosfwd>
#include <string>

#include "server/cli/cli.hpp"
#include "server/keys/key_file.hpp"

/// The commands that need no handler from outside. Internal to server/cli.
namespace watchkeeper::server {

struct token_request {
  std::string role;
  std::string name;
  std::string append_to;  // a configuration file; empty: print only
};

struct keys_request {
  std::int64_t keep_count = static_cast<std::int64_t>(session_keys_after_rotation);
};
// `watchkeeper keys …`: the file of session_keys.file.
int run_keys_new(const configuration& settings, wall_ms now_ms, std::ostream& out,
                 std::ostream& err);
int run_keys_list(const configuration& settings, std::ostream& out, std::ostream& err);
int run_keys_rotate(const configuration& settings, const keys_request& request, wall_ms now_ms,
                    std::ostream& out, std::ostream& err);

int run_check(const loaded_configuration& loaded, wall_ms now_ms, std::ostream& out);
int run_migrate(const loaded_configuration& loaded, std::ostream& out, std::ostream& err);
struct recount_request {
  std::string module;  // empty: all
  bool check_only = false;
};
int run_recount(const loaded_configuration& loaded, const recount_request& request,
                std::ostream& out, std::ostream& err);
int run_token(const token_request& request, std::ostream& out, std::ostream& err);
std::string version_text();

/// Every setting as a flag, with its default and what it means.
std::string settings_help();

}  // namespace watchkeeper::server
