// An HTTP/2 connection that is fed anything. The input is a list of pieces: a byte of flags, a byte
// of length / 4, bytes. By its flags the first piece follows preface and SETTINGS, time passes
// before a piece, the sink answers what it holds, or the session begins to drain after it.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "net/http2/connection_state.hpp"
#include "net/shared/worker_state.hpp"

namespace {

using namespace watchkeeper::net;

/// Every request and every stream owes exactly one end; a broken promise aborts.
class counting_sink final : public request_sink {
 public:
  std::vector<response_event> answers;     // to be applied after the call
  std::vector<response_address> held;      // whole requests without an answer
  std::vector<response_address> streamed;  // open

  body_policy policy_of(http_method method, std::string_view path) noexcept override {
    const bool streams = method == http_method::post && path.ends_with("s");
    return {streams ? body_mode::streamed : body_mode::whole, 4096};
  }
  void on_request(http_request&& request) noexcept override {
    const auto policy = policy_of(request.method, request.path);
    if (policy.mode == body_mode::streamed) {
      streamed.push_back(request.respond_to);
      if (request.path.size() % 2 == 0) begin(request.respond_to);
      return;
    }
    if (request.body.size() > policy.bytes_max) std::abort();
    if (request.path.size() % 2 == 0)
      respond(request.respond_to);
    else
      held.push_back(request.respond_to);
  }
  void on_data(const response_address& from, std::string_view bytes, bool last) noexcept override {
    if (std::find(streamed.begin(), streamed.end(), from) == streamed.end()) std::abort();
    response_event used;
    used.what = response_event::kind::consumed;
    used.to = from;
    used.bytes = bytes.size();
    answers.push_back(std::move(used));
    if (last) send(from, "end", true);
  }
  void on_drained(const response_address& to) noexcept override { send(to, "more", false); }
  void on_gone(const response_address& from) noexcept override {
    const auto at = std::find(streamed.begin(), streamed.end(), from);
    if (at == streamed.end()) std::abort();  // twice, or never there
    streamed.erase(at);
  }

  void respond(const response_address& to) {
    response_event answer;
    answer.to = to;
    answer.response.content_type = "text/plain";
    answer.response.body.assign(100 * static_cast<std::size_t>(to.stream % 500), 'a');
    answers.push_back(std::move(answer));
  }
  void begin(const response_address& to) {
    response_event answer;
    answer.what = response_event::kind::begin;
    answer.to = to;
    answer.response.content_type = "text/plain";
    answer.response.pulled = to.stream % 3 == 0;
    answers.push_back(std::move(answer));
  }
  void send(const response_address& to, std::string_view chunk, bool last) {
    response_event answer;
    answer.what = response_event::kind::send;
    answer.last = last;
    answer.to = to;
    answer.response.body = chunk;
    answers.push_back(std::move(answer));
  }
};

/// The preface and empty SETTINGS.
constexpr std::uint8_t hello[] = {'P',  'R',  'I', ' ',  '*',  ' ',  'H',  'T', 'T', 'P',  '/',
                                  '2',  '.',  '0', '\r', '\n', '\r', '\n', 'S', 'M', '\r', '\n',
                                  '\r', '\n', 0,   0,    0,    4,    0,    0,   0,   0,    0};
constexpr std::size_t sent_bytes_max = 4 * 1024 * 1024;

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  counting_sink sink;
  server_options options;
  worker_state worker{.options = options, .sink = sink, .index = 0};
  worker.now = watchkeeper::mono_ms(1000);
  std::size_t sent = 0;
  {
    http2_connection_state session(worker, 1, {});
    bool open = true;
    bool greeted = false;
    const auto settle = [&] {
      for (int rounds = 0; rounds < 100; ++rounds) {
        auto answers = std::move(sink.answers);
        sink.answers.clear();
        for (auto& each : answers) open = session.apply(std::move(each)) && open;
        for (;;) {
          bool failed = false;
          const auto frame = session.next_frame(failed);
          if (failed || frame.empty()) break;
          sent += frame.size();
        }
        if (sink.answers.empty()) break;
      }
      if (sent > sent_bytes_max) std::abort();
    };
    settle();
    std::span input(bytes, size);
    while (input.size() >= 2 && open && !session.finished()) {
      const auto flags = input[0];
      const auto length = std::min<std::size_t>(std::size_t{input[1]} * 4, input.size() - 2);
      const auto piece = input.subspan(2, length);
      input = input.subspan(2 + length);
      if ((flags & 1) != 0 && !greeted) open = session.receive(hello) && open;
      greeted = true;
      if ((flags & 2) != 0) {
        worker.now += 50 * (flags >> 3);
        session.sweep();
      }
      if ((flags & 4) != 0) {
        for (const auto& each : sink.held) sink.respond(each);
        sink.held.clear();
      }
      if (open && !session.receive(piece)) open = false;
      settle();
      if (flags == 0xff) session.drain();
    }
    settle();
  }
  // Nothing is left behind of a session that has gone.
  if (!sink.streamed.empty() || worker.bodies_bytes != 0 || worker.count.streams_open.read() != 0)
    std::abort();
  return 0;
}
