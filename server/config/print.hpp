#pragma once

#include <string>

#include "server/config/load.hpp"

namespace watchkeeper::server {

/// The merged configuration as TOML, each value with its origin as a comment; passwords in URLs
/// masked, the digests of tokens shortened.
std::string print_configuration(const loaded_configuration& loaded);

/// The tables of keys as docs/configuration.md shows them: one Markdown table a section.
std::string markdown_tables();

}  // namespace watchkeeper::server
