#include "tools/top/top.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <memory>
#include <utility>

#include "tools/fleet/simple_client.hpp"
#include "tools/fleet/stop_signal.hpp"
#include "tools/top/frame.hpp"
#include "tools/top/model.hpp"
#include "tools/top/terminal.hpp"

namespace watchkeeper::top {
namespace {

using clock = std::chrono::steady_clock;

constexpr int exit_clean = 0;
constexpr int exit_unusable = 2;

int complain(const std::string& sentence) {
  std::fputs(fmt::format("watchkeeper top: {}\n", sentence).c_str(), stderr);
  return exit_unusable;
}

std::string check(const top_options& options) {
  if (!(options.interval_s >= 0.1 && options.interval_s <= 60))
    return "the interval must be 0.1 s to 60 s";
  if (options.token.empty()) return "the statistics take a token of the role operator; give one";
  for (const char c : options.token)
    if (c < 0x21 || c > 0x7e) return "the token holds a character that no token has";
  if (!options.once && (isatty(STDIN_FILENO) == 0 || isatty(STDOUT_FILENO) == 0))
    return "the live view needs a terminal; for a pipe or a file ask for one frame (--once)";
  return {};
}

/// Looks at the statistics. A sentence, empty when it went well.
std::string look(fleet::simple_client& client, const std::string& authorization, top_model& model) {
  fleet::http2_request what;
  what.path = "/v1/stats";
  what.authorization = authorization;
  what.timeout = std::chrono::seconds(3);
  const auto response = client.request(std::move(what));
  if (!response) return response.error();
  if (response->status == 401 || response->status == 403)
    return "the gateway does not take the token: " + fleet::explain_refusal(*response);
  if (response->status != 200)
    return "the statistics were refused: " + fleet::explain_refusal(*response);
  auto stats = nlohmann::json::parse(response->body, nullptr, false);
  if (!stats.is_object()) return "the gateway's statistics are no JSON object";
  model.look(std::move(stats), clock::now());
  return {};
}

/// Waits until `until`; true when the user or a signal wants to end. `redraw` on each interruption.
template <class Redraw>
bool wait_for_end(clock::time_point until, Redraw redraw) {
  for (;;) {
    if (fleet::stop_signal::requested()) return true;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - clock::now());
    if (left.count() <= 0) return false;
    const char key = terminal::key(left);
    if (key == 'q' || key == 'Q') return true;
    redraw();  // perhaps the window has another size now
  }
}

}  // namespace

int run_top(const top_options& options) {
  if (const auto problem = check(options); !problem.empty()) return complain(problem);
  std::signal(SIGPIPE, SIG_IGN);
  const fleet::stop_signal signals;
  auto made = fleet::simple_client::make(options.url, {options.ca_file, options.insecure, false});
  if (!made) return complain(made.error());
  auto& client = **made;
  const auto authorization = "Bearer " + options.token;
  const auto interval = std::chrono::duration_cast<clock::duration>(
      std::chrono::duration<double>(options.interval_s));

  top_model model;
  frame_note note;
  note.url = options.url;
  note.failure = look(client, authorization, model);
  if (!note.failure.empty()) return complain(note.failure);

  if (options.once) {
    note.hint = false;
    usleep(static_cast<useconds_t>(options.interval_s * 1e6));
    if (const auto failure = look(client, authorization, model); !failure.empty())
      return complain(failure);
    for (const auto& line : draw_frame(model, note, 100, 1000)) std::puts(line.text.c_str());
    return std::fflush(stdout) == 0 ? exit_clean : exit_unusable;
  }

  terminal screen;
  const auto redraw = [&] {
    const auto size = terminal::size();
    screen.draw(draw_frame(model, note, size.columns, size.rows));
  };
  for (;;) {
    redraw();
    if (wait_for_end(clock::now() + interval, redraw)) return exit_clean;
    note.failure = look(client, authorization, model);
  }
}

}  // namespace watchkeeper::top
