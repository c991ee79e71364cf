#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string_view>

#include "crypto/hmac.hpp"
#include "domain/ids.hpp"

namespace watchkeeper::actors {

/// What is known of one session: its module, and its key if it has one. Shared by its actor, which
/// fills it, and the directory, so that a MAC can be checked by whatever thread has the heartbeat.
/// Any thread; each call takes a lock that is hardly ever contended. The key is wiped when the last
/// owner lets go: it is written nowhere.
class session_memory {
 public:
  /// Binds the session to the module of its first heartbeat that verified. False: bound to another.
  [[nodiscard]] bool bind(const module_id& module);
  [[nodiscard]] bool bound() const;

  /// A token that verified offers this key (nothing: one that this gateway cannot compute). MACs
  /// made with it are good from now on, since a device may send them behind its offer. The number
  /// is for `settle`.
  [[nodiscard]] std::uint32_t offer(const std::optional<crypto::hmac_sha256>& key);
  /// The token of that offer was answered. Accepted: its key is the session's, and the one before
  /// is forgotten. Not accepted: all is as it was before.
  void settle(std::uint32_t number, const std::optional<crypto::hmac_sha256>& key, bool accepted);

  enum class verdict : std::uint8_t { holds, wrong, no_key };
  [[nodiscard]] verdict check(std::string_view signing_input,
                              std::span<const std::uint8_t> mac) const;

 private:
  struct keys {
    std::optional<crypto::hmac_sha256> current;
    std::optional<crypto::hmac_sha256> offered;
    std::uint32_t offers = 0;  // `offered` is of the last one
  };

  mutable std::mutex mutex_;
  module_id module_;
  std::unique_ptr<keys> keys_;  // most devices that sign everything never need it
};

/// An offer that a heartbeat carries: settled when the heartbeat is answered.
struct offered_session_key {
  std::shared_ptr<session_memory> session;
  std::uint32_t number = 0;
  std::optional<crypto::hmac_sha256> key;
};

}  // namespace watchkeeper::actors
