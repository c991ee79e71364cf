#pragma once

#include <algorithm>
#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/hash.hpp"
#include "domain/limits.hpp"

namespace watchkeeper {

/// An identifier of 1 to 64 characters of `A-Z a-z 0-9 . _ ~ : @ -`, kept in place: no allocation,
/// trivially copyable. `Tag` keeps a student from being passed where a module is meant.
/// A default-constructed id is empty and equals no parsed one.
template <class Tag>
class bounded_id {
 public:
  constexpr bounded_id() = default;

  /// Nothing when `text` is empty, too long, or holds a character outside the alphabet.
  static std::optional<bounded_id> parse(std::string_view text) noexcept {
    if (text.empty() || text.size() > limits::id_chars_max) return std::nullopt;
    for (char c : text)
      if (!allowed(c)) return std::nullopt;
    bounded_id id;
    std::memcpy(id.chars_.data(), text.data(), text.size());
    id.size_ = static_cast<std::uint8_t>(text.size());
    return id;
  }

  [[nodiscard]] std::string_view view() const noexcept { return {chars_.data(), size_}; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }

  friend bool operator==(const bounded_id& a, const bounded_id& b) noexcept {
    return a.view() == b.view();
  }
  friend std::strong_ordering operator<=>(const bounded_id& a, const bounded_id& b) noexcept {
    return a.view() <=> b.view();
  }

 private:
  static constexpr bool allowed(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '~' || c == ':' || c == '@' || c == '-';
  }

  std::array<char, limits::id_chars_max> chars_{};
  std::uint8_t size_ = 0;
};

using student_id = bounded_id<struct student_tag>;
using module_id = bounded_id<struct module_tag>;
using session_id = bounded_id<struct session_tag>;

/// RFC 7638 SHA-256 thumbprint of a device's public JWK: the `kid` of the protocol.
struct thumbprint {
  static constexpr std::size_t text_chars = 43;

  std::array<std::uint8_t, 32> bytes{};

  /// From base64url (RFC 4648, section 5), exactly `text_chars` of them; nothing for another text.
  static std::optional<thumbprint> parse(std::string_view text) noexcept;
  /// As base64url, `text_chars` long.
  [[nodiscard]] std::string text() const;

  friend bool operator==(const thumbprint&, const thumbprint&) = default;
  friend auto operator<=>(const thumbprint&, const thumbprint&) = default;
};

/// One student's progress in one module is one pair: the unit of state.
struct pair_key {
  student_id student;
  module_id module;
  friend bool operator==(const pair_key&, const pair_key&) = default;
  friend auto operator<=>(const pair_key&, const pair_key&) = default;
};

/// One playback by one device.
struct session_key_id {
  thumbprint device;
  session_id session;
  friend bool operator==(const session_key_id&, const session_key_id&) = default;
};

/// 0 … limits::partitions - 1, fixed for a deployment.
using partition_index = std::uint16_t;
partition_index partition_of(const student_id& student) noexcept;

}  // namespace watchkeeper

template <class Tag>
struct std::hash<watchkeeper::bounded_id<Tag>> {
  std::size_t operator()(const watchkeeper::bounded_id<Tag>& id) const noexcept {
    return watchkeeper::stable_hash(id.view());
  }
};
template <>
struct std::hash<watchkeeper::thumbprint> {
  std::size_t operator()(const watchkeeper::thumbprint& t) const noexcept {
    std::size_t h;  // a SHA-256 value is its own hash
    std::memcpy(&h, t.bytes.data(), sizeof h);
    return h;
  }
};
template <>
struct std::hash<watchkeeper::pair_key> {
  std::size_t operator()(const watchkeeper::pair_key& key) const noexcept {
    return watchkeeper::stable_hash(key.student.view()) * 0x9e3779b97f4a7c15ull ^
           watchkeeper::stable_hash(key.module.view());
  }
};
template <>
struct std::hash<watchkeeper::session_key_id> {
  std::size_t operator()(const watchkeeper::session_key_id& key) const noexcept {
    return std::hash<watchkeeper::thumbprint>{}(key.device) * 0x9e3779b97f4a7c15ull ^
           watchkeeper::stable_hash(key.session.view());
  }
};
