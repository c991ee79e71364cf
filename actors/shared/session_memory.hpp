#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "base/thread_safety.hpp"
#include "crypto/hmac.hpp"
#include "domain/ids.hpp"

namespace watchkeeper::actors {

/// The module of one session, and its key if it has one. Shared by its actor, which fills it, and
/// the directory, so that any thread that has a heartbeat can check its MAC. Thread: any; each call
/// takes a lock that is rarely contended. The key is written nowhere, and the last owner wipes it.
class session_memory {
 public:
  /// Binds the session to the module of its first verified heartbeat. False: it is bound to
  /// another.
  [[nodiscard]] bool bind(const module_id& module);
  [[nodiscard]] bool bound() const;

  /// A verified token offers this key (nothing: this gateway cannot compute it). MACs of this key
  /// are valid from now on, because a device may send them right after its offer. Returns a number
  /// for `resolve`.
  [[nodiscard]] std::uint32_t offer(const std::optional<crypto::hmac_sha256>& key);
  /// The token of that offer has its result. Accepted: its key replaces the session's key. Not
  /// accepted: the session is as it was before the offer.
  void resolve(std::uint32_t number, const std::optional<crypto::hmac_sha256>& key, bool accepted);

  enum class mac_result : std::uint8_t { valid, invalid, no_key };
  [[nodiscard]] mac_result check(std::string_view signing_input,
                                 std::span<const std::uint8_t> mac) const;

 private:
  struct keys {
    std::optional<crypto::hmac_sha256> current;
    std::optional<crypto::hmac_sha256> offered;
    std::uint32_t offers = 0;  // `offered` is from the last of them
  };

  mutable annotated_mutex mutex_;
  module_id module_ GUARDED_BY(mutex_);
  // Null in the sessions of devices that sign every heartbeat.
  std::unique_ptr<keys> keys_ GUARDED_BY(mutex_);
};

/// An offer that a heartbeat carries; resolved when the heartbeat has its result.
struct offered_session_key {
  std::shared_ptr<session_memory> session;
  std::uint32_t number = 0;
  std::optional<crypto::hmac_sha256> key;
};

}  // namespace watchkeeper::actors
