#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstdint>

namespace watchkeeper {

/// Counts durations in buckets of 1/8 octave (at most 12.5 % wide) from 1 µs to over an hour.
/// One or many threads record, any thread reads; a reading is a snapshot that may be a little torn.
class latency_histogram {
 public:
  static constexpr std::size_t buckets = 8 * 32;

  void record_us(std::int64_t duration_us, std::uint64_t times = 1) noexcept {
    const auto us = static_cast<std::uint64_t>(std::max<std::int64_t>(duration_us, 0));
    counts_[bucket_of(us)].fetch_add(times, std::memory_order_relaxed);
    sum_us_.fetch_add(us * times, std::memory_order_relaxed);
  }

  [[nodiscard]] std::uint64_t count() const noexcept {
    std::uint64_t total = 0;
    for (const auto& c : counts_) total += c.load(std::memory_order_relaxed);
    return total;
  }
  [[nodiscard]] std::uint64_t sum_us() const noexcept {
    return sum_us_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t count_in(std::size_t bucket) const noexcept {
    return counts_[bucket].load(std::memory_order_relaxed);
  }
  /// Upper bound in µs of the bucket that holds the quantile `q` in (0, 1]; 0 when empty.
  [[nodiscard]] std::uint64_t quantile_us(double q) const noexcept {
    const auto total = count();
    if (total == 0) return 0;
    auto rank = static_cast<std::uint64_t>(q * static_cast<double>(total));
    if (rank == 0) rank = 1;
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < buckets; ++i) {
      seen += count_in(i);
      if (seen >= rank) return upper_bound_us(i);
    }
    return upper_bound_us(buckets - 1);
  }
  void add(const latency_histogram& other) noexcept {
    for (std::size_t i = 0; i < buckets; ++i)
      counts_[i].fetch_add(other.count_in(i), std::memory_order_relaxed);
    sum_us_.fetch_add(other.sum_us(), std::memory_order_relaxed);
  }

  static constexpr std::size_t bucket_of(std::uint64_t us) noexcept {
    if (us < 8) return static_cast<std::size_t>(us);
    const auto octave = static_cast<std::size_t>(std::bit_width(us)) - 1;  // >= 3
    const auto bucket = (octave - 2) * 8 + ((us >> (octave - 3)) & 7);
    return bucket < buckets ? static_cast<std::size_t>(bucket) : buckets - 1;
  }
  /// The largest duration that falls into the bucket.
  static constexpr std::uint64_t upper_bound_us(std::size_t bucket) noexcept {
    if (bucket < 8) return bucket;
    const auto octave = bucket / 8 + 2;
    const auto step = bucket % 8;
    return ((8 + step + 1) << (octave - 3)) - 1;
  }

 private:
  std::array<std::atomic<std::uint64_t>, buckets> counts_{};
  std::atomic<std::uint64_t> sum_us_{0};
};

static_assert(latency_histogram::bucket_of(latency_histogram::upper_bound_us(100)) == 100);
static_assert(latency_histogram::bucket_of(latency_histogram::upper_bound_us(100) + 1) == 101);

}  // namespace watchkeeper
