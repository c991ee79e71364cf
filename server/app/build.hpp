#pragma once

#include "server/api/documents/stats_document.hpp"

namespace watchkeeper::server {

/// What this program was built from and with.
build_info this_build();

}  // namespace watchkeeper::server
