#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace watchkeeper::server {

/// The relative path that the rest of a request's path, still percent-encoded, stands for; "" for
/// the folder itself, a slash at the end for a folder in it. Nothing for what no browser sends by
/// itself: a bad escape, an encoded slash, backslash or control character, an empty segment, and a
/// segment that begins with a dot, which covers "." and ".." however they are written, and files
/// like .git and .env.
std::optional<std::string> file_path_of(std::string_view encoded);

/// "text/html; charset=utf-8" by the name's ending; application/octet-stream for others.
std::string_view content_type_of(std::string_view path) noexcept;

}  // namespace watchkeeper::server
