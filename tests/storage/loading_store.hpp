#pragma once

#include <utility>
#include <vector>

#include "storage/ledger_reader.hpp"
#include "storage/tiered_store.hpp"

namespace watchkeeper::storage::testing {

/// A tiered store whose caller reads the rows that it needs at once, as the row loader of a gateway
/// does on a thread of its own.
class loading_store : public tiered_store {
 public:
  loading_store(hot_store& hot, ledger& of_record, const time_source& time, observer observed_by,
                durability_level required = durability_level::memory,
                capacity most = {200'000, 400'000}, std::int64_t retention_ms = INT64_MAX)
      : tiered_store(hot, of_record, time, observed_by, required, most, retention_ms),
        reader_(of_record, time, observed_by.ledger_successes, observed_by.ledger_failed) {}

  std::vector<applied_credit> apply(std::span<const tiered_request> requests) {
    auto results = tiered_store::apply(requests);
    std::vector<std::size_t> which;
    std::vector<tiered_request> waiting;
    std::vector<applied_credit> found;
    std::vector<pair_key> keys;
    for (std::size_t i = 0; i < results.size(); ++i) {
      if (!needs_row(results[i].state)) continue;
      which.push_back(i);
      waiting.push_back(requests[i]);
      found.push_back(results[i]);
      keys.push_back(requests[i].credit.pair());
    }
    if (which.empty()) return results;
    apply_found(waiting, reader_.read(std::move(keys)), found);
    for (std::size_t i = 0; i < which.size(); ++i) results[which[i]] = std::move(found[i]);
    return results;
  }
  /// What a gateway does when the ledger has a reset of the pair.
  stored<ok_t> take_attempt(const pair_key& pair) {
    const auto read = reader_.read({pair});
    const auto* const row = read.find(pair);
    if (!row) return read.rows.error();
    if (!*row) return row->error();
    if (!(*row)->state) return ok;
    return begin_attempt({pair, *(*row)->state});
  }

 private:
  ledger_reader reader_;
};

}  // namespace watchkeeper::storage::testing
