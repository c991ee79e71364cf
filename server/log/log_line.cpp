#include <algorithm>
#include <array>

#include "base/calendar.hpp"
#include "base/json_writer.hpp"
#include "server/log/log.hpp"
#include "server/log/redaction.hpp"

namespace watchkeeper::server {
namespace {

constexpr std::array<std::string_view, 4> level_names = {"debug", "info", "warning", "error"};

// Masked before it is cut: half a token would no longer be recognised.
void write_text(json_writer& out, std::string_view text) {
  // The masking is quadratic at worst, so its input is bounded too.
  const auto bounded = text.substr(0, 2 * log_text_bytes_max);
  std::string masked;
  if (holds_secret(bounded)) {
    masked = mask_secrets(bounded);
    text = masked;
  }
  if (text.size() <= log_text_bytes_max)
    out.value(text);
  else
    out.value(std::string(text.substr(0, log_text_bytes_max)) + "…");
}

void write_value(json_writer& out, const log_field::value_type& value) {
  std::visit(
      [&](const auto& v) {
        if constexpr (std::is_same_v<std::decay_t<decltype(v)>, std::string_view>)
          write_text(out, v);
        else
          out.value(v);
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

std::string format_log_line(wall_ms now_ms, log_level level, std::string_view component,
                            std::string_view message, std::initializer_list<log_field> fields) {
  std::string line;
  json_writer out(line);
  out.begin_object().member("time", rfc3339(now_ms)).member("level", name_of(level));
  write_text(out.key("component"), component);
  write_text(out.key("message"), message);
  std::size_t count = 0;
  for (const auto& field : fields) {
    if (count++ == log_fields_max) break;
    write_value(out.key(field.name), field.value);
  }
  out.end_object();
  return line;
}

}  // namespace watchkeeper::server
