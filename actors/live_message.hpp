#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "actors/live_update.hpp"

/// What gateways tell each other of the live view: text, a line a thing, so that an older or newer
/// gateway reads it or leaves it alone. The grammar: docs/storage-format.md.
namespace watchkeeper::actors {

/// These modules are being watched at the sender: tell of them for a while.
struct live_interest {
  std::vector<module_id> modules;
};
struct live_updates {
  module_id module;
  std::vector<live_update> items;
};
/// The sender had to leave something out.
struct live_gap {};

struct live_message {
  static constexpr std::size_t bytes_max = 256 * 1024;
  static constexpr std::size_t items_max = 400;
  static constexpr std::size_t modules_max = 1024;
  std::uint64_t gateway = 0;  // random, so that a gateway knows its own
  std::variant<live_interest, live_updates, live_gap> what;
};

/// Precondition: not more than items_max items, modules_max modules.
std::string encode(const live_message& message);
std::string encode_updates(std::uint64_t gateway, const module_id& module,
                           std::span<const live_update* const> items);
/// Nothing for what no gateway of this version sends.
std::optional<live_message> decode_live_message(std::string_view text);

}  // namespace watchkeeper::actors
