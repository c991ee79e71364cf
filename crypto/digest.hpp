#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace watchkeeper::crypto {

using sha256_digest = std::array<std::uint8_t, 32>;
sha256_digest sha256(std::string_view bytes);
std::string hex(std::span<const std::uint8_t> bytes);
/// Takes the same time wherever the first difference is; false for different lengths.
bool constant_time_equal(std::span<const std::uint8_t> a, std::span<const std::uint8_t> b) noexcept;
/// From the operating system; aborts the process when there is none to be had.
void random_bytes(std::span<std::uint8_t> out) noexcept;
/// Of random bits: RFC 9562, version 4.
std::string random_uuid();

}  // namespace watchkeeper::crypto
