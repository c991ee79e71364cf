#include "base/json_writer.hpp"

#include <array>
#include <charconv>
#include <cmath>

namespace watchkeeper {
namespace {

constexpr std::string_view replacement = "\xef\xbf\xbd";  // U+FFFD

/// True for what stands in a JSON string as it is: ASCII but controls, the quote and the backslash.
constexpr auto plain = [] {
  std::array<bool, 256> table{};
  for (std::size_t byte = 0x20; byte < 0x80; ++byte) table[byte] = byte != '"' && byte != '\\';
  return table;
}();

/// The length of the well-formed sequence at the start of `text` (Unicode 15, table 3-7), or 0;
/// then `skip` is the length of the ill-formed part that one U+FFFD stands for.
std::size_t sequence_length(std::string_view text, std::size_t& skip) noexcept {
  const auto at = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const std::uint8_t lead = at(0);
  std::size_t length = 0;
  std::uint8_t low = 0x80;
  std::uint8_t high = 0xbf;
  if (lead >= 0xc2 && lead <= 0xdf) {
    length = 2;
  } else if (lead >= 0xe0 && lead <= 0xef) {
    length = 3;
    if (lead == 0xe0) low = 0xa0;   // else overlong
    if (lead == 0xed) high = 0x9f;  // else a surrogate
  } else if (lead >= 0xf0 && lead <= 0xf4) {
    length = 4;
    if (lead == 0xf0) low = 0x90;   // else overlong
    if (lead == 0xf4) high = 0x8f;  // else above U+10FFFF
  }
  skip = 1;
  for (std::size_t i = 1; i < length; ++i) {
    if (i >= text.size() || at(i) < low || at(i) > high) return 0;
    low = 0x80;
    high = 0xbf;
    skip = i + 1;
  }
  return length;
}

void append_escaped(std::string& out, char c) {
  static constexpr char digits[] = "0123456789abcdef";
  static constexpr std::string_view short_of = "\"\\\b\f\n\r\t";
  static constexpr std::string_view letters = "\"\\bfnrt";
  out += '\\';
  if (const auto which = short_of.find(c); which != std::string_view::npos) {
    out += letters[which];
    return;
  }
  const auto byte = static_cast<std::uint8_t>(c);
  out += "u00";
  out += digits[byte >> 4];
  out += digits[byte & 15];
}

/// `size` digits at most, as std::to_chars writes the number.
template <class Number>
void append_number(std::string& out, Number number) {
  std::array<char, 32> text;  // NOLINT: to_chars fills what is used
  const auto end = std::to_chars(text.data(), text.data() + text.size(), number).ptr;
  out.append(text.data(), end);
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  while (!text.empty()) {
    std::size_t run = 0;
    while (run < text.size() && plain[static_cast<std::uint8_t>(text[run])]) ++run;
    out.append(text.data(), run);
    text.remove_prefix(run);
    if (text.empty()) break;
    if (static_cast<std::uint8_t>(text.front()) < 0x80) {
      append_escaped(out, text.front());
      text.remove_prefix(1);
      continue;
    }
    std::size_t skip = 1;
    const auto length = sequence_length(text, skip);
    out += length == 0 ? replacement : text.substr(0, length);
    text.remove_prefix(length == 0 ? skip : length);
  }
  out += '"';
}

json_writer& json_writer::value(double number) {
  if (!std::isfinite(number)) return null();
  begin_value();
  append_number(out_, number);
  return *this;
}

json_writer& json_writer::integer(std::int64_t number) {
  begin_value();
  append_number(out_, number);
  return *this;
}

json_writer& json_writer::natural(std::uint64_t number) {
  begin_value();
  append_number(out_, number);
  return *this;
}

json_writer& json_writer::fixed(std::int64_t scaled, int decimals) {
  begin_value();
  std::uint64_t scale = 1;
  for (int i = 0; i < decimals; ++i) scale *= 10;
  auto magnitude = static_cast<std::uint64_t>(scaled);
  if (scaled < 0) {
    out_ += '-';
    magnitude = 0 - magnitude;
  }
  append_number(out_, magnitude / scale);
  if (decimals == 0) return *this;
  out_ += '.';
  for (auto rest = magnitude % scale; scale > 1; rest %= scale) {
    scale /= 10;
    out_ += static_cast<char>('0' + rest / scale);
  }
  return *this;
}

json_writer& json_writer::trimmed(std::int64_t scaled, int decimals) {
  for (; decimals > 0 && scaled % 10 == 0; --decimals) scaled /= 10;
  return fixed(scaled, decimals);
}

}  // namespace watchkeeper
