#pragma once

#include <optional>
#include <span>
#include <string>

#include "base/json_writer.hpp"
#include "storage/hot_store.hpp"

namespace watchkeeper::server {

/// The members of a progress (docs/protocol.md, section 7), into an object that the caller opened.
void write_progress_members(json_writer& out, const pair_key& key, const progress& state);

/// "items":[…],"next":…, into an object that the caller opened.
void write_items_and_next(json_writer& out, std::span<const storage::pair_progress> items,
                          const std::optional<std::string>& next);

}  // namespace watchkeeper::server
