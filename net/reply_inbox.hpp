#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

#include "net/shared/bounds.hpp"
#include "net/shared/reply.hpp"

namespace watchkeeper::net {

/// Replies on their way to an I/O thread. Bounded: one whole response for each request in flight,
/// and bounds::inbox_chunk_bytes_max of streamed chunks, beyond which a chunk becomes `overflow`.
/// Any thread pushes, the I/O thread takes.
class reply_inbox {
 public:
  /// Connections whose reply is lost for lack of memory: they must be cut, since a
  /// request of theirs would wait for ever. `all`: there were too many to remember.
  struct lost_replies {
    std::array<std::uint64_t, 64> connections{};
    std::size_t count = 0;
    bool all = false;
  };

  /// Whether nothing waits. Never true while a reply waits whose push the caller knows of.
  [[nodiscard]] bool is_empty() const noexcept { return empty_.load(std::memory_order_acquire); }
  /// True: the inbox was empty, wake the I/O thread.
  [[nodiscard]] bool push(reply&& message) noexcept;
  /// Swaps everything out into `into`, which must be empty: its storage is used for what comes
  /// next.
  void take(std::vector<reply>& into, lost_replies& lost) noexcept;

 private:
  std::mutex mutex_;
  std::vector<reply> replies_;
  std::size_t chunk_bytes_ = 0;
  lost_replies lost_;
  std::atomic<bool> empty_{true};
};

}  // namespace watchkeeper::net
