#include "actors/credit/session_directory.hpp"

namespace watchkeeper::actors {

known_session session_directory::find(const session_key_id& key, unix_ms now_ms) {
  auto& s = stripe_of(key);
  std::lock_guard lock(s.mutex);
  const auto found = s.sessions.find(key);
  if (found == s.sessions.end()) return {};
  found->second.used_ms = now_ms;
  return found->second.session;
}

void session_directory::keep(const session_key_id& key, const known_session& session,
                             unix_ms now_ms) {
  auto& s = stripe_of(key);
  std::lock_guard lock(s.mutex);
  if (s.closed) return;
  if (s.sessions.size() >= stripe_max_ && !s.sessions.contains(key)) give_one_up(s);
  // Two first heartbeats of one session may have verified in two actors: the first to come stays.
  s.sessions.try_emplace(key, entry{session, now_ms});
}

void session_directory::give_one_up(stripe& s) {
  auto candidate = s.sessions.begin();
  std::size_t looked_at = 0;
  for (auto it = s.sessions.begin(); it != s.sessions.end() && looked_at < candidates_examined_max;
       ++it, ++looked_at)
    if (it->second.used_ms < candidate->second.used_ms) candidate = it;
  if (candidate != s.sessions.end()) s.sessions.erase(candidate);
}

void session_directory::sweep(unix_ms before_ms) {
  auto& s = all_[next_swept_];
  next_swept_ = (next_swept_ + 1) % stripes_;
  std::lock_guard lock(s.mutex);
  boost::unordered::erase_if(s.sessions,
                             [&](const auto& item) { return item.second.used_ms < before_ms; });
}

void session_directory::close() {
  for (auto& s : all_) {
    std::lock_guard lock(s.mutex);
    s.closed = true;
    s.sessions.clear();
  }
}

std::size_t session_directory::size() const {
  std::size_t total = 0;
  for (const auto& s : all_) {
    std::lock_guard lock(s.mutex);
    total += s.sessions.size();
  }
  return total;
}

}  // namespace watchkeeper::actors
