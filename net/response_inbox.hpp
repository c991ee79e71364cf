#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/thread_safety.hpp"
#include "net/shared/bounds.hpp"
#include "net/shared/response_event.hpp"

namespace watchkeeper::net {

/// Response events on their way to an I/O thread. Bounded: one whole response for each request in
/// flight, and bounds::inbox_chunk_bytes_max of streamed chunks, beyond which a chunk becomes
/// `overflow`. Any thread pushes, the I/O thread takes.
class response_inbox {
 public:
  /// Connections whose response is lost for lack of memory: they must be cut, since a
  /// request of theirs would wait for ever. `all`: there were too many to remember.
  struct lost_responses {
    std::array<std::uint64_t, 64> connections{};
    std::size_t count = 0;
    bool all = false;
  };

  /// Whether nothing waits. Never true while an event waits whose push the caller knows of.
  [[nodiscard]] bool is_empty() const noexcept { return empty_.load(std::memory_order_acquire); }
  /// True: the inbox was empty, wake the I/O thread.
  [[nodiscard]] bool push(response_event&& message) noexcept;
  /// Swaps everything out into `into`, which must be empty: its storage is used for what comes
  /// next.
  void take(std::vector<response_event>& into, lost_responses& lost) noexcept;

 private:
  annotated_mutex mutex_;
  std::vector<response_event> events_ GUARDED_BY(mutex_);
  std::size_t chunk_bytes_ GUARDED_BY(mutex_) = 0;
  lost_responses lost_ GUARDED_BY(mutex_);
  std::atomic<bool> empty_{true};
};

}  // namespace watchkeeper::net
