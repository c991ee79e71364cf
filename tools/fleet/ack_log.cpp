#include "tools/fleet/ack_log.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <iterator>
#include <utility>

namespace watchkeeper::fleet {
namespace {

/// Ids and base64url need no escaping in JSON.
void begin_line(std::string& line, std::string_view event, const player& device,
                const heartbeat& beat, wall_ms now_ms) {
  fmt::format_to(std::back_inserter(line),
                 R"({{"event":"{}","t_ms":{},"kid":"{}","student":"{}","module":"{}","sid":"{}",)"
                 R"("sn":{},"from":{},"to":{},"attempt":{})",
                 event, now_ms.value(), device.key().kid_text(), device.student().view(),
                 beat.claims.module.view(), beat.claims.session.view(), beat.claims.sequence,
                 beat.claims.interval.from_ms, beat.claims.interval.to_ms, beat.attempts);
}

}  // namespace

result<ack_log, std::string> ack_log::open(const std::string& path) {
  ack_log log;
  log.descriptor_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (log.descriptor_ < 0)
    return fmt::format("the log '{}' cannot be opened: {}", path, std::strerror(errno));
  return log;
}

ack_log::~ack_log() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

ack_log::ack_log(ack_log&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)), failure_(std::move(other.failure_)) {}

ack_log& ack_log::operator=(ack_log&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  failure_.swap(other.failure_);
  return *this;
}

void ack_log::sent(const player& device, std::span<const heartbeat> beats, wall_ms now_ms) {
  if (descriptor_ < 0) return;
  for (const auto& beat : beats) {
    begin_line(line_, "sent", device, beat, now_ms);
    line_ += "}\n";
  }
  write_out();
}

void ack_log::answered(const player& device, std::span<const heartbeat> beats,
                       std::span<const outcome> outcomes, wall_ms now_ms) {
  if (descriptor_ < 0) return;
  for (std::size_t i = 0; i < beats.size(); ++i) {
    const auto& what = outcomes[i];
    begin_line(line_, "answered", device, beats[i], now_ms);
    fmt::format_to(std::back_inserter(line_), R"(,"status":"{}")", name_of(what.kind));
    if (what.credited_ms)
      fmt::format_to(std::back_inserter(line_), R"(,"credited_ms":{})", *what.credited_ms);
    if (!what.reason.empty())
      fmt::format_to(std::back_inserter(line_), R"(,"{}":"{}")",
                     what.transport ? "error" : "problem", what.reason);
    line_ += "}\n";
  }
  write_out();
}

void ack_log::write_out() {
  std::string_view left = line_;
  while (!left.empty()) {
    const auto bytes = ::write(descriptor_, left.data(), left.size());
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes < 0) {
      if (failure_.empty())
        failure_ =
            fmt::format("the log of acknowledgements cannot be written: {}", std::strerror(errno));
      break;
    }
    left.remove_prefix(static_cast<std::size_t>(bytes));
  }
  line_.clear();
}

}  // namespace watchkeeper::fleet
