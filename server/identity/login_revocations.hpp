#pragma once

#include <array>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "server/identity/login_cookie.hpp"
#include "storage/ledger.hpp"

namespace watchkeeper::server {

/// The console sessions that were ended before their time: a copy of their cookie is good nowhere.
/// They stand in the ledger until they would have ended by themselves; a thread writes those of
/// this gateway and reads those of the others once a second. In memory there are at most
/// identity_limits::signed_out_max; beyond them the one that ends soonest by itself gives way.
class session_ends {
 public:
  using number = std::array<std::uint8_t, console_session::id_bytes>;
  struct surroundings {
    std::function<std::unique_ptr<storage::ledger>()> make_ledger;  // empty: this process only
    std::function<unix_ms()> now;
    std::function<void(int level, const std::string& component, const std::string& message)> log;
    /// Called once for each session that was ended, here or elsewhere, before `then` of `end`. On
    /// the thread that ends it, or the one that reads. May be empty.
    std::function<void(const number& session)> ended{};
    std::chrono::milliseconds interval{1000};
  };
  /// Reads the ledger before it returns, if that can be read; else the thread goes on trying.
  explicit session_ends(surroundings around);
  ~session_ends();  // as stop()
  session_ends(const session_ends&) = delete;
  session_ends& operator=(const session_ends&) = delete;

  /// Whether the session was ended. Any thread; a short lock.
  [[nodiscard]] bool has(const number& session) const;
  /// Ends it: here at once, and everywhere when `then` is called, on the thread (at once where
  /// there is no ledger). A ledger that is away is asked again each second; `then` does not wait
  /// for that.
  void end(const number& session, unix_ms expires_ms, std::function<void()> then);
  /// Writes what waits, and ends the thread. Blocks. Once or more often.
  void stop();

 private:
  void run();
  /// With the lock. False: it was known.
  bool note(const number& session, unix_ms expires_ms);
  bool write_and_read();

  const surroundings around_;
  std::unique_ptr<storage::ledger> book_;  // the thread's
  bool failed_ = false;                    // the thread's
  mutable std::mutex mutex_;               // of what follows
  std::condition_variable wake_;
  std::map<number, unix_ms> ended_;
  std::vector<storage::console_session_end> unwritten_;
  std::vector<std::function<void()>> waiting_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace watchkeeper::server
