#pragma once

#if defined(__x86_64__)

#include <cstdint>
#include <span>

#include "crypto/digest.hpp"
#include "crypto/p256_curve.hpp"

/// ES256 verification by the arithmetic of p256_curve.hpp, for processors with BMI2 and ADX. What
/// is verified is public, so nothing here takes the same time for all values. Any thread; no heap,
/// about 15 KB of stack.
namespace watchkeeper::crypto::p256 {

/// Asks the processor.
bool fast_is_supported() noexcept;

/// FIPS 186-4, section 6.4.2; the same answer as p256::verify. False for a point that is not on the
/// curve, and for an r or s of zero or not below the order.
bool verify_fast(std::span<const std::uint8_t, 64> point, const sha256_digest& digest,
                 std::span<const std::uint8_t, 64> signature) noexcept;

/// The same with the table that make_table made of the point.
bool verify_fast(const key_table& table, const sha256_digest& digest,
                 std::span<const std::uint8_t, 64> signature) noexcept;

}  // namespace watchkeeper::crypto::p256

#endif
