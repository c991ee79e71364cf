#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "domain/progress.hpp"
#include "storage/byte_codec.hpp"
#include "storage/hot_store.hpp"

/// The binary values of the Redis hot store, as docs/storage-format.md specifies them. Decoding is
/// strict: what is not exactly of the format is nothing.
namespace watchkeeper::storage::redis_codec {

inline constexpr std::size_t numbers_bytes = 53;
inline constexpr std::size_t mark_offset = 52;  // of a pair's mark
inline constexpr std::size_t windows_max = 4;
inline constexpr std::size_t window_bytes = 24;
inline constexpr std::size_t bucket_bytes = 16;

/// The function library counts in doubles: whole numbers are exact below this.
inline constexpr std::int64_t exact_max = std::int64_t{1} << 53;
constexpr bool is_exact(std::int64_t v) noexcept {
  return v > -exact_max && v < exact_max;
}

/// The numbers of a pair; its mark is left to the function library.
std::string encode_numbers(const progress& state, std::uint64_t version);

struct versioned_progress {
  progress state;
  std::uint64_t version = 0;
};
/// From the value of a pair.
std::optional<versioned_progress> decode_pair(std::string_view value);

/// What a session is known by among those of its student: 53 bits, exact in the function library.
std::uint64_t session_tag(const session_key_id& session) noexcept;

/// The places of a request's keys among those of the call, from 1 on.
struct key_places {
  partition_index partition = 0;
  std::size_t student = 0;
  std::size_t pair = 0;
};
/// Appends one request of wk_credit.
void encode_request(const hot_request& request, const key_places& places, std::string& out);

/// Reads one outcome of wk_credit's reply; nothing when it is not of the format.
/// `corrupt` is set when the function found the stored states to be so.
std::optional<applied_credit> decode_outcome(byte_reader& in, const hot_request& request,
                                             bool& corrupt);

}  // namespace watchkeeper::storage::redis_codec
