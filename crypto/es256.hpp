#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "crypto/digest.hpp"

/// Which arithmetic verifies ES256 in this process: the own one (p256_fast.hpp), or OpenSSL's
/// (p256.hpp). Both answer alike (docs/adr/0012-own-p256-verification.md). Without a choice the own
/// one is taken at the first verification, where the processor has BMI2 and ADX, and its self test
/// passes.
namespace watchkeeper::crypto::es256 {

enum class choice : std::uint8_t { automatic, openssl };

enum class arithmetic : std::uint8_t {
  own,
  openssl_chosen,
  openssl_for_processor,  // no BMI2 or no ADX, or not x86-64
  openssl_for_self_test,  // the own one gave a wrong answer: worth an error in the log
};

inline constexpr std::size_t tables_default = 65'536;  // 150 MB when full
inline constexpr std::size_t tables_max = 1'000'000;

/// Chooses for the whole process, before the first verification: afterwards nothing changes any
/// more. `tables` limits the tables of multiples that the own arithmetic keeps of keys that verify
/// often, about 2.3 KB each. Gives what is in use from now on.
arithmetic use(choice which, std::size_t tables = tables_default) noexcept;
arithmetic in_use() noexcept;
/// "own" or "openssl".
std::string_view name_of(arithmetic which) noexcept;
/// Why, as a sentence's part: "the processor has no BMI2 or ADX".
std::string_view reason_of(arithmetic which) noexcept;

/// Tables kept now.
std::size_t tables_kept() noexcept;

/// As p256::verify, by what is in use. Any thread.
bool verify(std::span<const std::uint8_t, 64> point, const sha256_digest& digest,
            std::span<const std::uint8_t, 64> signature) noexcept;

/// Known answers, true and false ones. What fails here verifies nothing.
using verify_function = bool (*)(std::span<const std::uint8_t, 64> point,
                                 const sha256_digest& digest,
                                 std::span<const std::uint8_t, 64> signature) noexcept;
bool passes_self_test(verify_function verify) noexcept;

}  // namespace watchkeeper::crypto::es256
