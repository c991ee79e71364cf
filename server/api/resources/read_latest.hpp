#pragma once

#include <optional>
#include <span>
#include <vector>

#include "server/api/call.hpp"
#include "storage/limits.hpp"

namespace watchkeeper::server {

/// What is known of each pair now: `recorded` (what the ledger gave, in the order of `keys`) united
/// with what the hot store holds. Where the hot store cannot be read, the actors are asked, which
/// have acknowledged through the ledger since; what they do not tell in time stays as recorded.
/// Precondition: at most storage_limits::list_items_max keys.
std::vector<std::optional<progress>> read_latest(call& c, std::span<const pair_key> keys,
                                                 std::vector<std::optional<progress>> recorded);

/// One pair, from everywhere: the actors, the hot store, the ledger. Throws storage_fault when none
/// of them can tell.
std::optional<progress> read_latest(call& c, const pair_key& key);

}  // namespace watchkeeper::server
