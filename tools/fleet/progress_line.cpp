#include "tools/fleet/progress_line.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "tools/fleet/report.hpp"

namespace watchkeeper::fleet {
namespace {

std::string bar(double fraction) {
  constexpr int cells = 20;
  const int full = std::clamp(static_cast<int>(fraction * cells), 0, cells);
  std::string out;
  for (int i = 0; i < cells; ++i) out += i < full ? "█" : "░";
  return out;
}

}  // namespace

progress_line::progress_line(bool quiet) : quiet_(quiet), terminal_(isatty(STDERR_FILENO) == 1) {
  // What is over within five seconds needs no line of its own in a log.
  if (!terminal_) last_ = std::chrono::steady_clock::now();
}

progress_line::~progress_line() {
  if (drawn_) std::fputs("\r\033[K", stderr);
}

bool progress_line::due(time_point now) {
  if (quiet_) return false;
  const auto pause = terminal_ ? std::chrono::milliseconds(200) : std::chrono::milliseconds(5000);
  return now - last_ >= pause;
}

void progress_line::show(std::string text) {
  if (!terminal_) {
    std::fputs((text + "\n").c_str(), stderr);
    return;
  }
  winsize size{};
  std::size_t columns = 80;
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) columns = size.ws_col;
  // Cut between characters: those of more than one byte begin with a byte outside 10xxxxxx.
  std::size_t width = 0;
  std::size_t end = 0;
  for (; end < text.size(); ++end)
    if ((static_cast<unsigned char>(text[end]) & 0xc0) != 0x80 && ++width >= columns) break;
  text.resize(end);
  std::fputs(("\r\033[K" + text).c_str(), stderr);
  std::fflush(stderr);
  drawn_ = true;
}

void progress_line::step(std::string_view what, std::size_t done, std::size_t whole,
                         time_point now) {
  if (!due(now)) return;
  last_ = now;
  const double fraction = whole == 0 ? 1.0 : static_cast<double>(done) / static_cast<double>(whole);
  show(fmt::format("{}{} {} of {}", terminal_ ? bar(fraction) + " " : "", what, grouped(done),
                   grouped(whole)));
}

void progress_line::running(const tally& t, std::size_t connected, std::size_t connections,
                            double fraction, time_point now) {
  if (!due(now)) return;
  const auto seconds = std::chrono::duration<double>(now - last_).count();
  const bool first = last_ == time_point{} || t.sent < sent_before_;
  const auto rate = [&](std::uint64_t current, std::uint64_t before) {
    return first ? 0.0 : static_cast<double>(current - before) / seconds;
  };
  show(fmt::format("{}{}/{} connected  {:.0f} sent/s  {:.0f} answered/s  {} acknowledged  p99 {}",
                   terminal_ ? bar(fraction) + " " : "", grouped(connected), grouped(connections),
                   rate(t.sent, sent_before_), rate(t.answered(), answered_before_),
                   grouped(t.acknowledged()), duration_text(t.latency.quantile_us(0.99))));
  last_ = now;
  sent_before_ = t.sent;
  answered_before_ = t.answered();
}

}  // namespace watchkeeper::fleet
