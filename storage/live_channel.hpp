#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace watchkeeper::storage {

/// How gateways tell each other what those who watch should see at once. Nothing depends on it: a
/// message that is lost costs liveness only.
class live_channel {
 public:
  /// Called on the channel's thread; must not block or throw.
  struct receiver {
    std::function<void(std::string_view message)> message;  // own messages come back too
    std::function<void()> gap;  // connected again: what was sent meanwhile is lost
  };
  struct statistics {
    bool shared = false;  // false: there is nobody to tell
    bool up = false;
    std::uint64_t published = 0;
    std::uint64_t received = 0;
    std::uint64_t dropped = 0;   // not sent: not connected, or too many waited
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

/// For a gateway that is alone.
std::unique_ptr<live_channel> make_null_live_channel();
/// Redis publish/subscribe on the channel "wk:live", on a thread and two connections of its own.
/// `url`: as of the hot store. Throws std::invalid_argument for a URL that is none.
std::unique_ptr<live_channel> make_redis_live_channel(const std::string& url);

}  // namespace watchkeeper::storage
