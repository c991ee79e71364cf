#pragma once

#include <memory>

#include "actors/shared/messages.hpp"

namespace watchkeeper::actors {

/// What a shard needs of the threads that block on the stores: everything it cannot do without
/// waiting. Each call is answered by a message to the shard. Any thread; calls return at once.
class shard_services {
 public:
  virtual ~shard_services() = default;
  /// Answered by `batch_stored`, always. A shard has at most one batch under way.
  virtual void store(std::shared_ptr<credit_batch> batch) = 0;
  /// Pairs whose last changes may be in no store but memory. Not answered. False: too many wait,
  /// try again later.
  [[nodiscard]] virtual bool refill(std::vector<storage::pair_progress> pairs) = 0;
  /// Some of what was handed to `refill` is in no store yet; what failed counts until the shards
  /// have been asked for it again (hot_store_probe::refill_epoch).
  [[nodiscard]] virtual bool has_unsaved_refills() const { return false; }
  /// Answered by `progress_found`, always.
  virtual void load(std::shared_ptr<progress_query> query) = 0;
  /// Pairs that have just been mastered: to the ledger at once. Not answered.
  virtual void checkpoint_now(std::vector<storage::pair_progress> pairs) = 0;
};

}  // namespace watchkeeper::actors
