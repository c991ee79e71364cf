#pragma once

#if defined(__x86_64__)

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "crypto/p256_curve.hpp"

namespace watchkeeper::crypto::p256 {

/// Tables of multiples of public keys that verify often. A new table evicts the least recently used
/// one. Any thread: up to 16 stripes, each with a lock for the look-up only. A table that is in use
/// outlives its eviction.
///
/// A key gets its table at its second verification, because most keys have no second one. At the
/// limit it gets one only if it came again sooner than the oldest table was used. So if more keys
/// than tables come in turn, some keep their tables, and do not evict each other's.
///
/// Memory: about 2.3 KB for each table, and up to 64 bytes for each that there may be.
class key_table_cache {
 public:
  using table = std::shared_ptr<const key_table>;

  /// At most `tables_max` tables; 0: none.
  explicit key_table_cache(std::size_t tables_max);
  ~key_table_cache();
  key_table_cache(const key_table_cache&) = delete;
  key_table_cache& operator=(const key_table_cache&) = delete;

  /// Null if there is none. `key`: x‖y.
  [[nodiscard]] table find(std::span<const std::uint8_t, 64> key) noexcept;

  /// A signature by `key` was verified without a table. Makes its table if it is time; without
  /// memory for it, does nothing. Only valid signatures count, so that forged ones, which cost
  /// their sender nothing, drive no table out.
  void verified(std::span<const std::uint8_t, 64> key) noexcept;

  [[nodiscard]] std::size_t size() const noexcept;
  [[nodiscard]] std::size_t tables_max() const noexcept { return tables_max_; }

 private:
  using key_bytes = std::array<std::uint8_t, 64>;
  struct stripe;
  /// Under a secret seed: nobody can choose keys that fall together.
  [[nodiscard]] std::uint64_t hash(std::span<const std::uint8_t, 64> key) const noexcept;
  [[nodiscard]] stripe& stripe_of(std::uint64_t hash) const noexcept;

  std::size_t tables_max_;
  std::array<std::uint64_t, 4> seed_;
  std::vector<std::unique_ptr<stripe>> stripes_;
};

}  // namespace watchkeeper::crypto::p256

#endif
