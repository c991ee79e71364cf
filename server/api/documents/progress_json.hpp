#pragma once

#include <optional>
#include <span>
#include <string>

#include "storage/hot_store.hpp"

namespace watchkeeper::server {

/// The progress of docs/protocol.md, section 7, appended to `out`.
void append_progress(std::string& out, const pair_key& key, const progress& state);

/// {"items":[…],"next":…}
std::string progress_list(std::span<const storage::pair_progress> items,
                          const std::optional<std::string>& next);

}  // namespace watchkeeper::server
