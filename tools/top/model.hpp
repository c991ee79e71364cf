#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace watchkeeper::top {

/// A number that a gateway may not report: an older or newer one, or one without that part.
using maybe = std::optional<double>;

/// Two looks at a gateway's statistics and what follows from their difference. Takes any JSON: what
/// is missing, or of another type, is unknown, never an error. One thread.
class top_model {
 public:
  using time_point = std::chrono::steady_clock::time_point;

  void look(nlohmann::json stats, time_point now);
  [[nodiscard]] bool has_looked() const noexcept { return !current_.is_null(); }

  /// The value at a JSON pointer (RFC 6901), such as "/heartbeats/credited".
  [[nodiscard]] maybe number(const std::string& pointer) const;
  [[nodiscard]] std::optional<bool> flag(const std::string& pointer) const;
  [[nodiscard]] std::string text(const std::string& pointer) const;  // empty: unknown
  /// Growth a second between the looks. Unknown before the second look, and where the number has
  /// become smaller: the gateway was started anew.
  [[nodiscard]] maybe per_second(const std::string& pointer) const;

  /// Heartbeats a second, all statuses together, of the looks so far; the newest last.
  [[nodiscard]] const std::deque<double>& history() const noexcept { return history_; }
  [[nodiscard]] std::size_t shards() const;  // at most fleet::fleet_limits::top_shards_max
  /// Names and counts, the largest first; zeros are left out.
  [[nodiscard]] std::vector<std::pair<std::string, std::uint64_t>> problems() const;
  [[nodiscard]] std::vector<std::string> algorithms() const;  // members of /verification

 private:
  nlohmann::json current_;
  nlohmann::json previous_;
  time_point at_{};
  double seconds_ = 0;  // between the looks
  std::deque<double> history_;
};

}  // namespace watchkeeper::top
