#pragma once

#include <csignal>

namespace watchkeeper::server {

/// Takes SIGTERM, SIGINT and SIGHUP out of the hands of every thread started from now on, so that
/// one thread can wait for them. SIGPIPE is ignored: a peer that has gone is an error code.
class awaited_signals {
 public:
  awaited_signals() {
    sigemptyset(&set_);
    sigaddset(&set_, SIGTERM);
    sigaddset(&set_, SIGINT);
    sigaddset(&set_, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set_, &before_);
    signal(SIGPIPE, SIG_IGN);
  }
  ~awaited_signals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  awaited_signals(const awaited_signals&) = delete;
  awaited_signals& operator=(const awaited_signals&) = delete;

  /// Blocks until one of them arrives.
  [[nodiscard]] int wait() const {
    int signal_number = 0;
    while (sigwait(&set_, &signal_number) != 0) {
    }
    return signal_number;
  }

 private:
  sigset_t set_{};
  sigset_t before_{};
};

}  // namespace watchkeeper::server
