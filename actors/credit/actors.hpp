#pragma once

#include <caf/typed_actor.hpp>

#include "actors/shared/messages.hpp"

/// The interface of every actor. What blocks on a store is no actor: hot_writer, checkpointer,
/// store_reader and watcher are plain threads with bounded queues (docs/adr/0004-plain-threads.md).
namespace watchkeeper::actors {

/// The SESSION is one playback by one device. It verifies the signatures of its heartbeats with a
/// key that is parsed once, derives the session key, binds the session to its module, and passes
/// heartbeats on to the student's shard. Heartbeats with a valid MAC do not come here.
using session_actor = caf::typed_actor<caf::reacts_to<heartbeat_job_ptr>>;

/// A session as the directory returns it.
struct session_handle {
  session_actor actor;
  std::shared_ptr<session_memory> memory;  // null until it has verified a heartbeat
};

/// The PROGRESS SHARD owns the progress of every pair whose student hashes to one of its
/// partitions. It collects heartbeats into batches, one in flight at a time, parks their results
/// until the batch is durable, and serves queries for its pairs.
using progress_shard_actor =
    caf::typed_actor<caf::reacts_to<credit_job>, caf::reacts_to<credit_jobs>,
                     caf::reacts_to<batch_stored>, caf::reacts_to<progress_lookup>,
                     caf::reacts_to<progress_found>, caf::reacts_to<checkpoint_done>,
                     caf::reacts_to<student_erased>, caf::reacts_to<progress_reset>,
                     caf::reacts_to<shard_tick>>;

}  // namespace watchkeeper::actors
