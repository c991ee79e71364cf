#include "server/live/live_endpoint.hpp"

#include <memory>
#include <string>
#include <vector>

namespace watchkeeper::server {
namespace {

net::http_response stream_head() {
  net::http_response head;
  head.content_type = "text/event-stream";
  // The last is for proxies that would buffer the response.
  head.headers = {{"cache-control", "no-store"}, {"x-accel-buffering", "no"}};
  return head;
}

/// Begins the response with the first events, when the feed has accepted the subscriber.
class client final : public actors::live_subscriber {
 public:
  client(net::response_port& responses, const net::response_address& to)
      : responses_(responses), to_(to) {}

  void write(std::string_view events) noexcept override {
    try {
      if (!begun_) responses_.begin(to_, stream_head());
      begun_ = true;
      responses_.send(to_, std::string(events), false);
    } catch (...) {  // out of memory: the client sees a gap in nothing but time, and asks again
      responses_.send(to_, {}, true);
    }
  }
  void end() noexcept override { responses_.send(to_, {}, true); }

 private:
  net::response_port& responses_;
  const net::response_address to_;
  bool begun_ = false;
};

}  // namespace

bool live_endpoint::open(const net::http_request& request, const std::optional<module_id>& module,
                         wall_ms until_ms, const login_id& of) {
  if (request.method == net::http_method::head) {
    responses_.respond(request.respond_to, stream_head());
    return true;
  }
  // This is the I/O thread of the client: on_gone cannot come before the number is noted.
  const auto number =
      feed_.subscribe(std::make_shared<client>(responses_, request.respond_to), module,
                      request.field(net::request_field::last_event_id), until_ms);
  if (number == 0) return false;
  const mutex_lock lock(mutex_);
  open_[key_of(request.respond_to)] = {number, of};
  return true;
}

void live_endpoint::end(const net::response_address& opened_by) {
  std::uint64_t number = 0;
  {
    const mutex_lock lock(mutex_);
    const auto found = open_.find(key_of(opened_by));
    if (found == open_.end()) return;
    number = found->second.number;
  }
  feed_.end(number);
}

void live_endpoint::end_login(const std::array<std::uint8_t, 16>& ended) {
  std::vector<std::uint64_t> numbers;
  {
    const mutex_lock lock(mutex_);
    for (const auto& [where, opened] : open_)
      if (opened.of == ended) numbers.push_back(opened.number);
  }
  for (const auto number : numbers) feed_.end(number);
}

void live_endpoint::on_gone(const net::response_address& from) noexcept {
  std::uint64_t number = 0;
  {
    const mutex_lock lock(mutex_);
    const auto found = open_.find(key_of(from));
    if (found == open_.end()) return;
    number = found->second.number;
    open_.erase(found);
  }
  feed_.unsubscribe(number);
}

}  // namespace watchkeeper::server
