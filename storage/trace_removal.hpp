#pragma once

#include <cstdint>

namespace watchkeeper::storage {

/// What one step of a removal of traces came to: a store has deleted something, and its files are
/// to drop what they still have of it (docs/privacy.md). The caller repeats the step until `done`.
enum class trace_removal : std::uint8_t {
  done,     // what was deleted before this call, or before the one that gave `begun`, is gone
  begun,    // it drops what was deleted before this call
  running,  // what has begun is not at its end
  waiting,  // it cannot begin yet: somebody else is at the files
};

}  // namespace watchkeeper::storage
