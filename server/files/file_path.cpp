#include "server/files/file_path.hpp"

#include <algorithm>
#include <utility>

#include "base/percent_decode.hpp"

namespace watchkeeper::server {
namespace {

constexpr std::size_t path_bytes_max = 1024;

bool segment_is_good(std::string_view encoded, std::string& decoded) {
  decoded.resize(encoded.size());
  const auto size = percent_decode(encoded, decoded.data(), decoded.size());
  if (size == std::string::npos || size == 0) return false;
  decoded.resize(size);
  if (decoded.front() == '.') return false;
  return std::ranges::none_of(decoded, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f || c == '/' || c == '\\';
  });
}

}  // namespace

std::optional<std::string> file_path_of(std::string_view encoded) {
  if (encoded.size() > path_bytes_max) return std::nullopt;
  std::string path, segment;
  while (!encoded.empty()) {
    const auto slash = encoded.find('/');
    if (!segment_is_good(encoded.substr(0, slash), segment)) return std::nullopt;
    path += segment;
    if (slash == std::string_view::npos) break;
    path += '/';
    encoded.remove_prefix(slash + 1);
  }
  return path;
}

std::string_view content_type_of(std::string_view path) noexcept {
  static constexpr std::pair<std::string_view, std::string_view> types[] = {
      {"html", "text/html; charset=utf-8"},
      {"js", "text/javascript; charset=utf-8"},
      {"mjs", "text/javascript; charset=utf-8"},
      {"css", "text/css; charset=utf-8"},
      {"json", "application/json"},
      {"map", "application/json"},
      {"webmanifest", "application/manifest+json"},
      {"txt", "text/plain; charset=utf-8"},
      {"svg", "image/svg+xml"},
      {"png", "image/png"},
      {"jpg", "image/jpeg"},
      {"jpeg", "image/jpeg"},
      {"webp", "image/webp"},
      {"avif", "image/avif"},
      {"ico", "image/vnd.microsoft.icon"},
      {"woff2", "font/woff2"},
      {"wasm", "application/wasm"},
      {"m3u8", "application/vnd.apple.mpegurl"},
      {"mpd", "application/dash+xml"},
      {"mp4", "video/mp4"},
      {"m4s", "video/iso.segment"},
      {"m4v", "video/mp4"},
      {"m4a", "audio/mp4"},
      {"aac", "audio/aac"},
      {"ts", "video/mp2t"},
      {"webm", "video/webm"},
      {"vtt", "text/vtt; charset=utf-8"},
  };
  const auto name = path.substr(path.rfind('/') + 1);
  const auto dot = name.rfind('.');
  if (dot != std::string_view::npos)
    for (const auto& [ending, type] : types)
      if (name.substr(dot + 1) == ending) return type;
  return "application/octet-stream";
}

}  // namespace watchkeeper::server
