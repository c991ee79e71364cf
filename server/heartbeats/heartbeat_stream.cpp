#include "server/heartbeats/heartbeat_stream.hpp"

#include <optional>

#include "server/heartbeats/result_json.hpp"

namespace watchkeeper::server {

void heartbeat_stream::on_data(std::string_view bytes, bool last) {
  std::unique_lock lock(mutex_);
  if (body_ended_) return;  // after finish(): no result, so the device sends it again
  unread_.append(bytes);
  if (last) body_ended_ = true;
  take_lines(lock);
}

void heartbeat_stream::on_gone() {
  std::unique_lock lock(mutex_);
  gone_ = true;
  unread_.clear();
}

void heartbeat_stream::finish() {
  std::unique_lock lock(mutex_);
  // Half a token is no token: the device has no result for it and sends it again.
  unread_.resize(unread_.rfind('\n') == std::string::npos ? 0 : unread_.rfind('\n') + 1);
  skipped_bytes_ = 0;
  body_ended_ = true;
  take_lines(lock);
}

void heartbeat_stream::take_lines(std::unique_lock<std::mutex>& lock) {
  while (!gone_ && under_way_ < slots) {
    auto end = unread_.find('\n');
    bool terminated = end != std::string::npos;
    if (!terminated && body_ended_ && !(unread_.empty() && skipped_bytes_ == 0)) {
      end = unread_.size();  // the last token may come without a line end
      terminated = true;
    }
    if (!terminated) {
      // More than a token without a line end: keep what shows that it is too long, drop the rest.
      constexpr auto kept = limits::token_bytes_max + 1;
      if (unread_.size() > kept) {
        const auto dropped = unread_.size() - kept;
        skipped_bytes_ += dropped;
        unread_.resize(kept);
        lock.unlock();
        replies_.consumed(to_, dropped);
        lock.lock();
      }
      break;
    }
    std::string token = unread_.substr(0, end);
    const auto eaten = std::min(end + 1, unread_.size());
    unread_.erase(0, eaten);
    skipped_bytes_ = 0;
    const auto slot = (first_ + under_way_) % slots;
    lines_[slot].text.clear();
    lines_[slot].bytes = eaten;
    ++under_way_;
    actors::heartbeat_request request{std::move(token), shared_from_this(), slot, peer_};
    // A result may come back on this very thread.
    lock.unlock();
    gateway_.submit({&request, 1});
    lock.lock();
  }
  write_finished(lock);
}

void heartbeat_stream::on_result(std::size_t slot,
                                 const actors::heartbeat_result& result) noexcept {
  std::string text;
  append_result(text, result);
  text += '\n';
  std::unique_lock lock(mutex_);
  lines_[slot].text = std::move(text);
  if (slot != first_) return;  // an older one is still under way
  write_finished(lock);
  if (!gone_ && !unread_.empty()) take_lines(lock);
}

void heartbeat_stream::write_finished(std::unique_lock<std::mutex>& lock) {
  std::string chunk;
  std::size_t bytes = 0;
  while (under_way_ > 0 && !lines_[first_].text.empty()) {
    chunk += lines_[first_].text;
    bytes += lines_[first_].bytes;
    lines_[first_].text.clear();
    first_ = (first_ + 1) % slots;
    --under_way_;
  }
  const bool last = body_ended_ && under_way_ == 0 && unread_.empty() && !answer_ended_;
  if (last) answer_ended_ = true;
  if (gone_ || (chunk.empty() && !last)) return;
  // Under the lock: chunks must reach the port in order. The port only queues.
  replies_.send(to_, std::move(chunk), last);
  if (bytes > 0) replies_.consumed(to_, bytes);
  (void)lock;
}

}  // namespace watchkeeper::server
