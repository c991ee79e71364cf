#pragma once

#include <memory>

#include "actors/shared/messages.hpp"

namespace watchkeeper::actors {

/// The work that a shard hands to the threads that block on the stores. Thread: any; calls return
/// at once. The reply, if there is one, is a message to the shard.
class shard_services {
 public:
  virtual ~shard_services() = default;
  /// The reply is `batch_stored`, always. A shard has at most one such batch in flight.
  virtual void store(std::shared_ptr<credit_batch> batch) = 0;
  /// Reads the rows that the requests of the batch need, and stores it. The reply is
  /// `batch_stored`, always. A shard may have many such batches in flight.
  virtual void load_rows(std::shared_ptr<credit_batch> batch) = 0;
  /// Pairs whose last changes may be in memory only. No reply. False: too many wait, try again
  /// later.
  [[nodiscard]] virtual bool refill(std::vector<storage::pair_progress> pairs) = 0;
  /// Some pairs that were given to `refill` are in no store yet. Those that failed count until the
  /// shards are requested to hand them over again (hot_store_probe::refill_epoch).
  [[nodiscard]] virtual bool has_unsaved_refills() const { return false; }
  /// The reply is `progress_found`, always.
  virtual void load(std::shared_ptr<progress_query> query) = 0;
  /// The record of the device in memory is outdated: it is to be read again. No reply.
  virtual void forget_device(const thumbprint& device) = 0;
  /// Pairs that have just been mastered, for the ledger at once. No reply.
  virtual void checkpoint_now(std::vector<storage::pair_progress> pairs) = 0;
};

}  // namespace watchkeeper::actors
