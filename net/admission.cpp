#include "net/admission.hpp"

#include <string_view>

#include "base/address_prefix.hpp"

namespace watchkeeper::net {

admission::admission(std::size_t connections_max, std::size_t per_address_max)
    : connections_max_(connections_max),
      per_address_max_(per_address_max),
      counts_addresses_(per_address_max < connections_max) {}

std::size_t admission::hash_of_address::operator()(const peer_address& address) const noexcept {
  return std::hash<std::string_view>{}(
      {reinterpret_cast<const char*>(address.bytes.data()), address.bytes.size()});
}

bool admission::enter(const peer_address& peer) {
  const mutex_lock lock(mutex_);
  if (connections_ >= connections_max_) return false;
  if (counts_addresses_) {
    if (per_address_max_ == 0) return false;
    auto& count = by_address_[{address_prefix_of(peer.bytes)}];
    if (count >= per_address_max_) return false;
    ++count;
  }
  ++connections_;
  return true;
}

void admission::leave(const peer_address& peer) noexcept {
  const mutex_lock lock(mutex_);
  if (counts_addresses_) {
    const auto at = by_address_.find({address_prefix_of(peer.bytes)});
    if (at != by_address_.end() && --at->second == 0) by_address_.erase(at);
  }
  if (--connections_ == 0) emptied_.notify_all();
}

bool admission::wait_until_empty(std::chrono::steady_clock::time_point deadline) {
  mutex_lock lock(mutex_);
  return emptied_.wait_until(lock.native(), deadline,
                             [&]() REQUIRES(mutex_) { return connections_ == 0; });
}

}  // namespace watchkeeper::net
