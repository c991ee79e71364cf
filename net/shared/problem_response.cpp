#include "net/shared/problem_response.hpp"

#include <array>
#include <cstdint>

#include "net/shared/calendar.hpp"
#include "net/shared/problem_document.hpp"

namespace watchkeeper::net {
namespace {

constexpr std::string_view replacement = "\xef\xbf\xbd";  // U+FFFD

/// The length of the well-formed sequence at the start of `text` (Unicode 15, table 3-7), or 0;
/// then `skip` is the length of the ill-formed part that one U+FFFD stands for.
std::size_t sequence_length(std::string_view text, std::size_t& skip) noexcept {
  const auto at = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const std::uint8_t lead = at(0);
  std::size_t length = 0;
  std::uint8_t low = 0x80;
  std::uint8_t high = 0xbf;
  if (lead < 0x80) return 1;
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
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      break;
  }
  if (static_cast<std::uint8_t>(c) >= 0x20) {
    out += c;
    return;
  }
  out += "\\u00";
  out += digits[static_cast<std::uint8_t>(c) >> 4];
  out += digits[static_cast<std::uint8_t>(c) & 15];
}

void append_padded(std::string& out, std::int64_t value, int width) {
  std::array<char, 24> text{};
  auto at = text.size();
  do {
    text[--at] = static_cast<char>('0' + value % 10);
    value /= 10;
    --width;
  } while (value > 0 || width > 0);
  out.append(text.data() + at, text.size() - at);
}

}  // namespace

std::string json_quote(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 2);
  out += '"';
  while (!text.empty()) {
    std::size_t skip = 1;
    const auto length = sequence_length(text, skip);
    if (length == 0) {
      out += replacement;
      text.remove_prefix(skip);
    } else if (length == 1) {
      append_escaped(out, text.front());
      text.remove_prefix(1);
    } else {
      out += text.substr(0, length);
      text.remove_prefix(length);
    }
  }
  out += '"';
  return out;
}

std::string numeric_date(unix_ms time_ms) {
  std::string out;
  const bool negative = time_ms < 0;
  const std::uint64_t magnitude =
      negative ? 0 - static_cast<std::uint64_t>(time_ms) : static_cast<std::uint64_t>(time_ms);
  if (negative) out += '-';
  append_padded(out, static_cast<std::int64_t>(magnitude / 1000), 1);
  out += '.';
  append_padded(out, static_cast<std::int64_t>(magnitude % 1000), 3);
  return out;
}

std::string rfc3339(unix_ms time_ms) {
  const auto t = calendar_time_of(time_ms);
  std::string out;
  out.reserve(24);
  append_padded(out, t.year, 4);
  out += '-';
  append_padded(out, t.month, 2);
  out += '-';
  append_padded(out, t.day, 2);
  out += 'T';
  append_padded(out, t.hour, 2);
  out += ':';
  append_padded(out, t.minute, 2);
  out += ':';
  append_padded(out, t.second, 2);
  out += '.';
  append_padded(out, t.millisecond, 3);
  out += 'Z';
  return out;
}

std::string problem_document(std::string_view name, std::string_view title, int status,
                             std::string_view detail, unix_ms now_ms) {
  std::string out = R"({"type":"urn:watchkeeper:problem:)";
  out += name;
  out += R"(","title":)";
  out += json_quote(title);
  out += R"(,"status":)";
  out += std::to_string(status);
  out += R"(,"detail":)";
  out += json_quote(detail);
  out += R"(,"server_time":)";
  out += numeric_date(now_ms);
  out += '}';
  return out;
}

http_response make_problem(problem what, std::string_view detail, unix_ms now_ms,
                           std::optional<int> retry_after_s) {
  const auto& info = describe(what);
  http_response response;
  response.status = info.http_status;
  response.content_type = "application/problem+json";
  response.body = problem_document(info.name, info.title, info.http_status, detail, now_ms);
  const bool wants_retry = info.http_status == 429 || info.http_status == 503;
  if (retry_after_s || wants_retry)
    response.headers.emplace_back("retry-after", std::to_string(retry_after_s.value_or(1)));
  if (what == problem::unauthorized) response.headers.emplace_back("www-authenticate", "Bearer");
  return response;
}

}  // namespace watchkeeper::net
