#include "base/json_scanner.hpp"

namespace watchkeeper {
namespace {

void put_utf8(std::uint32_t c, char*& to) noexcept {
  if (c < 0x80) {
    *to++ = static_cast<char>(c);
  } else if (c < 0x800) {
    *to++ = static_cast<char>(0xc0 | c >> 6);
    *to++ = static_cast<char>(0x80 | (c & 0x3f));
  } else if (c < 0x10000) {
    *to++ = static_cast<char>(0xe0 | c >> 12);
    *to++ = static_cast<char>(0x80 | (c >> 6 & 0x3f));
    *to++ = static_cast<char>(0x80 | (c & 0x3f));
  } else {
    *to++ = static_cast<char>(0xf0 | c >> 18);
    *to++ = static_cast<char>(0x80 | (c >> 12 & 0x3f));
    *to++ = static_cast<char>(0x80 | (c >> 6 & 0x3f));
    *to++ = static_cast<char>(0x80 | (c & 0x3f));
  }
}

}  // namespace

void json_scanner::skip_whitespace() noexcept {
  while (at_ != end_ && (*at_ == ' ' || *at_ == '\t' || *at_ == '\n' || *at_ == '\r')) ++at_;
}

bool json_scanner::consume(char c) noexcept {
  skip_whitespace();
  if (at_ == end_ || *at_ != c) return false;
  ++at_;
  return true;
}

bool json_scanner::at_end() noexcept {
  skip_whitespace();
  return at_ == end_;
}

std::optional<std::string_view> json_scanner::string() noexcept {
  if (!consume('"')) return std::nullopt;
  char* const begin = at_;
  char* to = at_;
  while (at_ != end_) {
    const auto c = static_cast<unsigned char>(*at_);
    if (c == '"') {
      ++at_;
      return std::string_view{begin, static_cast<std::size_t>(to - begin)};
    }
    if (c < 0x20) return std::nullopt;
    if (c == '\\') {
      ++at_;
      if (!escape(to)) return std::nullopt;
    } else if (c >= 0x80) {
      if (!multibyte(to)) return std::nullopt;
    } else {
      *to++ = static_cast<char>(c);
      ++at_;
    }
  }
  return std::nullopt;
}

std::optional<std::uint32_t> json_scanner::hex4() noexcept {
  if (end_ - at_ < 4) return std::nullopt;
  std::uint32_t value = 0;
  for (int i = 0; i < 4; ++i) {
    const char c = *at_++;
    std::uint32_t digit = 0;
    if (c >= '0' && c <= '9')
      digit = static_cast<std::uint32_t>(c - '0');
    else if (c >= 'a' && c <= 'f')
      digit = static_cast<std::uint32_t>(c - 'a' + 10);
    else if (c >= 'A' && c <= 'F')
      digit = static_cast<std::uint32_t>(c - 'A' + 10);
    else
      return std::nullopt;
    value = value << 4 | digit;
  }
  return value;
}

bool json_scanner::escape(char*& to) noexcept {
  if (at_ == end_) return false;
  switch (*at_++) {
    case '"':
      *to++ = '"';
      return true;
    case '\\':
      *to++ = '\\';
      return true;
    case '/':
      *to++ = '/';
      return true;
    case 'b':
      *to++ = '\b';
      return true;
    case 'f':
      *to++ = '\f';
      return true;
    case 'n':
      *to++ = '\n';
      return true;
    case 'r':
      *to++ = '\r';
      return true;
    case 't':
      *to++ = '\t';
      return true;
    case 'u':
      break;
    default:
      return false;
  }
  const auto unit = hex4();
  if (!unit) return false;
  if (*unit < 0xd800 || *unit > 0xdfff) {
    put_utf8(*unit, to);
    return true;
  }
  // A high surrogate, and a low one right behind it; neither may stand alone.
  if (*unit > 0xdbff || end_ - at_ < 2 || at_[0] != '\\' || at_[1] != 'u') return false;
  at_ += 2;
  const auto low = hex4();
  if (!low || *low < 0xdc00 || *low > 0xdfff) return false;
  put_utf8(0x10000 + ((*unit - 0xd800) << 10) + (*low - 0xdc00), to);
  return true;
}

bool json_scanner::multibyte(char*& to) noexcept {
  // Table 3-7 of the Unicode Standard: the second byte rules out overlong forms, surrogates and
  // what lies above U+10FFFF.
  const auto lead = static_cast<unsigned char>(*at_);
  unsigned char second_min = 0x80, second_max = 0xbf;
  std::ptrdiff_t length = 0;
  if (lead >= 0xc2 && lead <= 0xdf) {
    length = 2;
  } else if (lead >= 0xe0 && lead <= 0xef) {
    length = 3;
    if (lead == 0xe0) second_min = 0xa0;
    if (lead == 0xed) second_max = 0x9f;
  } else if (lead >= 0xf0 && lead <= 0xf4) {
    length = 4;
    if (lead == 0xf0) second_min = 0x90;
    if (lead == 0xf4) second_max = 0x8f;
  } else {
    return false;
  }
  if (end_ - at_ < length) return false;
  const auto second = static_cast<unsigned char>(at_[1]);
  if (second < second_min || second > second_max) return false;
  for (std::ptrdiff_t i = 2; i < length; ++i)
    if ((static_cast<unsigned char>(at_[i]) & 0xc0) != 0x80) return false;
  for (; length > 0; --length) *to++ = *at_++;
  return true;
}

std::optional<decimal> json_scanner::number() noexcept {
  skip_whitespace();
  std::size_t used = 0;
  auto value = scan_decimal({at_, static_cast<std::size_t>(end_ - at_)}, used);
  if (value) at_ += used;
  return value;
}

bool json_scanner::literal(std::string_view word) noexcept {
  if (static_cast<std::size_t>(end_ - at_) < word.size()) return false;
  if (std::string_view{at_, word.size()} != word) return false;
  at_ += word.size();
  return true;
}

bool json_scanner::skip_value(int depth_left) noexcept {
  skip_whitespace();
  if (at_ == end_) return false;
  switch (*at_) {
    case '"':
      return string().has_value();
    case 't':
      return literal("true");
    case 'f':
      return literal("false");
    case 'n':
      return literal("null");
    case '[':
      if (depth_left == 0) return false;
      ++at_;
      if (consume(']')) return true;
      do {
        if (!skip_value(depth_left - 1)) return false;
      } while (consume(','));
      return consume(']');
    case '{':
      if (depth_left == 0) return false;
      ++at_;
      if (consume('}')) return true;
      do {
        if (!string() || !consume(':') || !skip_value(depth_left - 1)) return false;
      } while (consume(','));
      return consume('}');
    default:
      return number().has_value();
  }
}

}  // namespace watchkeeper
