#include "net/router.hpp"

#include <algorithm>
#include <stdexcept>

#include "base/percent_decode.hpp"

namespace watchkeeper::net {
namespace {

struct split_path {
  std::array<std::string_view, router::segments_max> segments;
  std::size_t count = 0;
};

/// False for a path that no pattern can have.
bool split(std::string_view path, split_path& out) noexcept {
  if (path.empty() || path.front() != '/') return false;
  path.remove_prefix(1);
  if (path.empty()) return true;  // "/"
  for (;;) {
    const auto end = path.find('/');
    const auto segment = path.substr(0, end);
    if (segment.empty() || out.count == router::segments_max) return false;
    out.segments[out.count++] = segment;
    if (end == std::string_view::npos) return true;
    path.remove_prefix(end + 1);
  }
}

}  // namespace

std::string_view router::matched::captured(std::size_t index) const noexcept {
  const auto& piece = pieces_[index];
  if (!piece.decoded) return piece.raw;
  return {decoded_.data() + piece.decoded_at, piece.decoded_size};
}

bool router::matched::capture(std::string_view raw) noexcept {
  auto& piece = pieces_[captures++];
  piece = {};
  piece.raw = raw;
  if (raw.find('%') == std::string_view::npos) return true;
  const auto size =
      percent_decode(raw, decoded_.data() + decoded_bytes_, decoded_.size() - decoded_bytes_);
  if (size == std::string_view::npos) return false;
  piece.decoded = true;
  piece.decoded_at = decoded_bytes_;
  piece.decoded_size = static_cast<std::uint16_t>(size);
  decoded_bytes_ = static_cast<std::uint16_t>(decoded_bytes_ + size);
  return true;
}

void router::add(http_method method, std::string_view pattern, std::uint32_t id) {
  const auto refuse = [&](const char* why) {
    throw std::invalid_argument("route " + std::string(pattern) + ": " + why);
  };
  split_path parts;
  if (!split(pattern, parts)) refuse("not a path of at most 8 segments");
  if (method == http_method::other) refuse("no such method");
  std::vector<std::string> segments;
  std::size_t captures = 0;
  for (std::size_t i = 0; i < parts.count; ++i) {
    const auto segment = parts.segments[i];
    if (segment.front() == '{') {
      if (segment.size() < 3 || segment.back() != '}') refuse("bad capture");
      if (++captures > captures_max) refuse("more than 4 captures");
      segments.emplace_back();
    } else {
      segments.emplace_back(segment);
    }
  }
  auto at = std::find_if(routes_.begin(), routes_.end(),
                         [&](const route& r) { return r.segments == segments; });
  if (at == routes_.end()) {
    // Descending order puts every literal before the empty string that stands for a capture.
    at = std::find_if(routes_.begin(), routes_.end(),
                      [&](const route& r) { return r.segments < segments; });
    at = routes_.insert(at, route{});
    at->segments = std::move(segments);
  }
  const auto index = static_cast<std::size_t>(method);
  if (at->has[index]) refuse("given twice");
  at->has[index] = true;
  at->ids[index] = id;
  at->allow.clear();
  for (std::size_t i = 0; i < methods; ++i) {
    const auto listed = static_cast<http_method>(i);
    const bool by_get =
        listed == http_method::head && at->has[static_cast<std::size_t>(http_method::get)];
    if (!at->has[i] && !by_get) continue;
    if (!at->allow.empty()) at->allow += ", ";
    at->allow += name_of(listed);
  }
}

router::matched router::match(http_method method, std::string_view path) const noexcept {
  matched result;
  split_path parts;
  if (!split(path, parts)) return result;
  for (const auto& candidate : routes_) {
    if (candidate.segments.size() != parts.count) continue;
    bool fits = true;
    for (std::size_t i = 0; i < parts.count && fits; ++i)
      fits = candidate.segments[i].empty() || candidate.segments[i] == parts.segments[i];
    if (!fits) continue;
    result.allow = candidate.allow;
    auto index = static_cast<std::size_t>(method);
    if (method == http_method::head && !candidate.has[index])
      index = static_cast<std::size_t>(http_method::get);
    if (index >= methods || !candidate.has[index]) {
      result.what = match_result::method_not_allowed;
      return result;
    }
    for (std::size_t i = 0; i < parts.count; ++i) {
      if (!candidate.segments[i].empty()) continue;
      if (!result.capture(parts.segments[i])) {
        result.what = match_result::malformed;
        result.captures = 0;
        return result;
      }
    }
    result.what = match_result::found;
    result.id = candidate.ids[index];
    return result;
  }
  return result;
}

}  // namespace watchkeeper::net
