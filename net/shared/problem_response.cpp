#include "net/shared/problem_response.hpp"

#include <array>
#include <cstdint>

#include "base/json_writer.hpp"
#include "net/shared/problem_document.hpp"

namespace watchkeeper::net {
namespace {

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

std::string numeric_date(wall_ms time_ms) {
  std::string out;
  const bool negative = time_ms.value() < 0;
  const auto bits = static_cast<std::uint64_t>(time_ms.value());
  const std::uint64_t magnitude = negative ? 0 - bits : bits;
  if (negative) out += '-';
  append_padded(out, static_cast<std::int64_t>(magnitude / 1000), 1);
  out += '.';
  append_padded(out, static_cast<std::int64_t>(magnitude % 1000), 3);
  return out;
}

std::string problem_document(std::string_view name, std::string_view title, int status,
                             std::string_view detail, wall_ms now_ms) {
  std::string out;
  json_writer(out)
      .begin_object()
      .member("type", "urn:watchkeeper:problem:" + std::string(name))
      .member("title", title)
      .member("status", status)
      .member("detail", detail)
      .key("server_time")
      .raw(numeric_date(now_ms))
      .end_object();
  return out;
}

http_response make_problem(problem what, std::string_view detail, wall_ms now_ms,
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
