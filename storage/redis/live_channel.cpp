#include <hiredis/hiredis.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "base/thread_safety.hpp"
#include "storage/live_channel.hpp"
#include "storage/redis/connection.hpp"

namespace watchkeeper::storage {
namespace {

using clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr std::string_view channel_name = "wk:live";
constexpr std::size_t waiting_max = 4096;
constexpr std::size_t waiting_bytes_max = 8 * 1024 * 1024;
constexpr milliseconds probe_every{5000};  // of a connection on which nothing is sent
constexpr milliseconds retry_first{200};
constexpr milliseconds retry_last{5000};

struct context_deleter {
  void operator()(redisContext* context) const noexcept { redisFree(context); }
};
using context_ptr = std::unique_ptr<redisContext, context_deleter>;

/// The connection that listens: after SUBSCRIBE it takes nothing else, so it is apart from the one
/// that publishes.
class subscriber {
 public:
  explicit subscriber(redis_url address) : address_(std::move(address)) {}

  [[nodiscard]] int file() const noexcept { return context_ ? context_->fd : -1; }
  void close() noexcept { context_.reset(); }

  bool open() {
    const timeval limit{1, 0};
    context_.reset(address_.host.empty()
                       ? redisConnectUnixWithTimeout(address_.socket_path.c_str(), limit)
                       : redisConnectWithTimeout(address_.host.c_str(), address_.port, limit));
    if (!context_ || context_->err != 0) return false;
    if (redisSetTimeout(context_.get(), limit) != REDIS_OK) return false;
    if (!address_.host.empty()) redisEnableKeepAlive(context_.get());
    if (!address_.password.empty() &&
        !(address_.user.empty() ? said_ok({"AUTH", address_.password})
                                : said_ok({"AUTH", address_.user, address_.password})))
      return false;
    return said_ok({"SUBSCRIBE", channel_name});
  }

  /// Reads what is there and gives each message. False: the connection is lost.
  template <class Each>
  bool read(const Each& each) {
    if (redisBufferRead(context_.get()) != REDIS_OK) return false;
    for (;;) {
      void* raw = nullptr;
      if (redisGetReplyFromReader(context_.get(), &raw) != REDIS_OK) return false;
      if (raw == nullptr) return true;
      const redis_reply reply(static_cast<redisReply*>(raw));
      if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 3) continue;
      if (text_of(*reply->element[0]) == "message") each(text_of(*reply->element[2]));
    }
  }

 private:
  bool said_ok(std::initializer_list<std::string_view> words) {
    std::vector<const char*> texts;
    std::vector<std::size_t> sizes;
    for (const auto word : words) {
      texts.push_back(word.data());
      sizes.push_back(word.size());
    }
    const redis_reply reply(static_cast<redisReply*>(redisCommandArgv(
        context_.get(), static_cast<int>(texts.size()), texts.data(), sizes.data())));
    return reply && !is_error(*reply);
  }

  redis_url address_;
  context_ptr context_;
};

class redis_live_channel final : public live_channel {
 public:
  explicit redis_live_channel(const redis_url& address)
      : publisher_(address), subscriber_(address), wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (wake_ < 0) throw std::runtime_error("no event descriptor for the live channel");
  }
  ~redis_live_channel() override {
    stop();
    ::close(wake_);
  }

  void start(receiver to) override {
    to_ = std::move(to);
    thread_ = std::thread([this] {
      ::pthread_setname_np(::pthread_self(), "wk-subscriber");
      run();
    });
  }

  void stop() override {
    stopping_ = true;
    signal();
    if (thread_.joinable()) thread_.join();
  }

  void publish(std::string&& message) noexcept override {
    try {
      const mutex_lock lock(mutex_);
      if (!up_ || waiting_.size() == waiting_max ||
          waiting_bytes_ + message.size() > waiting_bytes_max) {
        ++dropped_;
        return;
      }
      waiting_bytes_ += message.size();
      waiting_.push_back(std::move(message));
    } catch (...) {
      ++dropped_;
      return;
    }
    signal();
  }

  [[nodiscard]] statistics state() const override {
    return {true, up_, published_, received_, dropped_, failures_};
  }

 private:
  void signal() noexcept {
    const std::uint64_t one = 1;
    (void)!::write(wake_, &one, sizeof one);
  }

  void run() {
    sigset_t pipe;  // hiredis writes with write()
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
    auto retry = retry_first;
    while (!stopping_) {
      if (subscriber_.open() && publisher_.open()) {
        retry = retry_first;
        up_ = true;
        // Told also the first time: who was watching before we were here has missed something.
        to_.gap();
        converse();
        if (stopping_) break;
      }
      close();
      ++failures_;
      wait(retry);
      retry = std::min(retry * 2, retry_last);
    }
    close();
  }

  void close() {
    up_ = false;
    subscriber_.close();
    publisher_.close();
    const mutex_lock lock(mutex_);
    dropped_ += waiting_.size();
    waiting_.clear();
    waiting_bytes_ = 0;
  }

  void wait(milliseconds time) {
    pollfd wake{wake_, POLLIN, 0};
    const auto end = clock::now() + time;
    for (auto now = clock::now(); !stopping_ && now < end; now = clock::now()) {
      (void)::poll(
          &wake, 1,
          static_cast<int>(std::chrono::duration_cast<milliseconds>(end - now).count()) + 1);
      drain_wake();
    }
  }

  void drain_wake() {
    std::uint64_t count = 0;
    (void)!::read(wake_, &count, sizeof count);
  }

  /// Until the end, or until a connection is lost.
  void converse() {
    auto sent_at = clock::now();
    while (!stopping_) {
      pollfd files[] = {{subscriber_.file(), POLLIN, 0}, {wake_, POLLIN, 0}};
      (void)::poll(files, 2, static_cast<int>(probe_every.count()));
      if (files[1].revents != 0) drain_wake();
      if (files[0].revents != 0 && !subscriber_.read([this](std::string_view text) {
            ++received_;
            to_.message(text);
          }))
        return;
      if (!send_waiting(sent_at)) return;
    }
  }

  bool send_waiting(clock::time_point& sent_at) {
    std::vector<std::string> batch;
    {
      const mutex_lock lock(mutex_);
      batch.swap(waiting_);
      waiting_bytes_ = 0;
    }
    std::vector<redis_command> commands;
    for (const auto& message : batch) commands.push_back({"PUBLISH", channel_name, message});
    if (batch.empty()) {
      if (clock::now() - sent_at < probe_every) return true;
      commands.push_back({"PING"});
    }
    sent_at = clock::now();
    const auto replies = publisher_.run(commands);
    if (!replies) {
      dropped_ += batch.size();
      return false;
    }
    for (const auto& reply : replies.value())
      if (is_error(*reply)) return false;  // not allowed, or out of memory
    published_ += batch.size();
    return true;
  }

  redis_connection publisher_;
  subscriber subscriber_;
  const int wake_;
  receiver to_;
  annotated_mutex mutex_;
  std::vector<std::string> waiting_ GUARDED_BY(mutex_);
  std::size_t waiting_bytes_ GUARDED_BY(mutex_) = 0;
  std::atomic<bool> up_{false};
  std::atomic<bool> stopping_{false};
  std::atomic<std::uint64_t> published_{0};
  std::atomic<std::uint64_t> received_{0};
  std::atomic<std::uint64_t> dropped_{0};
  std::atomic<std::uint64_t> failures_{0};
  std::thread thread_;
};

}  // namespace

std::unique_ptr<live_channel> make_redis_live_channel(const std::string& url) {
  auto address = parse_redis_url(url);
  if (!address) throw std::invalid_argument("not the URL of a Redis");
  return std::make_unique<redis_live_channel>(*std::move(address));
}

}  // namespace watchkeeper::storage
