#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "sdk/c/include/watchkeeper.h"
#include "sdk/c/ports.hpp"

/// The host's callbacks behind the ports of the engine.
namespace watchkeeper::sdk {

class c_clock final : public device_clock {
 public:
  explicit c_clock(const wk_clock& of) : of_(of) {}
  instant now() override {
    running_ = true;
    std::int64_t wall = 0, monotonic = 0;
    of_.now(of_.user, &wall, &monotonic);
    running_ = false;
    // Whatever the host's clock does, ours never goes back.
    last_ms_ = std::max(last_ms_, monotonic);
    return {wall_ms(wall), mono_ms(last_ms_)};
  }
  /// The host's function runs: what it calls of the client would need the time itself.
  [[nodiscard]] bool running() const noexcept { return running_; }

 private:
  wk_clock of_;
  bool running_ = false;
  std::int64_t last_ms_ = INT64_MIN;
};

class c_signer final : public signer {
 public:
  explicit c_signer(const wk_signer& of) : of_(of) {}
  std::optional<std::array<std::uint8_t, 64>> sign(std::string_view input) override;

 private:
  wk_signer of_;
};

class c_agreement final : public key_agreement {
 public:
  explicit c_agreement(const wk_key_agreement& of) : of_(of) {}
  bool agree(std::span<const std::uint8_t, 64> peer, std::span<std::uint8_t, 64> own_point,
             shared_secret& z) override {
    return of_.agree(of_.user, peer.data(), own_point.data(), z.data()) == 0;
  }

 private:
  wk_key_agreement of_;
};

class c_storage final : public buffer_storage {
 public:
  explicit c_storage(const wk_storage& of) : of_(of) {}
  std::optional<std::string> load() override;
  bool save(std::string_view content) override {
    return of_.save(of_.user, reinterpret_cast<const std::uint8_t*>(content.data()),
                    content.size()) == 0;
  }

 private:
  wk_storage of_;
};

class c_transport final : public transport {
 public:
  c_transport(const wk_transport& of, wk_client* client) : of_(of), client_(client) {}
  bool send(const transport_request& request, transport_events&) override;
  void cancel(std::uint64_t id) override {
    if (of_.cancel != nullptr) of_.cancel(of_.user, id);
  }

 private:
  wk_transport of_;
  wk_client* client_;
};

/// 64 bytes x‖y of the three forms that a public key may have; nothing when it is none of them.
std::optional<std::array<std::uint8_t, 64>> point_of(const std::uint8_t* key, std::size_t size);

}  // namespace watchkeeper::sdk
