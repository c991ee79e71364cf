#include "base/percent_decode.hpp"

namespace watchkeeper {
namespace {

int hex_value(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::size_t percent_decode(std::string_view text, char* out, std::size_t out_size) noexcept {
  std::size_t written = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (written == out_size) return std::string_view::npos;
    if (text[i] != '%') {
      out[written++] = text[i];
      continue;
    }
    if (text.size() - i < 3) return std::string_view::npos;
    const int high = hex_value(text[i + 1]);
    const int low = hex_value(text[i + 2]);
    if (high < 0 || low < 0) return std::string_view::npos;
    out[written++] = static_cast<char>(high * 16 + low);
    i += 2;
  }
  return written;
}

std::optional<std::string> percent_decoded(std::string_view text) {
  std::string out(text.size(), '\0');
  const auto size = percent_decode(text, out.data(), out.size());
  if (size == std::string_view::npos) return std::nullopt;
  out.resize(size);
  return out;
}

}  // namespace watchkeeper
