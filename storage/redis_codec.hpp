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
namespace watchkeeper::redis_codec {

inline constexpr std::size_t numbers_bytes = 53;

/// The `numbers` field of a pair; its mark is left to the function library.
std::string encode_numbers(const progress& state, std::uint64_t version);

struct versioned_progress {
  progress state;
  std::uint64_t version = 0;
};
/// From the two fields of a pair.
std::optional<versioned_progress> decode_pair(std::string_view covered, std::string_view numbers);

/// Appends the arguments of one request of wk_credit.
void encode_request(const hot_request& request, std::string& out);

/// Reads one outcome of wk_credit's reply; nothing when it is not of the format.
/// `corrupt` is set when the function found the stored states to be so.
std::optional<applied_credit> decode_outcome(byte_reader& in, bool want_coverage, bool& corrupt);

}  // namespace watchkeeper::redis_codec
