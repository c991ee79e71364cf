#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <unordered_map>

#include "base/thread_safety.hpp"
#include "net/shared/http.hpp"

namespace watchkeeper::net {

/// How many connections there may be, in all and from one address (IPv6: from one /64). Asked once
/// for each connection, so a mutex is fast enough. Any thread.
class admission {
 public:
  admission(std::size_t connections_max, std::size_t per_address_max);

  /// False: over a limit, and nothing was counted. May throw std::bad_alloc.
  [[nodiscard]] bool enter(const peer_address& peer);
  void leave(const peer_address& peer) noexcept;

  /// True when there is no connection, at the latest at the deadline.
  bool wait_until_empty(std::chrono::steady_clock::time_point deadline);

 private:
  struct hash_of_address {
    std::size_t operator()(const peer_address& address) const noexcept;
  };
  const std::size_t connections_max_;
  const std::size_t per_address_max_;
  const bool counts_addresses_;
  annotated_mutex mutex_;
  std::condition_variable emptied_;
  std::size_t connections_ GUARDED_BY(mutex_) = 0;
  std::unordered_map<peer_address, std::size_t, hash_of_address> by_address_ GUARDED_BY(mutex_);
};

}  // namespace watchkeeper::net
