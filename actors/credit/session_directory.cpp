#include "actors/credit/session_directory.hpp"

#include <algorithm>

namespace watchkeeper::actors {

session_directory::session_directory(std::size_t sessions_max) {
  for (auto& each : all_) each = std::make_unique<stripe>(sessions_max / stripes_ + 1);
}

session_handle session_directory::find(const session_key_id& key, mono_ms now) {
  auto& s = stripe_of(key);
  const mutex_lock lock(s.mutex);
  auto* const found = s.sessions.find(key);
  if (!found) return {};
  found->used_at = now;
  return found->session;
}

void session_directory::put(const session_key_id& key, const session_handle& session, mono_ms now) {
  auto& s = stripe_of(key);
  const mutex_lock lock(s.mutex);
  if (s.closed) return;
  s.sessions.try_emplace(key, used_session{session, now});
}

void session_directory::sweep(mono_ms before) {
  auto& s = *all_[next_swept_];
  next_swept_ = (next_swept_ + 1) % stripes_;
  const mutex_lock lock(s.mutex);
  while (!s.sessions.empty() && s.sessions.oldest()->value.used_at < before)
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
