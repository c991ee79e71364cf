#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "crypto/digest.hpp"

/// Which arithmetic verifies ES256 in this process: our own (p256_fast.hpp), or OpenSSL's
/// (p256.hpp). Both give the same results (docs/adr/0012-own-p256-verification.md). If nobody has
/// called `use` by the first verification, it takes our own, provided that the processor has BMI2
/// and ADX and the self test passes; else OpenSSL's.
namespace watchkeeper::crypto::es256 {

enum class choice : std::uint8_t { automatic, openssl };

enum class arithmetic : std::uint8_t {
  own,
  openssl_chosen,
  openssl_for_processor,  // no BMI2 or no ADX, or not x86-64
  openssl_for_self_test,  // our own gave a wrong result: worth an error in the log
};

inline constexpr std::size_t tables_default = 65'536;  // 150 MB when full
inline constexpr std::size_t tables_max = 1'000'000;

/// Chooses for the whole process. Call it before the first verification: after that it changes
/// nothing. `tables` limits the tables of multiples that the own arithmetic keeps of keys that
/// verify often, about 2.3 KB each. Gives what is in use from now on.
arithmetic use(choice which, std::size_t tables = tables_default) noexcept;
arithmetic in_use() noexcept;
/// "own" or "openssl".
std::string_view name_of(arithmetic which) noexcept;
/// Why, as a sentence's part: "the processor has no BMI2 or ADX".
std::string_view reason_of(arithmetic which) noexcept;

/// Tables kept now.
std::size_t tables_cached() noexcept;

/// As p256::verify, by the arithmetic that is in use. Any thread.
bool verify(std::span<const std::uint8_t, 64> point, const sha256_digest& digest,
            std::span<const std::uint8_t, 64> signature) noexcept;

/// Checks signatures whose results are known, valid and invalid ones. An arithmetic that fails is
/// not used.
using verify_function = bool (*)(std::span<const std::uint8_t, 64> point,
                                 const sha256_digest& digest,
                                 std::span<const std::uint8_t, 64> signature) noexcept;
bool passes_self_test(verify_function verify) noexcept;

}  // namespace watchkeeper::crypto::es256
