#pragma once

#include <string_view>

#include "server/config/load.hpp"

/// The steps of load_configuration; each adds what it finds to `into`. Internal to server/config.
namespace watchkeeper::server {

/// `text` is the content of the file `name`.
void read_toml(std::string_view text, const std::string& name, loaded_configuration& into);
void read_environment(loaded_configuration& into);
void read_flags(loaded_configuration& into);
/// What concerns more than one key. Run last.
void check_together(loaded_configuration& into);

/// Checks one token's fields; the sentences of what is wrong are added under `where`.
void add_token(std::string_view name, std::string_view role, std::string_view sha256,
               const std::string& where, loaded_configuration& into);

/// Checks one [[static]].
void add_static_folder(static_folder folder, const std::string& where, loaded_configuration& into);

/// "; did you mean 'store.hot'?" or nothing.
std::string suggestion(std::string_view unknown);

}  // namespace watchkeeper::server
