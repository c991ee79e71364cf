#pragma once

#include <caf/typed_actor.hpp>

#include "actors/shared/messages.hpp"

/// Every actor's interface. What blocks on a store is no actor: hot_writer, checkpointer,
/// store_reader and watcher are plain threads with bounded queues (docs/adr/0004-plain-threads.md).
namespace watchkeeper::actors {

/// The SESSION is one playback by one device: it verifies the signature of each of its heartbeats
/// with a key parsed once, agrees on the session's key, holds the session to its module, and passes
/// on to the student's shard. Heartbeats whose MAC fits the session's key do not come here.
using session_actor = caf::typed_actor<caf::reacts_to<heartbeat_job_ptr>>;

/// A session as others find it.
struct known_session {
  session_actor actor;
  std::shared_ptr<session_memory> memory;  // null as long as it has verified nothing
};

/// The PROGRESS SHARD owns the progress of every pair whose student hashes to one of its
/// partitions. It collects heartbeats into batches, one in flight at a time, parks their replies
/// until the batch is durable, and answers questions about its pairs.
using progress_shard_actor =
    caf::typed_actor<caf::reacts_to<credit_job>, caf::reacts_to<credit_jobs>,
                     caf::reacts_to<batch_stored>, caf::reacts_to<progress_wanted>,
                     caf::reacts_to<progress_found>, caf::reacts_to<checkpoint_done>,
                     caf::reacts_to<student_erased>, caf::reacts_to<shard_tick>>;

}  // namespace watchkeeper::actors
