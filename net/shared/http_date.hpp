#pragma once

#include <array>

#include "base/units.hpp"

namespace watchkeeper::net {

/// IMF-fixdate of RFC 9110 section 5.6.7, always 29 characters: "Sun, 06 Nov 1994 08:49:37 GMT".
using http_date = std::array<char, 29>;
http_date http_date_of(wall_ms time_ms) noexcept;

}  // namespace watchkeeper::net
