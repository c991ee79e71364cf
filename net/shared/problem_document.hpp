#pragma once

#include <string>
#include <string_view>

#include "base/units.hpp"

namespace watchkeeper::net {

/// The document of RFC 9457 for a problem of this name, with whatever status fits.
std::string problem_document(std::string_view name, std::string_view title, int status,
                             std::string_view detail, wall_ms now_ms);

}  // namespace watchkeeper::net
