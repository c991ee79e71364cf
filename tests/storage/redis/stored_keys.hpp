#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>

#include "tests/storage/hot_world.hpp"

/// The keys of Redis as docs/storage-format.md has them, written down a second time.
namespace watchkeeper::storage::testing {

inline std::string hex(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) text += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return text;
}

inline std::string key_of(std::string_view kind, const pair_key& pair) {
  const auto prefix = fmt::format("wk:{{p{}}}:", partition_of(pair.student));
  if (kind == "progress") return fmt::format("{}progress:{}", prefix, text_of(pair));
  if (kind == "dirty") return prefix + "dirty";
  return fmt::format("{}{}:{}", prefix, kind, pair.student.view());
}

inline std::string session_key_of(const pair_key& pair, std::string_view tag) {
  return fmt::format("wk:{{p{}}}:session:{}/{}", partition_of(pair.student), pair.student.view(),
                     tag);
}

}  // namespace watchkeeper::storage::testing
