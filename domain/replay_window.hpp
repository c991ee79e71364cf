#pragma once

#include <cstdint>

#include "domain/limits.hpp"

namespace watchkeeper {

/// The last 64 sequence numbers of a session: which were credited (docs/protocol.md, section 5,
/// rule 6). Bit i of `seen` stands for the number `highest - i`.
class replay_window {
 public:
  enum class sequence_state : std::uint8_t { fresh, seen, too_old };

  replay_window() = default;  // nothing seen
  replay_window(std::uint32_t highest, std::uint64_t seen) : highest_(highest), seen_(seen) {}

  [[nodiscard]] sequence_state check(std::uint32_t sequence) const noexcept;
  /// Precondition: check(sequence) == fresh.
  void mark(std::uint32_t sequence) noexcept;

  [[nodiscard]] bool empty() const noexcept { return seen_ == 0; }
  [[nodiscard]] std::uint32_t highest() const noexcept { return highest_; }
  [[nodiscard]] std::uint64_t seen() const noexcept { return seen_; }
  friend bool operator==(const replay_window&, const replay_window&) = default;

 private:
  std::uint32_t highest_ = 0;
  std::uint64_t seen_ = 0;  // 0: no number seen yet
};

}  // namespace watchkeeper
