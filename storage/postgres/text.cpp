#include "storage/postgres/text.hpp"

#include <charconv>

namespace watchkeeper::storage::postgres {
namespace {

constexpr std::string_view digits = "0123456789abcdef";

void append_hex(std::string& out, std::string_view bytes) {
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    out += digits[byte >> 4];
    out += digits[byte & 15];
  }
}

void append_number(std::string& out, std::int64_t number) {
  char buffer[24];
  const auto [end, error] = std::to_chars(buffer, buffer + sizeof buffer, number);
  out.append(buffer, end);
}

/// Takes a number and the character after it off the front of `text`.
std::optional<media_ms> take_number(std::string_view& text, char after) {
  media_ms value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end == text.data() + text.size() || *end != after)
    return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()) + 1);
  return value;
}

}  // namespace

void array_literal::separate() {
  if (text_.size() > 1) text_ += ',';
}

void array_literal::add(std::string_view element) {
  separate();
  text_ += '"';
  for (const char c : element) {
    if (c == '"' || c == '\\') text_ += '\\';
    text_ += c;
  }
  text_ += '"';
}

void array_literal::add(std::int64_t element) {
  separate();
  append_number(text_, element);
}

void array_literal::add_bytes(std::string_view bytes) {
  separate();
  text_ += "\"\\\\x";
  append_hex(text_, bytes);
  text_ += '"';
}

const std::string& array_literal::text() {
  if (!ended_) text_ += '}';
  ended_ = true;
  return text_;
}

std::string bytea(std::string_view bytes) {
  std::string text = "\\x";
  append_hex(text, bytes);
  return text;
}

std::optional<std::string> parse_bytea(std::string_view text) {
  if (!text.starts_with("\\x") || text.size() % 2 != 0) return std::nullopt;
  text.remove_prefix(2);
  std::string bytes;
  bytes.reserve(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const auto high = digits.find(text[i]);
    const auto low = digits.find(text[i + 1]);
    if (high == std::string_view::npos || low == std::string_view::npos) return std::nullopt;
    bytes += static_cast<char>(high << 4 | low);
  }
  return bytes;
}

std::string multirange(const coverage& covered) {
  std::string text = "{";
  for (const auto& piece : covered.pieces()) {
    if (text.size() > 1) text += ',';
    text += '[';
    append_number(text, piece.from_ms);
    text += ',';
    append_number(text, piece.to_ms);
    text += ')';
  }
  text += '}';
  return text;
}

std::optional<std::vector<media_interval>> parse_ranges(std::string_view text) {
  if (!text.starts_with('{')) return std::nullopt;
  text.remove_prefix(1);
  std::vector<media_interval> ranges;
  while (text.starts_with('[')) {
    text.remove_prefix(1);
    const auto from = take_number(text, ',');
    if (!from) return std::nullopt;
    const auto to = take_number(text, ')');
    if (!to || *from < 0 || *from >= *to) return std::nullopt;
    if (!ranges.empty() && *from <= ranges.back().to_ms) return std::nullopt;
    ranges.push_back({*from, *to});
    if (!text.starts_with(",[")) break;
    text.remove_prefix(1);
  }
  if (text != "}") return std::nullopt;
  return ranges;
}

std::optional<coverage> parse_multirange(std::string_view text) {
  const auto ranges = parse_ranges(text);
  if (!ranges) return std::nullopt;
  coverage covered;
  for (const auto& range : *ranges) covered.add(range);
  // A piece that lies too near to another has no place in the stored form.
  if (covered.pieces().size() != ranges->size()) return std::nullopt;
  return covered;
}

std::optional<std::vector<std::int64_t>> parse_numbers(std::string_view text) {
  std::vector<std::int64_t> numbers;
  if (text == "{}") return numbers;
  if (!text.starts_with('{') || !text.ends_with('}')) return std::nullopt;
  const auto* at = text.data() + 1;
  const auto* const end = text.data() + text.size();
  for (;;) {
    std::int64_t number = 0;
    const auto [after, error] = std::from_chars(at, end, number);
    if (error != std::errc{} || after == end) return std::nullopt;
    numbers.push_back(number);
    if (*after == '}') return after + 1 == end ? std::optional(std::move(numbers)) : std::nullopt;
    if (*after != ',') return std::nullopt;
    at = after + 1;
  }
}

}  // namespace watchkeeper::storage::postgres
