#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "actors/live/update.hpp"
#include "domain/problem.hpp"

/// The messages of the live view between gateways: text in lines, so that an older or newer gateway
/// reads a message or ignores it. The grammar is in docs/storage-format.md.
namespace watchkeeper::actors {

/// These modules are being watched at the sender: publish their updates for a while.
struct live_interest {
  std::vector<module_id> modules;
};
struct live_updates {
  module_id module;
  std::vector<live_update> items;
};
/// The sender acknowledged heartbeats of these students, in any module, watched or not.
struct live_seen {
  struct one {
    student_id student;
    std::uint32_t credited = 0;  // heartbeats that earned something
  };
  module_id module;
  std::vector<one> students;
};
/// Sums since the start, or their growth, which `totals` events contain.
struct live_counts {
  std::array<std::uint64_t, 4> by_status{};  // index: credit_status
  std::array<std::uint64_t, problem_count> by_problem{};
  std::uint64_t sessions = 0;  // this and `connections` are current numbers
  std::uint64_t connections = 0;
};
/// The last second of the sender.
struct live_second {
  std::int64_t elapsed_ms = 0;
  live_counts grown;
};
/// The sender had to leave something out.
struct live_gap {};

struct live_message {
  static constexpr std::size_t bytes_max = 256 * 1024;
  static constexpr std::size_t items_max = 400;
  static constexpr std::size_t modules_max = 1024;
  static constexpr std::size_t students_max = 2048;
  std::uint64_t gateway = 0;  // random, so that a gateway can skip its own messages
  std::variant<live_interest, live_updates, live_seen, live_second, live_gap> what;
};

/// Precondition: not more than items_max items, modules_max modules, students_max students.
std::string encode(const live_message& message);
std::string encode_updates(std::uint64_t gateway, const module_id& module,
                           std::span<const live_update* const> items);
/// Returns nothing for a text that no gateway of this version sends.
std::optional<live_message> decode_live_message(std::string_view text);

}  // namespace watchkeeper::actors
