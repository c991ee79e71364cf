#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tools/fleet/player.hpp"

namespace watchkeeper::fleet {

/// Writes `/v1/heartbeats?token=<JWS>` lines, `heartbeats_per_device` of each player, every token
/// once: first the first heartbeats of all players, then the second ones, so that any part of the
/// file spreads over the players. (h2load reads its file from the start for each client: give
/// every client a part of its own.) Returns a sentence, empty when written.
std::string write_uri_file(
    const std::string& path, std::vector<player>& players, unsigned heartbeats_per_device,
    const playing_rules& rules, wall_ms now_ms, player::random& source,
    const std::function<void(std::size_t done, std::size_t whole)>& progress);

}  // namespace watchkeeper::fleet
