#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "net/shared/problem_response.hpp"
#include "server/log/log.hpp"
#include "server/log/redaction.hpp"

namespace watchkeeper::server {
namespace {

constexpr std::array<std::string_view, 4> level_names = {"debug", "info", "warning", "error"};

// Masked before it is cut: half a token would no longer be recognised.
std::string json_text(std::string_view text) {
  // The masking is quadratic at worst, so what it is given is bounded too.
  const auto bounded = text.substr(0, 2 * log_text_bytes_max);
  std::string masked;
  if (holds_secret(bounded)) {
    masked = mask_secrets(bounded);
    text = masked;
  }
  if (text.size() <= log_text_bytes_max) return net::json_quote(text);
  return net::json_quote(std::string(text.substr(0, log_text_bytes_max)) + "…");
}

std::string json_value(const log_field::value_type& value) {
  return std::visit(
      [](const auto& v) -> std::string {
        using kind = std::decay_t<decltype(v)>;
        if constexpr (std::is_same_v<kind, std::string_view>) {
          return json_text(v);
        } else if constexpr (std::is_same_v<kind, double>) {
          return std::isfinite(v) ? fmt::format("{}", v) : "null";  // JSON knows no infinity
        } else {
          return fmt::format("{}", v);
        }
      },
      value);
}

}  // namespace

std::string_view name_of(log_level level) noexcept {
  return level_names[static_cast<std::size_t>(level)];
}

std::optional<log_level> log_level_from_name(std::string_view name) noexcept {
  const auto* found = std::ranges::find(level_names, name);
  if (found == level_names.end()) return {};
  return static_cast<log_level>(found - level_names.begin());
}

std::string format_log_line(unix_ms now_ms, log_level level, std::string_view component,
                            std::string_view message, std::initializer_list<log_field> fields) {
  auto line =
      fmt::format(R"({{"time":"{}","level":"{}","component":{},"message":{})", net::rfc3339(now_ms),
                  name_of(level), json_text(component), json_text(message));
  std::size_t count = 0;
  for (const auto& field : fields) {
    if (count++ == log_fields_max) break;
    line += fmt::format(",{}:{}", json_text(field.name), json_value(field.value));
  }
  return line + '}';
}

}  // namespace watchkeeper::server
