#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "tools/fleet/http2_client.hpp"
#include "tools/fleet/key_file.hpp"

namespace watchkeeper::fleet {

/// Enrols the devices through PUT /v1/devices/{kid}, over a few connections with many streams in
/// flight each; 429, 503 and lost connections are tried again. `stop` ends it early. `progress` is
/// called every turn with the number that is enrolled. The error is a sentence.
result<ok_t, std::string> enrol_devices(http2_client& client,
                                        const std::vector<fleet_device>& devices,
                                        const std::string& admin_token,
                                        const std::function<bool()>& stop,
                                        const std::function<void(std::size_t)>& progress);

}  // namespace watchkeeper::fleet
