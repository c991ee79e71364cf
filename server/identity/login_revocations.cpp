#include "server/identity/login_revocations.hpp"

#include <pthread.h>

#include <algorithm>

#include "server/identity/identity_limits.hpp"

namespace watchkeeper::server {

login_revocations::login_revocations(dependencies deps) : deps_(std::move(deps)) {
  if (!deps_.make_ledger) return;
  (void)write_and_read();
  thread_ = std::thread([this] {
    ::pthread_setname_np(::pthread_self(), "wk-sign-outs");
    run();
  });
}

login_revocations::~login_revocations() {
  stop();
}

bool login_revocations::has(const login::id_type& id) const {
  const mutex_lock lock(mutex_);
  return revoked_.contains(id);
}

void login_revocations::revoke(const login::id_type& id, wall_ms expires_ms,
                               std::function<void()> then) {
  {
    const mutex_lock lock(mutex_);
    note(id, expires_ms);
  }
  if (deps_.revoked) deps_.revoked(id);
  {
    const mutex_lock lock(mutex_);
    if (thread_.joinable() && !stopping_ && waiting_.size() < identity_limits::revoked_logins_max) {
      if (unwritten_.size() < identity_limits::revoked_logins_max)
        unwritten_.push_back({id, expires_ms});
      waiting_.push_back(std::move(then));
      then = nullptr;
    }
  }
  if (then)
    then();
  else
    wake_.notify_one();
}

bool login_revocations::note(const login::id_type& id, wall_ms expires_ms) {
  if (revoked_.size() >= identity_limits::revoked_logins_max && !revoked_.contains(id)) {
    const auto now_ms = deps_.time.wall_now();
    std::erase_if(revoked_, [&](const auto& each) { return each.second <= now_ms; });
    if (revoked_.size() >= identity_limits::revoked_logins_max)
      revoked_.erase(
          std::min_element(revoked_.begin(), revoked_.end(),
                           [](const auto& a, const auto& b) { return a.second < b.second; }));
  }
  return revoked_.insert_or_assign(id, expires_ms).second;
}

void login_revocations::run() {
  for (;;) {
    {
      mutex_lock lock(mutex_);
      wake_.wait_for(lock.native(), deps_.interval,
                     [this]() REQUIRES(mutex_) { return stopping_ || !waiting_.empty(); });
      if (stopping_ && waiting_.empty() && unwritten_.empty()) return;
    }
    std::vector<std::function<void()>> done_for;
    {
      const mutex_lock lock(mutex_);
      done_for.swap(waiting_);  // before what they wait for is taken
    }
    const bool done = write_and_read();
    for (const auto& each : done_for) each();
    const mutex_lock lock(mutex_);
    if (stopping_ && !done && waiting_.empty()) return;  // the next process asks for a login
  }
}

storage::stored<ok_t> login_revocations::look_at_ledger(wall_ms now_ms) {
  const auto now = ledger_->identity();
  if (!now) return now.error();
  const bool went_back = seen_ && may_lack(*now, *seen_);
  seen_ = *now;
  if (!went_back) return ok;
  std::vector<storage::revoked_login> all;
  {
    const mutex_lock lock(mutex_);
    for (const auto& [id, expires_ms] : revoked_)
      if (expires_ms > now_ms) all.push_back({id, expires_ms});
  }
  auto written = ledger_->revoke_logins(all, now_ms);
  if (!written) seen_ = storage::ledger_identity{};  // again with the next call
  return written;
}

bool login_revocations::write_and_read() {
  std::vector<storage::revoked_login> fresh;
  {
    const mutex_lock lock(mutex_);
    fresh = unwritten_;
  }
  const auto now_ms = deps_.time.wall_now();
  std::string why;
  try {
    if (!ledger_) ledger_ = deps_.make_ledger();
    if (const auto looked = look_at_ledger(now_ms); !looked) why = looked.error().detail;
    if (why.empty() && !fresh.empty())
      if (const auto written = ledger_->revoke_logins(fresh, now_ms); !written)
        why = written.error().detail;
    if (why.empty()) {
      const auto recorded = ledger_->revoked_logins(now_ms, identity_limits::revoked_logins_max);
      std::vector<login::id_type> news;
      mutex_lock lock(mutex_);
      unwritten_.erase(unwritten_.begin(),
                       unwritten_.begin() + static_cast<std::ptrdiff_t>(fresh.size()));
      if (recorded)
        for (const auto& each : *recorded) {
          if (note(each.id, each.expires_ms)) news.push_back(each.id);
        }
      else
        why = recorded.error().detail;
      lock.unlock();
      if (deps_.revoked)
        for (const auto& id : news) deps_.revoked(id);
    }
  } catch (const std::exception& error) {
    why = error.what();
  }
  if (!why.empty() && !failed_)
    deps_.log(log_level::warning, "console",
              "cannot share ended logins with other gateways: " + why);
  failed_ = !why.empty();
  return !failed_;
}

void login_revocations::stop() {
  {
    const mutex_lock lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

}  // namespace watchkeeper::server
