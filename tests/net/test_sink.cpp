#include "tests/net/test_sink.hpp"

#include <algorithm>
#include <thread>

#include "net/shared/bounds.hpp"

namespace watchkeeper::net::test {
namespace {

http_response text(int status, std::string body) {
  http_response response;
  response.status = status;
  response.content_type = "text/plain";
  response.body = std::move(body);
  return response;
}

}  // namespace

request_sink::body_policy test_sink::policy_of(http_method, std::string_view path) noexcept {
  if (path == "/stream" || path == "/stall" || path == "/flood" || path == "/pull" ||
      path == "/turns")
    return {body_mode::streamed, 0};
  return {body_mode::whole, body_bytes_max};
}

const header_fields* test_sink::common_fields(const http_request& request) noexcept {
  static const header_fields fields{{"x-common", "yes"}};
  return request.path.starts_with("/shared") ? &fields : nullptr;
}

void test_sink::on_request(http_request&& request) noexcept {
  const auto to = request.respond_to;
  if (request.path == "/echo") return port->respond(to, text(200, std::move(request.body)));
  if (request.path == "/describe") {
    std::string body = std::string(name_of(request.method)) + "\n" + request.path + "\n" +
                       request.query + "\n" + request.authorization + "\n" + request.content_type +
                       "\n" + request.prefer + "\n" + to_string(request.peer) + "\n" + request.body;
    for (const auto& [field, value] : request.others)
      body += "\n" + std::to_string(static_cast<int>(field)) + "=" + value;
    auto response = text(200, std::move(body));
    response.headers.emplace_back("x-more", "yes");
    return port->respond(to, std::move(response));
  }
  if (request.path.starts_with("/status/"))
    return port->respond(to, text(std::stoi(request.path.substr(8)), "status"));
  if (request.path == "/big") return port->respond(to, text(200, std::string(1 << 20, 'b')));
  if (request.path == "/hold") {
    const std::scoped_lock lock(mutex_);
    pending_.push_back(to);
    changed_.notify_all();
    return;
  }
  if (request.path == "/round") {
    const std::scoped_lock lock(mutex_);
    of_this_round_.push_back(to);
    return;
  }
  if (request.path == "/busy") {
    std::unique_lock lock(mutex_);
    busy_ = true;
    changed_.notify_all();
    changed_.wait_for(lock, wait_max, [&] { return !busy_; });
    return port->respond(to, text(200, "busy"));
  }
  if (request.path == "/late") {
    clock_.advance(bounds::round_ms_max + 1);
    return port->respond(to, text(200, "late"));
  }
  if (request.path == "/pull") {
    {
      const std::scoped_lock lock(mutex_);
      streams_[to.connection][to.stream] = request.path;
    }
    auto head = text(200, "");
    head.pulled = true;
    return port->begin(to, std::move(head));
  }
  if (request.path == "/stream" || request.path == "/stall" || request.path == "/flood" ||
      request.path == "/turns") {
    {
      const std::scoped_lock lock(mutex_);
      streams_[to.connection][to.stream] = request.path;
    }
    port->begin(to, text(200, ""));
    if (request.path == "/flood")
      for (int i = 0; i < 8; ++i) port->send(to, std::string(64 * 1024, 'f'), false);
    return;
  }
  port->respond(to, text(404, "no such path"));
}

void test_sink::on_drained(const response_address& to) noexcept {
  std::size_t number = 0;
  {
    const std::scoped_lock lock(mutex_);
    number = ++pulled_;
  }
  port->send(to, std::string(64 * 1024, static_cast<char>('a' + number)), number == 16);
}

bool test_sink::is_pulled(const response_address& from) {
  const std::scoped_lock lock(mutex_);
  return streams_[from.connection][from.stream] == "/pull";
}

std::size_t test_sink::pulled() {
  const std::scoped_lock lock(mutex_);
  return pulled_;
}

void test_sink::on_data(const response_address& from, std::string_view bytes, bool last) noexcept {
  if (is_pulled(from)) return;
  std::string path;
  {
    const std::scoped_lock lock(mutex_);
    path = streams_[from.connection][from.stream];
    if (path == "/stall") {
      stalled_bytes_ += bytes.size();
      stalled_ = from;
      changed_.notify_all();
      if (last) port->send(from, "done", true);
      return;
    }
  }
  if (path == "/turns" && !last)
    std::thread([&] { port->send(from, std::string(bytes), false); }).join();
  else
    port->send(from, std::string(bytes), last);
  port->consumed(from, bytes.size());
}

void test_sink::on_round_end(std::uint32_t io_thread) noexcept {
  std::vector<response_address> due;
  {
    const std::scoped_lock lock(mutex_);
    ++rounds_;
    changed_.notify_all();
    const auto others =
        std::partition(of_this_round_.begin(), of_this_round_.end(),
                       [&](const auto& each) { return each.io_thread != io_thread; });
    due.assign(others, of_this_round_.end());
    of_this_round_.erase(others, of_this_round_.end());
  }
  for (const auto& to : due) port->respond(to, text(200, std::to_string(due.size())));
}

void test_sink::on_gone(const response_address& from) noexcept {
  const std::scoped_lock lock(mutex_);
  streams_[from.connection].erase(from.stream);
  ++gone_;
  changed_.notify_all();
}

bool test_sink::wait_pending(std::size_t count) {
  return wait([&] { return pending_.size() >= count; });
}
bool test_sink::wait_busy() {
  return wait([&] { return busy_; });
}
std::size_t test_sink::rounds() {
  const std::scoped_lock lock(mutex_);
  return rounds_;
}
bool test_sink::wait_rounds(std::size_t count) {
  return wait([&] { return rounds_ >= count; });
}
void test_sink::let_go() {
  const std::scoped_lock lock(mutex_);
  busy_ = false;
  changed_.notify_all();
}
bool test_sink::wait_gone(std::size_t count) {
  return wait([&] { return gone_ >= count; });
}
bool test_sink::wait_stalled_bytes(std::size_t count) {
  return wait([&] { return stalled_bytes_ >= count; });
}

std::vector<response_address> test_sink::pending() {
  const std::scoped_lock lock(mutex_);
  return pending_;
}

void test_sink::release() {
  std::vector<response_address> waiting;
  {
    const std::scoped_lock lock(mutex_);
    waiting.swap(pending_);
  }
  for (const auto& to : waiting) port->respond(to, text(200, "released"));
}

void test_sink::consume_stalled() {
  const std::scoped_lock lock(mutex_);
  if (stalled_) port->consumed(*stalled_, stalled_bytes_);
  stalled_bytes_ = 0;
}

std::size_t test_sink::stalled_bytes() {
  const std::scoped_lock lock(mutex_);
  return stalled_bytes_;
}

}  // namespace watchkeeper::net::test
