#pragma once

#include <filesystem>
#include <string>

namespace watchkeeper::test {

/// A private PostgreSQL: initdb into a temporary folder, a unix socket there and no port. Started
/// as the user `postgres` when the tests run as root (PostgreSQL refuses root). Ended, and the
/// folder removed, by the destructor, by its process id; a test program that is killed takes it
/// along. fsync is off: these tests are about what is written, not about power loss.
class postgres_server {
 public:
  /// The one cluster of the test program, made at the first call and running unless a test stopped
  /// it. Throws std::runtime_error with the server's log when it does not come up.
  static postgres_server& instance();

  postgres_server();
  ~postgres_server();
  postgres_server(const postgres_server&) = delete;
  postgres_server& operator=(const postgres_server&) = delete;

  /// A new, empty database; its URL.
  std::string new_database();

  void start();          // returns when it answers; at most 30 s
  void kill() noexcept;  // SIGKILL to the server; returns when every process of it has gone
  void suspend();        // SIGSTOP to all of its processes
  void resume();
  [[nodiscard]] bool running() const noexcept { return pid_ > 0; }

 private:
  [[nodiscard]] std::string url_of(const std::string& database) const;
  void signal_all(int number) const;

  std::filesystem::path folder_;
  int pid_ = -1;
  int databases_ = 0;
};

}  // namespace watchkeeper::test
