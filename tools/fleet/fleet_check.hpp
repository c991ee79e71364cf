#pragma once

#include <string>

#include "tools/fleet/fleet.hpp"

namespace watchkeeper::fleet {

/// Empty, or a sentence that says which option is wrong and what would be right.
std::string check_options(const fleet_options& options);
/// The number of connections that the options mean.
std::size_t connections_of(const fleet_options& options);
/// Raises the limit of open descriptors as far as `connections` need; a sentence when it is too
/// low.
std::string allow_descriptors(std::size_t connections);

}  // namespace watchkeeper::fleet
