#include "actors/credit/session_directory.hpp"

#include <algorithm>

namespace watchkeeper::actors {

session_directory::session_directory(std::size_t sessions_max) {
  for (auto& each : all_) each = std::make_unique<stripe>(sessions_max / stripes_ + 1);
}

session_handle session_directory::find(const session_key_id& key, unix_ms now_ms) {
  auto& s = stripe_of(key);
  const mutex_lock lock(s.mutex);
  auto* const found = s.sessions.find(key);
  if (!found) return {};
  found->used_ms = now_ms;
  return found->session;
}

void session_directory::put(const session_key_id& key, const session_handle& session,
                            unix_ms now_ms) {
  auto& s = stripe_of(key);
  const mutex_lock lock(s.mutex);
  if (s.closed) return;
  s.sessions.try_emplace(key, used_session{session, now_ms});
}

void session_directory::sweep(unix_ms before_ms) {
  auto& s = *all_[next_swept_];
  next_swept_ = (next_swept_ + 1) % stripes_;
  const mutex_lock lock(s.mutex);
  while (!s.sessions.empty() && s.sessions.oldest()->value.used_ms < before_ms)
    s.sessions.evict_oldest();
}

void session_directory::close() {
  for (auto& s : all_) {
    const mutex_lock lock(s->mutex);
    s->closed = true;
    s->sessions.clear();
  }
}

std::size_t session_directory::size() const {
  std::size_t total = 0;
  for (const auto& s : all_) {
    const mutex_lock lock(s->mutex);
    total += s->sessions.size();
  }
  return total;
}

}  // namespace watchkeeper::actors
