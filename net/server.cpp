#include "net/server.hpp"

#include <sys/resource.h>

#include <condition_variable>
#include <mutex>
#include <stdexcept>
#include <utility>

#include "net/admission.hpp"
#include "net/io_thread.hpp"
#include "net/listener.hpp"
#include "net/tls/context.hpp"

namespace watchkeeper::net {
namespace {

constexpr unsigned io_threads_max = 256;

/// A connection is a descriptor: take all that the system grants.
void raise_descriptor_limit() noexcept {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

const server_options& checked(const server_options& options) {
  const auto refuse = [](const char* why) { throw std::runtime_error(why); };
  if (options.io_threads == 0 || options.io_threads > io_threads_max)
    refuse("io_threads must be 1 to 256");
  if (options.address_punished.interval_us <= 0 || options.address_punished.burst <= 0)
    refuse("address_punished must have a rate and a burst above zero");
  if (options.concurrent_streams_max == 0) refuse("concurrent_streams_max must be at least 1");
  if (options.handshake_timeout_ms <= 0 || options.header_timeout_ms <= 0 ||
      options.body_timeout_ms <= 0 || options.write_timeout_ms <= 0 || options.idle_timeout_ms <= 0)
    refuse("every timeout of the HTTP/2 server must be above zero");
  return options;
}

}  // namespace

struct server::implementation final : response_port {
  implementation(server_options given, request_sink& sink)
      : options(std::move(given)),
        doorkeeper(checked(options).connections_max, options.connections_per_address_max),
        punished(options.address_punished, reinterpret_cast<std::uintptr_t>(this)) {
    if (!options.tls_listen.empty())
      if (const auto loaded = tls.load(options.tls); !loaded)
        throw std::runtime_error(loaded.error());
    for (unsigned i = 0; i < options.io_threads; ++i)
      threads.push_back(std::make_unique<io_thread>(options, sink, i, doorkeeper, punished, &tls));
  }

  ~implementation() override { stop(); }

  void stop() noexcept {
    // The sink may respond through any of the threads when it is notified of what is gone: all
    // of them have to be there until the last has stopped.
    for (auto& each : threads) each->stop();
  }

  void post(response_event::kind what, const response_address& to, http_response&& response,
            bool last = false, std::size_t bytes = 0) noexcept {
    if (to.io_thread >= threads.size()) return;
    threads[to.io_thread]->post({what, last, to, bytes, std::move(response)});
  }
  void respond(const response_address& to, http_response&& response) noexcept override {
    post(response_event::kind::respond, to, std::move(response));
  }
  void begin(const response_address& to, http_response&& head) noexcept override {
    post(response_event::kind::begin, to, std::move(head));
  }
  void send(const response_address& to, std::string&& chunk, bool last) noexcept override {
    http_response carrier;
    carrier.body = std::move(chunk);
    post(response_event::kind::send, to, std::move(carrier), last);
  }
  void consumed(const response_address& to, std::size_t bytes) noexcept override {
    post(response_event::kind::consumed, to, {}, false, bytes);
  }

  /// Has every I/O thread do something and waits until each has.
  template <class Ask>
  void ask_all(Ask ask) {
    std::mutex mutex;
    std::condition_variable all_done;
    std::size_t missing = threads.size();
    for (auto& each : threads)
      ask(*each, [&] {
        const std::scoped_lock lock(mutex);
        if (--missing == 0) all_done.notify_one();
      });
    std::unique_lock lock(mutex);
    all_done.wait(lock, [&] { return missing == 0; });
  }

  const server_options options;
  admission doorkeeper;
  address_rate_limiter punished;
  tls_store tls;
  std::uint16_t tls_port = 0;
  std::uint16_t h2c_port = 0;
  bool started = false;
  std::vector<std::unique_ptr<io_thread>> threads;  // last: destroyed first
};

server::server(server_options options, request_sink& sink)
    : implementation_(std::make_unique<implementation>(std::move(options), sink)) {}

server::~server() = default;

void server::start() {
  auto& self = *implementation_;
  if (self.started) throw std::runtime_error("the HTTP/2 server was started before");
  raise_descriptor_limit();
  const auto listen = [](const char* setting, const std::string& address, std::uint16_t& port) {
    if (address.empty()) return std::unique_ptr<listener>();
    auto made = std::make_unique<listener>(setting, address, port, port == 0);
    port = made->port();
    return made;
  };
  for (auto& each : self.threads) {
    auto tls = listen("listen", self.options.tls_listen, self.tls_port);
    auto h2c = listen("h2c_listen", self.options.h2c_listen, self.h2c_port);
    each->listen(std::move(tls), std::move(h2c));
  }
  for (auto& each : self.threads) each->start();
  self.started = true;
}

response_port& server::responses() noexcept {
  return *implementation_;
}
std::uint16_t server::tls_port() const noexcept {
  return implementation_->tls_port;
}
std::uint16_t server::h2c_port() const noexcept {
  return implementation_->h2c_port;
}

server_statistics server::statistics() const {
  server_statistics sum;
  for (const auto& each : implementation_->threads) {
    const auto& c = each->counters();
    sum.connections_open += c.connections_open.read();
    sum.connections_accepted += c.connections_accepted.read();
    sum.connections_refused += c.connections_refused.read();
    sum.connections_punished += c.connections_punished.read();
    sum.handshakes_failed += c.handshakes_failed.read();
    sum.handshakes_full += c.handshakes_full.read();
    sum.handshakes_resumed += c.handshakes_resumed.read();
    sum.streams_open += c.streams_open.read();
    sum.requests += c.requests.read();
    sum.responses_dropped += c.responses_dropped.read();
    sum.bytes_received += c.bytes_received.read();
    sum.bytes_sent += c.bytes_sent.read();
  }
  return sum;
}

result<ok_t, std::string> server::reload_tls(const tls_files& files) {
  return implementation_->tls.load(files);
}

void server::check_deadlines() {
  if (!implementation_->started) return;
  implementation_->ask_all(
      [](io_thread& each, auto done) { each.check_deadlines(std::move(done)); });
}

bool server::drain(std::chrono::milliseconds deadline) {
  auto& self = *implementation_;
  if (!self.started) return true;
  const auto until = std::chrono::steady_clock::now() + deadline;
  self.ask_all([](io_thread& each, auto done) { each.drain(std::move(done)); });
  if (self.doorkeeper.wait_until_empty(until)) return true;
  self.ask_all([](io_thread& each, auto done) { each.cut_all(std::move(done)); });
  return false;
}

void server::stop() noexcept {
  implementation_->stop();
}

}  // namespace watchkeeper::net
