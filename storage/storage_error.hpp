#pragma once

#include <cstdint>
#include <string>

#include "base/result.hpp"

namespace watchkeeper::storage {

/// Faults (ours), as opposed to problems (the client's).
enum class storage_error : std::uint8_t {
  unavailable,      // cannot be reached, or broke off: whether the last call took effect is unknown
  refused,          // reached, but will not write: out of memory, read-only, disk full
  too_many_pieces,  // one pair's united coverage is in more than the store takes; others are
                    // written
  corrupt,          // what is stored is not of the documented format
  mismatch,         // made for another deployment: partitions, schema or function library
};

struct storage_failure {
  storage_error code = storage_error::unavailable;
  std::string detail;  // for the log and the statistics; never sent to a device, holds no secret
};

/// Whether a failure of several pairs is about single ones of them, and not about the store.
inline bool is_of_single_pairs(const storage_failure& failure) noexcept {
  return failure.code == storage_error::too_many_pieces || failure.code == storage_error::corrupt;
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
