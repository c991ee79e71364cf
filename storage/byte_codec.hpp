#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace watchkeeper::storage {

/// Appends big-endian integers to a string.
class byte_writer {
 public:
  explicit byte_writer(std::string& out) : out_(out) {}
  void u8(std::uint8_t v) { out_ += static_cast<char>(v); }
  void u16(std::uint16_t v) { put(v, 2); }
  void u32(std::uint32_t v) { put(v, 4); }
  void u64(std::uint64_t v) { put(v, 8); }
  void i64(std::int64_t v) { put(static_cast<std::uint64_t>(v), 8); }
  void bytes(std::string_view v) { out_ += v; }

 private:
  void put(std::uint64_t v, int size) {
    for (int shift = (size - 1) * 8; shift >= 0; shift -= 8)
      out_ += static_cast<char>(v >> shift & 0xff);
  }
  std::string& out_;
};

/// Reads them back. Past the end it gives zeros and is no longer good(): check once, at the end.
class byte_reader {
 public:
  explicit byte_reader(std::string_view in) : in_(in) {}
  std::uint8_t u8() { return static_cast<std::uint8_t>(get(1)); }
  std::uint32_t u32() { return static_cast<std::uint32_t>(get(4)); }
  std::uint64_t u64() { return get(8); }
  std::int64_t i64() { return static_cast<std::int64_t>(get(8)); }
  std::string_view bytes(std::size_t size) {
    if (size > in_.size()) {
      good_ = false;
      return {};
    }
    const auto taken = in_.substr(0, size);
    in_.remove_prefix(size);
    return taken;
  }
  /// A length or a position in media time; not good() when it does not fit.
  std::int32_t media() {
    const auto v = u32();
    if (v > 0x7fff'ffffu) good_ = false;
    return static_cast<std::int32_t>(v & 0x7fff'ffffu);
  }

  [[nodiscard]] std::string_view rest() const noexcept { return in_; }
  [[nodiscard]] bool good() const noexcept { return good_; }
  [[nodiscard]] bool at_end() const noexcept { return in_.empty(); }

 private:
  std::uint64_t get(std::size_t size) {
    std::uint64_t v = 0;
    for (const char c : bytes(size)) v = v << 8 | static_cast<unsigned char>(c);
    return v;
  }
  std::string_view in_;
  bool good_ = true;
};

}  // namespace watchkeeper::storage
