#pragma once

#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tests/base/scratch_root.hpp"

namespace watchkeeper::storage::testing {

/// A directory of its own under the system's one for temporary files; gone with the object.
class temporary_directory {
 public:
  temporary_directory() {
    auto name = (test::scratch_root() / "wk-hot-XXXXXX").string();
    if (!mkdtemp(name.data())) throw std::runtime_error("mkdtemp");
    path_ = name;
  }
  ~temporary_directory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  temporary_directory(const temporary_directory&) = delete;
  temporary_directory& operator=(const temporary_directory&) = delete;
  [[nodiscard]] std::string file(const std::string& name) const { return (path_ / name).string(); }
  [[nodiscard]] std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

/// A private redis-server on a unix socket in a directory of its own, with an append-only log.
/// Ended by process id when the object goes; by the kernel should the test program die.
class redis_server {
 public:
  explicit redis_server(std::vector<std::string> more = {}) : more_(std::move(more)) { start(); }
  ~redis_server() { end(); }
  redis_server(const redis_server&) = delete;
  redis_server& operator=(const redis_server&) = delete;

  [[nodiscard]] std::string url() const { return "redis+unix://" + socket(); }
  [[nodiscard]] std::string socket() const { return directory_.file("redis.sock"); }
  [[nodiscard]] pid_t pid() const { return pid_; }

  /// Whether a file of the append-only log has the text.
  [[nodiscard]] bool log_has(const std::string& text) const {
    const std::filesystem::path folder = directory_.file("appendonlydir");
    if (!std::filesystem::exists(folder)) return false;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      std::ifstream file(entry.path(), std::ios::binary);
      const std::string content{std::istreambuf_iterator<char>(file), {}};
      if (content.find(text) != std::string::npos) return true;
    }
    return false;
  }

  /// Starts and waits, at most 10 s, until it answers.
  void start() {
    std::vector<std::string> words{"redis-server",    "--port",    "0",
                                   "--unixsocket",    socket(),    "--dir",
                                   directory_.path(), "--save",    "",
                                   "--appendonly",    "yes",       "--appendfsync",
                                   "everysec",        "--logfile", directory_.file("log"),
                                   "--daemonize",     "no"};
    words.insert(words.end(), more_.begin(), more_.end());
    std::vector<char*> argv;
    for (auto& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    pid_ = fork();
    if (pid_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      setpgid(0, 0);
      execvp(argv[0], argv.data());
      _exit(127);
    }
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!responds()) {
      if (std::chrono::steady_clock::now() > deadline) {
        kill();
        throw std::runtime_error("redis-server does not answer");
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }

  /// Ends the process with SIGKILL once its log has everything. With appendfsync everysec, Redis
  /// may put off the write to the log for two seconds while a fsync is running, so that what a
  /// killed process leaves behind would depend on how busy the disk is.
  void kill() {
    if (pid_ > 0) command({"CONFIG", "SET", "appendfsync", "always"});
    end();
  }
  void end() {
    if (pid_ <= 0) return;
    // With its group: a child that rewrites the log would outlive it and write on.
    ::kill(-pid_, SIGKILL);
    ::kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

  /// Removes the log: the next start is an empty one.
  void lose_everything() { std::filesystem::remove_all(directory_.file("appendonlydir")); }

  /// Runs a command on a connection of its own; gives the reply as text ("(nil)", elements by
  /// lines).
  std::string command(const std::vector<std::string>& words) const {
    redisContext* context = redisConnectUnixWithTimeout(socket().c_str(), timeval{5, 0});
    if (context) redisSetTimeout(context, timeval{5, 0});
    std::string text = "(no connection)";
    if (context && context->err == 0) {
      std::vector<const char*> argv;
      std::vector<std::size_t> lengths;
      for (const auto& word : words) {
        argv.push_back(word.data());
        lengths.push_back(word.size());
      }
      auto* reply = static_cast<redisReply*>(
          redisCommandArgv(context, static_cast<int>(argv.size()), argv.data(), lengths.data()));
      if (reply) {
        text = text_of(*reply);
        freeReplyObject(reply);
      }
    }
    if (context) redisFree(context);
    return text;
  }

 private:
  bool responds() const {
    const auto text = command({"PING"});
    return text == "PONG" || text.starts_with("NOAUTH");
  }

  static std::string text_of(const redisReply& reply) {
    switch (reply.type) {
      case REDIS_REPLY_INTEGER:
        return std::to_string(reply.integer);
      case REDIS_REPLY_NIL:
        return "(nil)";
      case REDIS_REPLY_ARRAY: {
        std::string text;
        for (std::size_t i = 0; i < reply.elements; ++i) text += text_of(*reply.element[i]) + "\n";
        return text;
      }
      default:
        return {reply.str, static_cast<std::size_t>(reply.len)};
    }
  }

  temporary_directory directory_;
  std::vector<std::string> more_;
  pid_t pid_ = -1;
};

}  // namespace watchkeeper::storage::testing
