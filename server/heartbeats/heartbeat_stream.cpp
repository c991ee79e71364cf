#include "server/heartbeats/heartbeat_stream.hpp"

#include <optional>
#include <vector>

#include "server/heartbeats/result_json.hpp"

namespace watchkeeper::server {

void heartbeat_stream::on_data(std::string_view bytes, bool last) {
  mutex_lock lock(mutex_);
  if (body_ended_) return;  // after finish(): no result, so the device sends it again
  unread_.append(bytes);
  if (last) body_ended_ = true;
  take_lines(lock);
}

void heartbeat_stream::on_gone() {
  mutex_lock lock(mutex_);
  gone_ = true;
  unread_.clear();
  read_ = 0;
}

void heartbeat_stream::finish() {
  mutex_lock lock(mutex_);
  // Half a token is no token: the device has no result for it and sends it again.
  const auto end = unread_.rfind('\n');
  unread_.resize(std::max(read_, end == std::string::npos ? 0 : end + 1));
  skipped_bytes_ = 0;
  body_ended_ = true;
  take_lines(lock);
}

std::optional<heartbeat_stream::cut> heartbeat_stream::cut_line() {
  const auto rest = std::string_view(unread_).substr(read_);
  auto end = rest.find('\n');
  if (end == std::string_view::npos) {
    // The last token may come without a line end.
    if (!body_ended_ || (rest.empty() && skipped_bytes_ == 0)) return std::nullopt;
    end = rest.size();
  }
  cut found{std::string(rest.substr(0, end)), std::min(end + 1, rest.size())};
  read_ += found.bytes;
  skipped_bytes_ = 0;
  return found;
}

void heartbeat_stream::take_lines(mutex_lock& lock) {
  // A result may come back on this very thread while its token is being handed over. Therefore the
  // outermost call goes on until there is nothing more to do, and calls inside of it return.
  if (taking_) return;
  taking_ = true;
  bool more = true;
  while (more && !gone_) {
    more = false;
    // Together, as those of a request: what is signed with a session's key follows its offer.
    std::vector<actors::heartbeat_request> lines;
    while (in_flight_ < slots) {
      auto next = cut_line();
      if (!next) break;
      more = true;
      const auto slot = (first_ + in_flight_) % slots;
      lines_[slot].text.clear();
      lines_[slot].bytes = next->bytes;
      ++in_flight_;
      lines.push_back({std::move(next->token), shared_from_this(), slot, peer_});
    }
    if (!lines.empty()) {
      // Natively, since clang does not follow a lock that was passed to a function. No guarded
      // member is touched in between.
      lock.native().unlock();
      submit_(lines);
      lock.native().lock();
    }
    write_finished();
  }
  taking_ = false;
  unread_.erase(0, read_);
  read_ = 0;
  drop_overlong();
  // A stream is open for hours, and mostly waits: a large chunk must not stay in its memory.
  if (unread_.capacity() > 2 * limits::token_bytes_max && unread_.size() <= limits::token_bytes_max)
    unread_.shrink_to_fit();
}

void heartbeat_stream::drop_overlong() {
  // More than a token without a line end: the first bytes show that it is too long; drop the rest.
  constexpr auto partial_bytes_max = limits::token_bytes_max + 1;
  if (gone_ || in_flight_ == slots || unread_.size() <= partial_bytes_max ||
      unread_.find('\n') != std::string::npos)
    return;
  const auto dropped = unread_.size() - partial_bytes_max;
  skipped_bytes_ += dropped;
  unread_.resize(partial_bytes_max);
  responses_.consumed(to_, dropped);
}

void heartbeat_stream::on_result(std::size_t slot,
                                 const actors::heartbeat_result& result) noexcept {
  std::string text;
  json_writer out(text);
  write_result(out, result);
  text += '\n';
  mutex_lock lock(mutex_);
  lines_[slot].text = std::move(text);
  if (taking_ || slot != first_) return;  // take_lines writes it, or an older result comes first
  write_finished();
  take_lines(lock);
}

void heartbeat_stream::write_finished() {
  std::string chunk;
  std::size_t bytes = 0;
  while (in_flight_ > 0 && !lines_[first_].text.empty()) {
    chunk += lines_[first_].text;
    bytes += lines_[first_].bytes;
    lines_[first_].text.clear();
    first_ = (first_ + 1) % slots;
    --in_flight_;
  }
  const bool last = body_ended_ && in_flight_ == 0 && read_ == unread_.size() && !response_ended_;
  if (last) response_ended_ = true;
  if (gone_ || (chunk.empty() && !last)) return;
  // With the lock: chunks must reach the port in order. The port only queues.
  responses_.send(to_, std::move(chunk), last);
  if (bytes > 0) responses_.consumed(to_, bytes);
}

}  // namespace watchkeeper::server
