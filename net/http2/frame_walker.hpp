#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace watchkeeper::net {

/// The header of an HTTP/2 frame (RFC 9113 section 4.1), as far as counting needs it.
struct frame_head {
  std::uint32_t length;
  std::uint8_t type;
  std::uint8_t flags;
  std::int32_t stream;
};

/// Follows the frames of a client's byte stream, in pieces of any size, and sees all of them:
/// nghttp2 does not report those that it ignores (unknown types; frames of streams that are gone),
/// and those can be a flood as well. Judges nothing. Thread: the connection's.
class frame_walker {
 public:
  /// Calls `visit(frame_head)` at each frame's header until it returns false; then false.
  template <class Visit>
  [[nodiscard]] bool walk(std::span<const std::uint8_t> bytes, Visit visit) {
    while (!bytes.empty()) {
      if (skip_ > 0) {
        const auto part = std::min<std::size_t>(skip_, bytes.size());
        skip_ -= static_cast<std::uint32_t>(part);
        bytes = bytes.subspan(part);
        continue;
      }
      const auto part = std::min(head_.size() - have_, bytes.size());
      std::memcpy(head_.data() + have_, bytes.data(), part);
      have_ = static_cast<std::uint8_t>(have_ + part);
      bytes = bytes.subspan(part);
      if (have_ < head_.size()) break;
      have_ = 0;
      const frame_head head{static_cast<std::uint32_t>(head_[0] << 16 | head_[1] << 8 | head_[2]),
                            head_[3], head_[4],
                            (head_[5] & 0x7f) << 24 | head_[6] << 16 | head_[7] << 8 | head_[8]};
      skip_ = head.length;
      if (!visit(head)) return false;
    }
    return true;
  }

 private:
  static constexpr std::uint32_t preface_bytes = 24;
  std::uint32_t skip_ = preface_bytes;
  std::array<std::uint8_t, 9> head_{};
  std::uint8_t have_ = 0;
};

}  // namespace watchkeeper::net
