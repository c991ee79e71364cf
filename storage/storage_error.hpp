#pragma once

#include <cstdint>
#include <string>

#include "base/result.hpp"

namespace watchkeeper::storage {

/// Failures, which are on our side, as opposed to problems, which are on the client's.
enum class storage_error : std::uint8_t {
  unavailable,  // cannot be reached, or broke off: whether the last call took effect is unknown
  refused,      // reached, but does not write: out of memory, read-only, disk full
  corrupt,      // stored data does not have the documented format
  contended,    // other gateways kept changing the pair; nothing of it is written
  mismatch,     // made for another deployment: partitions, schema or function library
};

struct storage_failure {
  storage_error code = storage_error::unavailable;
  std::string
      detail;  // for the log and the statistics; contains no secret, and is never sent to a device
};

/// Whether the failure concerns single pairs of a call, and not the store.
inline bool is_of_single_pairs(const storage_failure& failure) noexcept {
  return failure.code == storage_error::corrupt || failure.code == storage_error::contended;
}

template <class T>
using stored = result<T, storage_failure>;

/// What a write survives once it has returned.
enum class durability_level : std::uint8_t {
  memory,  // gone when the store's process ends
  log,     // survives the end of any process; a machine that loses power may lose the last second
  fsync,   // on the disk
};

}  // namespace watchkeeper::storage
