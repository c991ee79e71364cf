#pragma once

#include <string>
#include <utility>

#include "sdk/c/ports.hpp"
#include "sdk/c/software_key.hpp"

/// The defaults of what a host may supply, but for the transport.
namespace watchkeeper::sdk {

/// CLOCK_REALTIME, and CLOCK_BOOTTIME where there is one: it goes on while the device sleeps.
class system_clock final : public device_clock {
 public:
  instant now() override;
};

class software_signer final : public signer {
 public:
  explicit software_signer(software_key key) : key_(std::move(key)) {}
  std::optional<std::array<std::uint8_t, 64>> sign(std::string_view input) override {
    return key_.sign(input);
  }

 private:
  software_key key_;
};

class software_agreement final : public key_agreement {
 public:
  bool agree(std::span<const std::uint8_t, 64> peer, std::span<std::uint8_t, 64> own_point,
             shared_secret& z) override {
    return sdk::agree(peer, own_point, z);
  }
};

/// A file that is replaced as a whole (written aside, renamed). It outlives the program; not synced
/// to the disk, for a heartbeat lost with the battery is not worth a flush every ten seconds.
class file_storage final : public buffer_storage {
 public:
  explicit file_storage(std::string path) : path_(std::move(path)) {}
  std::optional<std::string> load() override;
  bool save(std::string_view content) override;

 private:
  std::string path_;
};

/// A UUID (RFC 9562 version 4) of 122 of these random bits.
std::string make_uuid(std::uint64_t high, std::uint64_t low);
std::uint64_t random_number();

}  // namespace watchkeeper::sdk
