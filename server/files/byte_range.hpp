#pragma once

#include <cstdint>
#include <string_view>

namespace watchkeeper::server {

/// What a `range` field asks of a representation of `size` bytes (RFC 9110, section 14).
struct byte_range {
  enum class kind : std::uint8_t {
    whole,          // no field, another unit, several ranges or a malformed field
    part,           // `first` to `last`, both included
    unsatisfiable,  // 416
  };
  kind what = kind::whole;
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  friend bool operator==(const byte_range&, const byte_range&) = default;
};
byte_range byte_range_of(std::string_view field, std::uint64_t size) noexcept;

}  // namespace watchkeeper::server
