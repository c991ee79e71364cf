#include "storage/redis/connection.hpp"

#include <fmt/format.h>
#include <hiredis/hiredis.h>
#include <pthread.h>
#include <sys/socket.h>

#include <csignal>

namespace watchkeeper::storage {

namespace {

/// hiredis writes with write(): a peer that is gone would end the process by SIGPIPE.
class sigpipe_held {
 public:
  sigpipe_held() {
    sigemptyset(&only_);
    sigaddset(&only_, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &only_, &before_);
  }
  ~sigpipe_held() {
    if (sigismember(&before_, SIGPIPE) == 1) return;
    const timespec none{};
    while (sigtimedwait(&only_, nullptr, &none) == SIGPIPE) {
    }
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  sigpipe_held(const sigpipe_held&) = delete;
  sigpipe_held& operator=(const sigpipe_held&) = delete;

 private:
  sigset_t only_{};
  sigset_t before_{};
};

timeval timeval_of(std::chrono::milliseconds time) {
  return {time.count() / 1000, time.count() % 1000 * 1000};
}

}  // namespace

redis_connection::redis_connection(redis_url address) : address_(std::move(address)) {}

redis_connection::~redis_connection() {
  close();
}

void redis_connection::close() noexcept {
  if (context_) redisFree(context_);
  context_ = nullptr;
}

bool redis_connection::usable() {
  if (!context_) return false;
  char byte;
  const auto got = recv(context_->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  // Bytes that nobody asked for are as bad as a hang-up: replies would be taken for others.
  if (got >= 0 || (errno != EAGAIN && errno != EINTR)) close();
  return context_ != nullptr;
}

storage_failure redis_connection::broken() {
  std::string why = context_ ? context_->errstr : "no connection";
  close();
  return {storage_error::unavailable, fmt::format("Redis at {}: {}", address_.display(), why)};
}

stored<ok_t> redis_connection::open() {
  close();
  context_ =
      address_.host.empty()
          ? redisConnectUnixWithTimeout(address_.socket_path.c_str(), timeval_of(connect_time))
          : redisConnectWithTimeout(address_.host.c_str(), address_.port, timeval_of(connect_time));
  if (!context_ || context_->err != 0) return broken();
  if (redisSetTimeout(context_, timeval_of(call_time)) != REDIS_OK) return broken();
  if (!address_.host.empty()) redisEnableKeepAlive(context_);

  std::vector<redis_command> greeting;
  if (!address_.password.empty()) {
    greeting.push_back({"AUTH"});
    if (!address_.user.empty()) greeting.back().add(address_.user);
    greeting.back().add(address_.password);
  }
  if (address_.database != 0) greeting.push_back({"SELECT", std::to_string(address_.database)});
  const auto replies = run(greeting);
  if (!replies) return replies.error();
  for (const auto& reply : replies.value())
    if (is_error(*reply)) {
      auto failure = failure_of(*reply);
      close();
      return failure;
    }
  return ok;
}

stored<std::vector<redis_reply>> redis_connection::run(std::span<const redis_command> commands) {
  std::vector<redis_reply> replies;
  if (commands.empty()) return replies;
  if (!context_) return broken();
  const sigpipe_held guard;
  std::vector<const char*> words;
  std::vector<std::size_t> lengths;
  for (const auto& command : commands) {
    words.clear();
    lengths.clear();
    for (std::size_t i = 0; i < command.size(); ++i) {
      words.push_back(command.word(i).data());
      lengths.push_back(command.word(i).size());
    }
    if (redisAppendCommandArgv(context_, static_cast<int>(words.size()), words.data(),
                               lengths.data()) != REDIS_OK)
      return broken();
  }
  replies.reserve(commands.size());
  // The socket's time limit is for one read; a pipeline has one for all of it.
  const auto begun = std::chrono::steady_clock::now();
  while (replies.size() < commands.size()) {
    void* raw = nullptr;
    if (redisGetReply(context_, &raw) != REDIS_OK || !raw) return broken();
    replies.emplace_back(static_cast<redisReply*>(raw));
    if (replies.size() < commands.size() && std::chrono::steady_clock::now() - begun > call_time) {
      close();
      return storage_failure{storage_error::unavailable,
                             fmt::format("Redis at {}: too slow", address_.display())};
    }
  }
  return replies;
}

stored<redis_reply> redis_connection::run(const redis_command& command) {
  auto replies = run(std::span(&command, 1));
  if (!replies) return replies.error();
  return std::move(replies.value().front());
}

}  // namespace watchkeeper::storage
