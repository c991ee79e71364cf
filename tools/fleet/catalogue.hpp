#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "domain/ids.hpp"
#include "tools/fleet/fleet.hpp"
#include "tools/fleet/simple_client.hpp"

namespace watchkeeper::fleet {

struct played_module {
  module_id id;
  media_ms duration_ms = 0;
};

/// The modules of the options, created or read through the gateway. The error is a sentence.
result<std::vector<played_module>, std::string> prepare_modules(const fleet_options& options,
                                                                simple_client& client);

}  // namespace watchkeeper::fleet
