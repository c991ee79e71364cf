#include "server/log/log.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <spdlog/async_logger.h>
#include <spdlog/details/thread_pool.h>
#include <spdlog/sinks/base_sink.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <mutex>
#include <stdexcept>

namespace watchkeeper::server {
namespace {

constexpr std::int64_t drop_report_interval_ms = 1000;

std::atomic<event_log*> the_log{nullptr};

spdlog::level::level_enum spdlog_level(log_level level) {
  switch (level) {
    case log_level::debug:
      return spdlog::level::debug;
    case log_level::info:
      return spdlog::level::info;
    case log_level::warning:
      return spdlog::level::warn;
    case log_level::error:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

// The descriptor of the file, or -1 with errno. Readable by the group: logs hold no secret.
int open_for_append(const std::string& file) {
  if (file.empty()) return STDERR_FILENO;
  return ::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
}

std::string cannot_open(const std::string& file, int why) {
  return fmt::format("log.file: cannot open {}: {}", file, std::strerror(why));
}

// Writes each line with one call of write, so that lines of several processes do not mix.
class line_sink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit line_sink(int descriptor) : descriptor_(descriptor) {}
  ~line_sink() override { close_own(); }
  line_sink(const line_sink&) = delete;
  line_sink& operator=(const line_sink&) = delete;

  void use(int descriptor) {
    const std::lock_guard lock(mutex_);
    close_own();
    descriptor_ = descriptor;
  }

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    line_.assign(message.payload.data(), message.payload.size());
    line_ += '\n';
    const char* at = line_.data();
    std::size_t left = line_.size();
    while (left > 0) {
      const auto written = ::write(descriptor_, at, left);
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) return;  // a full disk must not stop the gateway: the line is lost
      at += written;
      left -= static_cast<std::size_t>(written);
    }
  }
  void flush_() override {}

 private:
  void close_own() const {
    if (descriptor_ != STDERR_FILENO) ::close(descriptor_);
  }

  int descriptor_;
  std::string line_;
};

}  // namespace

struct event_log::implementation {
  std::shared_ptr<line_sink> sink;
  std::shared_ptr<spdlog::details::thread_pool> pool;
  std::shared_ptr<spdlog::async_logger> logger;
  std::atomic<std::uint64_t> dropped_reported{0};
  std::atomic<mono_ms> drop_report_at{};

  // At most once a second, so that the report does not add to the flood.
  void report_drops(wall_ms now_ms) {
    const auto now = system_time_source().monotonic_now();
    auto due = drop_report_at.load(std::memory_order_relaxed);
    if (now < due || !drop_report_at.compare_exchange_strong(due, now + drop_report_interval_ms))
      return;
    const std::uint64_t total = pool->overrun_counter();
    const auto before = dropped_reported.exchange(total);
    if (total > before)
      logger->log(
          spdlog::level::warn,
          format_log_line(now_ms, log_level::warning, "log",
                          "lines were dropped because the log could not be written fast enough",
                          {{"dropped", total - before}}));
  }
};

event_log::event_log(const log_settings& settings) : level_(settings.level) {
  const int descriptor = open_for_append(settings.file);
  if (descriptor < 0) throw std::runtime_error(cannot_open(settings.file, errno));
  implementation_ = std::make_unique<implementation>();
  auto& own = *implementation_;
  own.sink = std::make_shared<line_sink>(descriptor);
  own.pool = std::make_shared<spdlog::details::thread_pool>(log_queue_lines_max, 1);
  own.logger = std::make_shared<spdlog::async_logger>(
      "watchkeeper", own.sink, own.pool, spdlog::async_overflow_policy::overrun_oldest);
  own.logger->set_level(spdlog::level::trace);  // level_ of event_log decides
}

event_log::~event_log() {
  auto* self = this;
  the_log.compare_exchange_strong(self, nullptr);
  // The logger first: the pool's end waits for what is queued, which holds the logger.
  implementation_->logger.reset();
  implementation_->pool.reset();
}

void event_log::write(log_level level, std::string_view component, std::string_view message,
                      std::initializer_list<log_field> fields) noexcept {
  if (!enabled(level)) return;
  try {
    const auto now_ms = system_time_source().wall_now();
    implementation_->report_drops(now_ms);
    const auto line = format_log_line(now_ms, level, component, message, fields);
    implementation_->logger->log(spdlog_level(level), spdlog::string_view_t(line));
  } catch (...) {  // out of memory: a line less
  }
}

void event_log::write_through(log_level level, std::string_view component, std::string_view message,
                              std::initializer_list<log_field> fields) noexcept {
  if (!enabled(level)) return;
  try {
    const auto line =
        format_log_line(system_time_source().wall_now(), level, component, message, fields);
    implementation_->sink->log(
        {spdlog::string_view_t("watchkeeper"), spdlog_level(level), spdlog::string_view_t(line)});
  } catch (...) {  // out of memory: a line less
  }
}

result<ok_t, std::string> event_log::reopen(const log_settings& settings) {
  const int descriptor = open_for_append(settings.file);
  if (descriptor < 0) return cannot_open(settings.file, errno);
  implementation_->sink->use(descriptor);
  level_.store(settings.level, std::memory_order_relaxed);
  return ok;
}

std::uint64_t event_log::dropped() const {
  return implementation_->pool->overrun_counter();
}

void install_log(event_log* log) noexcept {
  the_log.store(log, std::memory_order_release);
}
event_log* installed_log() noexcept {
  return the_log.load(std::memory_order_acquire);
}

}  // namespace watchkeeper::server
