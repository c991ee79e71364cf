#pragma once

#include <string_view>

namespace watchkeeper::storage {

/// storage/redis/functions/watchkeeper.lua, as it was when this was built.
extern const std::string_view redis_library_source;
/// Its VERSION. Raised with every change of the file: a Redis that holds an older one is upgraded,
/// a gateway that meets a newer one refuses to work with it.
inline constexpr long long redis_library_version = 9;

/// Of the keys and values; stored in wk:deployment.
inline constexpr std::string_view redis_format = "4";
/// The one before. Its values are read, and written anew with their next change.
inline constexpr std::string_view redis_format_before = "3";

}  // namespace watchkeeper::storage
