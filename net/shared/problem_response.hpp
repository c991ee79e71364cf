#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/units.hpp"
#include "domain/problem.hpp"
#include "net/shared/http.hpp"

namespace watchkeeper::net {

/// Seconds with three decimals: 1763812345.123
std::string numeric_date(wall_ms time_ms);

/// application/problem+json (RFC 9457). `retry_after_s`: adds `retry-after`; the 429 and 503
/// problems get 1 where none is given.
http_response make_problem(problem what, std::string_view detail, wall_ms now_ms,
                           std::optional<int> retry_after_s = std::nullopt);

}  // namespace watchkeeper::net
