#pragma once

#include <optional>
#include <span>
#include <vector>

#include "server/api/call.hpp"
#include "storage/limits.hpp"

namespace watchkeeper::server {

/// The latest state of each pair: `recorded` (what the ledger gave, in the order of `keys`) united
/// with the hot store, as far as that is of a life that has not ended. If the hot store cannot be
/// read, the actors are asked, because they have acknowledged through the ledger since. A pair
/// without their reply in time stays as recorded. `duration_ms` of a state is that of the module
/// now, and not that of the last credit, unless the ledger could not be read. Precondition: at most
/// storage_limits::list_items_max keys.
std::vector<std::optional<progress>> read_latest(call& c, std::span<const pair_key> keys,
                                                 std::vector<storage::recorded_pair> recorded);
/// The same, of rows of a list: the ledger lists pairs of students who are enrolled only.
std::vector<std::optional<progress>> read_latest(call& c, std::vector<storage::listed_pair> rows);

/// One pair, united from the actors, the hot store and the ledger. Throws storage_fault if none of
/// them can be read.
std::optional<progress> read_latest(call& c, const pair_key& key);

}  // namespace watchkeeper::server
