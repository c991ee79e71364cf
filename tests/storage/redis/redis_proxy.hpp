#pragma once

#include <hiredis/hiredis.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <charconv>
#include <cstring>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "tests/storage/redis/redis_server.hpp"

namespace watchkeeper::storage::testing {

/// Lies between one store and its Redis, and passes commands on one at a time, so that a test can
/// do something between two commands of a pipeline. `before` is called on the proxy's thread.
class redis_proxy {
 public:
  using words = std::vector<std::string>;
  redis_proxy(const redis_server& server, std::function<void(const words&)> before)
      : server_socket_(server.socket()), before_(std::move(before)) {
    listener_ = ::socket(AF_UNIX, SOCK_STREAM, 0);
    const auto address = address_of(folder_.file("proxy.sock"));
    if (::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        ::listen(listener_, 4) != 0)
      throw std::runtime_error("redis_proxy: bind");
    thread_ = std::thread([this] { run(); });
  }
  ~redis_proxy() {
    ends_ = true;
    ::shutdown(listener_, SHUT_RDWR);
    if (const int client = client_; client >= 0) ::shutdown(client, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
  }
  redis_proxy(const redis_proxy&) = delete;
  redis_proxy& operator=(const redis_proxy&) = delete;

  [[nodiscard]] std::string url() const { return "redis+unix://" + folder_.file("proxy.sock"); }
  /// How many connections have been opened.
  [[nodiscard]] int connections() const { return connections_; }

 private:
  static sockaddr_un address_of(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) throw std::runtime_error("redis_proxy: path");
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    return address;
  }
  static bool send_all(int to, std::string_view bytes) {
    while (!bytes.empty()) {
      const auto sent = ::send(to, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }
  static bool receive(int from, std::string& bytes) {
    char some[16'384];
    const auto got = ::recv(from, some, sizeof some, 0);
    if (got <= 0) return false;
    bytes.append(some, static_cast<std::size_t>(got));
    return true;
  }
  /// The number in the line at `at`, behind its first character; moves `at` behind the line.
  static std::optional<std::size_t> number_at(std::string_view bytes, std::size_t& at) {
    const auto end = bytes.find("\r\n", at);
    if (end == std::string_view::npos) return std::nullopt;
    std::size_t number = 0;
    std::from_chars(bytes.data() + at + 1, bytes.data() + end, number);
    at = end + 2;
    return number;
  }
  /// Takes the first command from `bytes` if all of it is there.
  static std::optional<words> take_command(std::string& bytes, std::string& raw) {
    std::size_t at = 0;
    const auto count = number_at(bytes, at);
    if (!count) return std::nullopt;
    words command;
    for (std::size_t i = 0; i < *count; ++i) {
      const auto length = number_at(bytes, at);
      if (!length || bytes.size() < at + *length + 2) return std::nullopt;
      command.push_back(bytes.substr(at, *length));
      at += *length + 2;
    }
    raw = bytes.substr(0, at);
    bytes.erase(0, at);
    return command;
  }

  void run() {
    while (!ends_) {
      const int client = ::accept(listener_, nullptr, nullptr);
      if (client < 0) return;
      ++connections_;
      client_ = client;
      if (!ends_) serve(client);
      client_ = -1;
      ::close(client);
    }
  }
  void serve(int client) {
    const int server = ::socket(AF_UNIX, SOCK_STREAM, 0);
    const auto address = address_of(server_socket_);
    std::string asked, raw;
    if (::connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0)
      while (receive(client, asked)) {
        bool fine = true;
        while (fine) {
          const auto command = take_command(asked, raw);
          if (!command) break;
          before_(*command);
          fine = pass_on(client, server, raw);
        }
        if (!fine) break;
      }
    ::close(server);
  }
  static bool pass_on(int client, int server, const std::string& command) {
    if (!send_all(server, command)) return false;
    auto* const reader = redisReaderCreate();
    bool fine = true;
    for (void* reply = nullptr; fine && !reply;) {
      std::string bytes;
      fine = receive(server, bytes) &&
             redisReaderFeed(reader, bytes.data(), bytes.size()) == REDIS_OK &&
             redisReaderGetReply(reader, &reply) == REDIS_OK && send_all(client, bytes);
      if (reply) {
        freeReplyObject(reply);
        break;
      }
    }
    redisReaderFree(reader);
    return fine;
  }

  std::string server_socket_;
  std::function<void(const words&)> before_;
  temporary_directory folder_;
  int listener_ = -1;
  std::atomic<int> client_{-1};
  std::atomic<int> connections_{0};
  std::atomic<bool> ends_{false};
  std::thread thread_;
};

}  // namespace watchkeeper::storage::testing
