#include "net/response_inbox.hpp"

#include <utility>

namespace watchkeeper::net {

bool response_inbox::push(response_event&& message) noexcept {
  const mutex_lock lock(mutex_);
  const bool was_empty = events_.empty() && lost_.count == 0 && !lost_.all;
  if (message.what == response_event::kind::send) {
    const auto size = message.response.body.size();
    if (size > bounds::inbox_chunk_bytes_max - chunk_bytes_) {
      message.what = response_event::kind::overflow;
      message.response.body = {};
    } else {
      chunk_bytes_ += size;
    }
  }
  empty_.store(false, std::memory_order_release);
  const auto connection = message.to.connection;
  try {
    events_.push_back(std::move(message));
  } catch (...) {
    if (lost_.count < lost_.connections.size())
      lost_.connections[lost_.count++] = connection;
    else
      lost_.all = true;
  }
  return was_empty;
}

void response_inbox::take(std::vector<response_event>& into, lost_responses& lost) noexcept {
  const mutex_lock lock(mutex_);
  std::swap(events_, into);
  chunk_bytes_ = 0;
  empty_.store(true, std::memory_order_release);
  lost = lost_;
  lost_ = {};
}

}  // namespace watchkeeper::net
