#include "server/identity/login_revocations.hpp"

#include <pthread.h>

#include <algorithm>

#include "server/identity/identity_limits.hpp"

namespace watchkeeper::server {

session_ends::session_ends(surroundings around) : around_(std::move(around)) {
  if (!around_.make_ledger) return;
  (void)write_and_read();
  thread_ = std::thread([this] {
    ::pthread_setname_np(::pthread_self(), "wk-sign-outs");
    run();
  });
}

session_ends::~session_ends() {
  stop();
}

bool session_ends::has(const number& session) const {
  const std::lock_guard lock(mutex_);
  return ended_.contains(session);
}

void session_ends::end(const number& session, unix_ms expires_ms, std::function<void()> then) {
  {
    const std::lock_guard lock(mutex_);
    note(session, expires_ms);
  }
  if (around_.ended) around_.ended(session);
  {
    const std::lock_guard lock(mutex_);
    if (thread_.joinable() && !stopping_ && waiting_.size() < identity_limits::signed_out_max) {
      if (unwritten_.size() < identity_limits::signed_out_max)
        unwritten_.push_back({session, expires_ms});
      waiting_.push_back(std::move(then));
      then = nullptr;
    }
  }
  if (then)
    then();
  else
    wake_.notify_one();
}

bool session_ends::note(const number& session, unix_ms expires_ms) {
  if (ended_.size() >= identity_limits::signed_out_max && !ended_.contains(session)) {
    const auto now_ms = around_.now();
    std::erase_if(ended_, [&](const auto& each) { return each.second <= now_ms; });
    if (ended_.size() >= identity_limits::signed_out_max)
      ended_.erase(std::min_element(ended_.begin(), ended_.end(), [](const auto& a, const auto& b) {
        return a.second < b.second;
      }));
  }
  return ended_.insert_or_assign(session, expires_ms).second;
}

void session_ends::run() {
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, around_.interval, [this] { return stopping_ || !waiting_.empty(); });
      if (stopping_ && waiting_.empty() && unwritten_.empty()) return;
    }
    std::vector<std::function<void()>> told;
    {
      const std::lock_guard lock(mutex_);
      told.swap(waiting_);  // before what they wait for is taken
    }
    const bool done = write_and_read();
    for (const auto& each : told) each();
    const std::lock_guard lock(mutex_);
    if (stopping_ && !done && waiting_.empty()) return;  // the next process asks for a sign-in
  }
}

bool session_ends::write_and_read() {
  std::vector<storage::console_session_end> fresh;
  {
    const std::lock_guard lock(mutex_);
    fresh = unwritten_;
  }
  const auto now_ms = around_.now();
  std::string why;
  try {
    if (!book_) book_ = around_.make_ledger();
    if (!fresh.empty())
      if (const auto written = book_->end_console_sessions(fresh, now_ms); !written)
        why = written.error().detail;
    if (why.empty()) {
      const auto known = book_->ended_console_sessions(now_ms, identity_limits::signed_out_max);
      std::vector<number> news;
      std::unique_lock lock(mutex_);
      unwritten_.erase(unwritten_.begin(),
                       unwritten_.begin() + static_cast<std::ptrdiff_t>(fresh.size()));
      if (known)
        for (const auto& each : *known) {
          if (note(each.id, each.expires_ms)) news.push_back(each.id);
        }
      else
        why = known.error().detail;
      lock.unlock();
      if (around_.ended)
        for (const auto& session : news) around_.ended(session);
    }
  } catch (const std::exception& error) {
    why = error.what();
  }
  if (!why.empty() && !failed_)
    around_.log(1, "console", "who signed out cannot be told to other gateways: " + why);
  failed_ = !why.empty();
  return !failed_;
}

void session_ends::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

}  // namespace watchkeeper::server
