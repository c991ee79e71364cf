#pragma once

#include <atomic>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/log_level.hpp"
#include "base/result.hpp"
#include "base/units.hpp"

/// The process's log: one JSON object per line, written by a separate thread.
namespace watchkeeper::server {

std::string_view name_of(log_level level) noexcept;
std::optional<log_level> log_level_from_name(std::string_view name) noexcept;

/// One member of a line besides time, level, component and message. Borrows its texts.
struct log_field {
  using value_type = std::variant<std::string_view, std::int64_t, std::uint64_t, double, bool>;

  log_field(std::string_view n, std::string_view v) : name(n), value(v) {}
  log_field(std::string_view n, const std::string& v) : name(n), value(std::string_view(v)) {}
  log_field(std::string_view n, const char* v) : name(n), value(std::string_view(v)) {}
  log_field(std::string_view n, bool v) : name(n), value(v) {}
  log_field(std::string_view n, double v) : name(n), value(v) {}
  log_field(std::string_view n, std::signed_integral auto v) : name(n), value(std::int64_t{v}) {}
  log_field(std::string_view n,
            std::unsigned_integral auto v) requires(!std::same_as<decltype(v), bool>)
      : name(n), value(std::uint64_t{v}) {}

  std::string_view name;
  value_type value;
};

inline constexpr std::size_t log_text_bytes_max = 2048;   // of one text; a longer one is cut
inline constexpr std::size_t log_fields_max = 16;         // of one line; further ones are left out
inline constexpr std::size_t log_queue_lines_max = 4096;  // when full, the oldest line is dropped

/// The line, without its end: secrets masked, invalid UTF-8 replaced, always one valid JSON object.
std::string format_log_line(wall_ms now_ms, log_level level, std::string_view component,
                            std::string_view message, std::initializer_list<log_field> fields);

struct log_settings {
  log_level level = log_level::info;
  std::string file;  // empty: standard error
};

/// Thread: any thread writes; a line costs its formatting and a queue's lock. Never blocks on the
/// disk: when the writer falls behind, the oldest lines are dropped, and a line reports how many.
class event_log {
 public:
  /// Throws std::runtime_error with a sentence that names the file when it cannot be opened.
  explicit event_log(const log_settings& settings);
  ~event_log();  // writes what is queued
  event_log(const event_log&) = delete;
  event_log& operator=(const event_log&) = delete;

  [[nodiscard]] bool enabled(log_level level) const noexcept {
    return level >= level_.load(std::memory_order_relaxed);
  }
  void write(log_level level, std::string_view component, std::string_view message,
             std::initializer_list<log_field> fields = {}) noexcept;

  /// As `write`, but the line is in the file when this returns: for one that ends the process. May
  /// overtake lines that are queued, and blocks on the disk.
  void write_through(log_level level, std::string_view component, std::string_view message,
                     std::initializer_list<log_field> fields = {}) noexcept;

  /// Opens the file again (after its rotation, or another one) and sets the level. On an error, a
  /// sentence that names the file, nothing changes.
  result<ok_t, std::string> reopen(const log_settings& settings);
  /// Lines dropped because the writer fell behind.
  [[nodiscard]] std::uint64_t dropped() const;

 private:
  struct implementation;
  std::atomic<log_level> level_;
  std::unique_ptr<implementation> implementation_;
};

/// Makes `log` the one that log_event writes to; null: none, lines are lost. The log must outlive
/// its installation and every call in progress.
void install_log(event_log* log) noexcept;
[[nodiscard]] event_log* installed_log() noexcept;

/// Writes to the installed log. Costs a load and a comparison if the level is off.
inline void log_event(log_level level, std::string_view component, std::string_view message,
                      std::initializer_list<log_field> fields = {}) noexcept {
  auto* log = installed_log();
  if (log != nullptr && log->enabled(level)) log->write(level, component, message, fields);
}

}  // namespace watchkeeper::server
