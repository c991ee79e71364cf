#pragma once

#include <chrono>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "storage/redis/reply.hpp"
#include "storage/redis/url.hpp"
#include "storage/storage_error.hpp"

struct redisContext;

namespace watchkeeper::storage {

/// A command and its arguments in one buffer: a function call has hundreds of them.
class redis_command {
 public:
  redis_command() = default;
  redis_command(std::initializer_list<std::string_view> words) {
    for (auto word : words) add(word);
  }
  redis_command& add(std::string_view word) {
    bytes_ += word;
    ends_.push_back(bytes_.size());
    return *this;
  }
  /// Adds the words of another one behind its own.
  redis_command& append(const redis_command& more) {
    for (const auto end : more.ends_) ends_.push_back(bytes_.size() + end);
    bytes_ += more.bytes_;
    return *this;
  }
  [[nodiscard]] std::size_t size() const noexcept { return ends_.size(); }
  [[nodiscard]] std::string_view word(std::size_t i) const noexcept {
    const auto begin = i == 0 ? 0 : ends_[i - 1];
    return std::string_view(bytes_).substr(begin, ends_[i] - begin);
  }

 private:
  std::string bytes_;
  std::vector<std::size_t> ends_;
};

/// A blocking connection to one Redis, with pipelining. Knows nothing of what is stored there.
/// After `unavailable` it is closed, and the effect of what was sent is unknown.
/// Thread: one at a time. A peer that is gone raises no SIGPIPE.
class redis_connection {
 public:
  static constexpr std::chrono::milliseconds connect_time{1000};
  static constexpr std::chrono::milliseconds call_time{2000};

  explicit redis_connection(redis_url address);
  ~redis_connection();
  redis_connection(const redis_connection&) = delete;
  redis_connection& operator=(const redis_connection&) = delete;

  /// Whether a call can be sent. Notices a peer that has hung up since the last call.
  bool usable();
  /// Connects, signs in and selects the database.
  stored<ok_t> open();
  void close() noexcept;

  /// Sends all commands in one go and reads all replies; an error reply is a reply like others.
  stored<std::vector<redis_reply>> run(std::span<const redis_command> commands);
  stored<redis_reply> run(const redis_command& command);

 private:
  storage_failure broken();

  redis_url address_;
  redisContext* context_ = nullptr;
};

}  // namespace watchkeeper::storage
