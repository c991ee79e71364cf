#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace watchkeeper::storage {

/// Carries messages between gateways that viewers of the live view should see at once. Nothing
/// depends on it: a lost message only makes the live view late.
class live_channel {
 public:
  /// Called on the channel's thread; must not block or throw.
  struct receiver {
    std::function<void(std::string_view message)> message;  // own messages come back too
    std::function<void()> gap;  // reconnected: messages that were sent meanwhile are lost
  };
  struct statistics {
    bool shared = false;  // false: there are no other gateways
    bool up = false;
    std::uint64_t published = 0;
    std::uint64_t received = 0;
    std::uint64_t dropped = 0;   // not sent, because there was no connection or too many waited
    std::uint64_t failures = 0;  // connections that were lost or could not be made
  };

  virtual ~live_channel() = default;  // as stop()
  /// Once, before everything else.
  virtual void start(receiver to) = 0;
  virtual void stop() = 0;
  /// Any thread; never waits.
  virtual void publish(std::string&& message) noexcept = 0;
  [[nodiscard]] virtual statistics state() const = 0;
};

/// For a single gateway.
std::unique_ptr<live_channel> make_null_live_channel();
/// Redis publish/subscribe on the channel "wk:live", with a thread and two connections of its own.
/// `url` has the form of the hot store's. Throws std::invalid_argument if it does not.
std::unique_ptr<live_channel> make_redis_live_channel(const std::string& url);

}  // namespace watchkeeper::storage
