#pragma once

#include "server/api/stats_document.hpp"

namespace watchkeeper::server {

/// What this program was built from and with.
build_info this_build();

}  // namespace watchkeeper::server
