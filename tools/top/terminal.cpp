#include "tools/top/terminal.hpp"

#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <string>
#include <string_view>

namespace watchkeeper::top {
namespace {

void put(std::string_view text) {
  while (!text.empty()) {
    const auto bytes = write(STDOUT_FILENO, text.data(), text.size());
    if (bytes < 0) return;  // the terminal has gone: reading a key will notice
    text.remove_prefix(static_cast<std::size_t>(bytes));
  }
}

extern "C" void watchkeeper_top_on_resize(int) {}  // only to interrupt the wait for a key

std::string_view begin_of(line_style style) {
  switch (style) {
    case line_style::title:
      return "\033[1m";
    case line_style::heading:
      return "\033[36m";
    case line_style::alert:
      return "\033[1;31m";
    case line_style::normal:
      break;
  }
  return "";
}

}  // namespace

terminal::terminal() {
  tcgetattr(STDIN_FILENO, &before_);
  auto raw = before_;
  raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
  raw.c_cc[VMIN] = 0;
  raw.c_cc[VTIME] = 0;
  tcsetattr(STDIN_FILENO, TCSANOW, &raw);
  struct sigaction resize {};
  resize.sa_handler = watchkeeper_top_on_resize;
  sigemptyset(&resize.sa_mask);
  sigaction(SIGWINCH, &resize, &resize_before_);
  put("\033[?1049h\033[?25l");
}

terminal::~terminal() {
  put("\033[?25h\033[?1049l");
  tcsetattr(STDIN_FILENO, TCSANOW, &before_);
  sigaction(SIGWINCH, &resize_before_, nullptr);
}

terminal::extent terminal::size() {
  winsize now{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &now) != 0 || now.ws_col == 0 || now.ws_row == 0) return {};
  return {now.ws_col, now.ws_row};
}

void terminal::draw(const std::vector<frame_line>& frame) {
  // Drawn over line by line, without clearing first: nothing flickers.
  std::string out = "\033[H";
  for (std::size_t i = 0; i < frame.size(); ++i) {
    const auto begin = begin_of(frame[i].style);
    out += begin;
    out += frame[i].text;
    if (!begin.empty()) out += "\033[0m";
    out += "\033[K";
    if (i + 1 < frame.size()) out += "\r\n";
  }
  put(out + "\033[J");
}

char terminal::key(std::chrono::milliseconds patience) {
  pollfd input{STDIN_FILENO, POLLIN, 0};
  if (poll(&input, 1, static_cast<int>(std::max<std::int64_t>(0, patience.count()))) <= 0) return 0;
  char key = 0;
  // A terminal that has gone reads as its end: nobody is there to watch.
  return read(STDIN_FILENO, &key, 1) == 1 ? key : 'q';
}

}  // namespace watchkeeper::top
