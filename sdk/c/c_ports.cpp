#include "sdk/c/c_ports.hpp"

#include <algorithm>

#include "sdk/c/der_signature.hpp"
#include "sdk/c/limits.hpp"

namespace watchkeeper::sdk {

std::optional<std::array<std::uint8_t, 64>> c_signer::sign(std::string_view input) {
  std::array<std::uint8_t, 80> made{};
  std::size_t size = made.size();
  if (of_.sign(of_.user, reinterpret_cast<const std::uint8_t*>(input.data()), input.size(),
               made.data(), &size) != 0 ||
      size > made.size())
    return std::nullopt;
  if (of_.format == WK_SIGNATURE_DER) return raw_signature_of(std::span{made}.first(size));
  if (size != 64) return std::nullopt;
  std::array<std::uint8_t, 64> raw;
  std::copy_n(made.begin(), raw.size(), raw.begin());
  return raw;
}

std::optional<std::string> c_storage::load() {
  std::string content(sdk_limits::stored_bytes_max, '\0');
  std::size_t size = 0;
  if (of_.load(of_.user, reinterpret_cast<std::uint8_t*>(content.data()), content.size(), &size) !=
      0)
    return std::nullopt;
  content.resize(std::min(size, content.size()));
  return content;
}

bool c_transport::send(const transport_request& request, transport_events&) {
  const wk_request made{
      request.id,           request.method,
      request.path,         request.content_type,
      request.prefer,       reinterpret_cast<const std::uint8_t*>(request.body.data()),
      request.body.size(),  request.timeout_ms,
      request.cache_control};
  return of_.send(of_.user, client_, &made) == 0;
}

std::optional<std::array<std::uint8_t, 64>> point_of(const std::uint8_t* key, std::size_t size) {
  // RFC 5480: SEQUENCE { SEQUENCE { id-ecPublicKey, prime256v1 }, BIT STRING 04 x y }
  static constexpr std::array<std::uint8_t, 26> subject_public_key_info{
      0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
      0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00};
  if (key == nullptr) return std::nullopt;
  if (size == 91) {
    if (!std::equal(subject_public_key_info.begin(), subject_public_key_info.end(), key))
      return std::nullopt;
    key += subject_public_key_info.size();
    size = 65;
  }
  if (size == 65) {
    if (key[0] != 4) return std::nullopt;
    ++key;
    size = 64;
  }
  if (size != 64) return std::nullopt;
  std::array<std::uint8_t, 64> point;
  std::copy_n(key, point.size(), point.begin());
  return point;
}

}  // namespace watchkeeper::sdk
