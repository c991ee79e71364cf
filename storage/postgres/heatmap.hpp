#pragma once

#include <pqxx/transaction.hxx>
#include <vector>

#include "storage/heatmap_growth.hpp"

namespace watchkeeper::storage::postgres {

/// What a transaction changes of the heatmaps, added to the viewers or taken off; gives what was
/// changed. Rows are locked in this order, in every transaction: the erasure lock; progress, by
/// key; heatmap, by module; heatmap_part, by module and part; the lock of the outbox.
std::vector<heatmap_delta> change_viewers(pqxx::work& work, const heatmap_growth& growth, bool add);

}  // namespace watchkeeper::storage::postgres
