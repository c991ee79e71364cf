#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "sdk/c/heartbeat_response.hpp"
#include "sdk/c/pending_heartbeat.hpp"
#include "sdk/c/session_key.hpp"

/// The dependencies of an engine. The C interface implements them by the host's callbacks or by the
/// defaults. All are called on the client's thread.
namespace watchkeeper::sdk {

class device_clock {
 public:
  virtual ~device_clock() = default;
  virtual instant now() = 0;
};

class signer {
 public:
  virtual ~signer() = default;
  /// Empty if it failed: nothing is sent for now, and nothing is lost.
  virtual std::optional<std::array<std::uint8_t, 64>> sign(std::string_view input) = 0;
};

class key_agreement {
 public:
  virtual ~key_agreement() = default;
  virtual bool agree(std::span<const std::uint8_t, 64> peer, std::span<std::uint8_t, 64> own_point,
                     shared_secret& z) = 0;
};

class buffer_storage {
 public:
  virtual ~buffer_storage() = default;
  /// No value if it could not be read; an empty string if nothing was ever stored.
  virtual std::optional<std::string> load() = 0;
  virtual bool save(std::string_view content) = 0;
};

struct transport_request {
  std::uint64_t id = 0;
  const char* method = "POST";
  const char* path = "/v1/heartbeats";
  const char* content_type = nullptr;
  const char* prefer = nullptr;
  std::string_view body;
  std::int64_t timeout_ms = 0;
  const char* cache_control = nullptr;
};

/// Receives the outcome of a request from the transport: one call for each request.
class transport_events {
 public:
  virtual ~transport_events() = default;
  /// False if the request is not in flight.
  virtual bool on_response(std::uint64_t id, http_response&& response) = 0;
  /// `sent`: some of the request may have reached the gateway.
  virtual bool on_failure(std::uint64_t id, bool sent, std::string_view why) = 0;
};

class transport {
 public:
  virtual ~transport() = default;
  /// Copies the request. Events may come within this call. False: nothing was sent, and no event
  /// follows.
  virtual bool send(const transport_request& request, transport_events& events) = 0;
  virtual void cancel(std::uint64_t id) = 0;
  virtual void poll(mono_ms /*now*/, transport_events& /*events*/) {}
  /// Until `poll` has something to do without the descriptor being ready; -1: nothing.
  virtual std::int64_t next_due_ms(mono_ms /*now*/) { return -1; }
  virtual int descriptor(short& events) {
    events = 0;
    return -1;
  }
  virtual std::uint64_t bytes_up() const { return 0; }
  virtual std::uint64_t bytes_down() const { return 0; }
};

}  // namespace watchkeeper::sdk
