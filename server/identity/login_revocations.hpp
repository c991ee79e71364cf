#pragma once

#include <array>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.hpp"
#include "base/log_level.hpp"
#include "base/thread_safety.hpp"
#include "server/identity/login_cookie.hpp"
#include "storage/ledger.hpp"

namespace watchkeeper::server {

/// The logins that were ended early: no gateway accepts a copy of their cookie.
/// The ledger has them until they would have expired. A thread writes those of this gateway, and
/// reads those of the others once a second. At most identity_limits::revoked_logins_max are in
/// memory; beyond that, the one that would expire first is evicted.
class login_revocations {
 public:
  struct dependencies {
    std::function<std::unique_ptr<storage::ledger>()> make_ledger;  // empty: this process only
    const time_source& time;
    log_function log;
    /// Called once for each login that was ended, here or elsewhere, before `then` of `revoke`. On
    /// the thread that ends it, or the one that reads. May be empty.
    std::function<void(const login::id_type& id)> revoked{};
    std::chrono::milliseconds interval{1000};
  };
  /// Reads the ledger before it returns; if that fails, the thread tries again.
  explicit login_revocations(dependencies deps);
  ~login_revocations();  // as stop()
  login_revocations(const login_revocations&) = delete;
  login_revocations& operator=(const login_revocations&) = delete;

  /// Whether the login was ended. Any thread; a short lock.
  [[nodiscard]] bool has(const login::id_type& id) const;
  /// Ends the login: here at once, and at the other gateways when `then` is called, on the thread
  /// of this class (at once if there is no ledger). If the ledger is away, the thread tries again
  /// each second; `then` does not wait for that.
  void revoke(const login::id_type& id, wall_ms expires_ms, std::function<void()> then);
  /// Writes what waits, and ends the thread. Blocks. May be called several times.
  void stop();

 private:
  void run();
  /// False: the login was noted before.
  bool note(const login::id_type& id, wall_ms expires_ms) REQUIRES(mutex_);
  bool write_and_read();
  /// If the ledger went back, it is given all that are known here.
  storage::stored<ok_t> look_at_ledger(wall_ms now_ms);

  const dependencies deps_;
  std::unique_ptr<storage::ledger> ledger_;       // the thread's
  bool failed_ = false;                           // the thread's
  std::optional<storage::ledger_identity> seen_;  // the thread's
  mutable annotated_mutex mutex_;
  std::condition_variable wake_;
  std::map<login::id_type, wall_ms> revoked_ GUARDED_BY(mutex_);
  std::vector<storage::revoked_login> unwritten_ GUARDED_BY(mutex_);
  std::vector<std::function<void()>> waiting_ GUARDED_BY(mutex_);
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace watchkeeper::server
