#pragma once

#include <boost/test/unit_test.hpp>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "actors/live/feed.hpp"
#include "tests/base/manual_clock.hpp"

/// What the tests of the live view share.
namespace watchkeeper::actors::live_testing {

inline constexpr wall_ms noon_ms{1'763'812'345'123};
inline const module_id film = *module_id::parse("film");
inline const module_id other = *module_id::parse("other");

inline student_id named(const std::string& name) {
  return *student_id::parse(name);
}

/// Notifies the observer of one heartbeat.
inline void play(watch_observer& observer, const module_id& module, const std::string& who,
                 media_ms from, media_ms to, credit_status status = credit_status::credited,
                 media_ms duration = 60'000, wall_ms at_ms = noon_ms,
                 life_number life = {.epoch = 1, .attempt = 1}) {
  credit_request request;
  request.student = named(who);
  request.module = module;
  request.session = *session_id::parse("s");
  request.interval = {from, to};
  request.now_ms = at_ms;
  credit_outcome outcome;
  outcome.status = status;
  outcome.now = {.covered_ms = to,
                 .measured_ms = to,
                 .duration_ms = duration,
                 .playtime_ms = to,
                 .resume_ms = to,
                 .updated_ms = at_ms,
                 .life = life};
  const media_interval played{from, to};
  const bool counts = status != credit_status::duplicate;
  if (counts) outcome.played = played;
  observer.acknowledged(
      {.request = request,
       .outcome = outcome,
       .fresh = counts ? std::span(&played, 1) : std::span<const media_interval>{},
       .fresh_is_exact = true});
}

inline std::size_t count_of(const std::string& text, const std::string& what) {
  std::size_t count = 0;
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++count;
  return count;
}

/// Gets the events of one subscription.
class reader final : public live_subscriber {
 public:
  void write(std::string_view events) noexcept override {
    const std::lock_guard lock(mutex_);
    text_ += events;
    changed_.notify_all();
  }
  void end() noexcept override {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    changed_.notify_all();
  }
  /// Waits until the text contains `expected`, and returns all of it.
  std::string wait_for(const std::string& expected) {
    std::unique_lock lock(mutex_);
    const bool found = changed_.wait_for(lock, std::chrono::seconds(20),
                                         [&] { return text_.find(expected) != std::string::npos; });
    BOOST_REQUIRE_MESSAGE(found, "no " << expected << " in " << text_);
    return text_;
  }
  /// Waits until the text contains `expected` so often; returns how often it does then.
  std::size_t wait_for_count(const std::string& expected, std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(20),
                      [&] { return count_of(text_, expected) >= count; });
    return count_of(text_, expected);
  }
  bool wait_for_end() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(20), [&] { return ended_; });
  }
  std::string text() {
    const std::lock_guard lock(mutex_);
    return text_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string text_;
  bool ended_ = false;
};

inline std::string last_id(const std::string& text) {
  const auto at = text.rfind("id: ");
  return text.substr(at + 4, text.find('\n', at) - at - 4);
}
inline std::string id_of(const std::string& text, const std::string& kind) {
  const auto at = text.find("event: " + kind);
  BOOST_REQUIRE(at != std::string::npos);
  return last_id(text.substr(0, at));
}
/// Two gateways that hear each other.
class wire {
 public:
  class end_point final : public storage::live_channel {
   public:
    explicit end_point(wire& all) : all_(all) {}
    void start(receiver to) override {
      const std::lock_guard lock(all_.mutex);
      all_.receivers.push_back(std::move(to));
    }
    void stop() override {
      const std::lock_guard lock(all_.mutex);
      all_.receivers.clear();
    }
    void publish(std::string&& message) noexcept override {
      const std::lock_guard lock(all_.mutex);
      ++all_.published;
      for (const auto& to : all_.receivers) to.message(message);
    }
    [[nodiscard]] statistics state() const override { return {.shared = true, .up = true}; }

   private:
    wire& all_;
  };
  std::mutex mutex;
  std::vector<storage::live_channel::receiver> receivers;
  std::size_t published = 0;
};

/// Holds up the thread of the feed from its next event on, for 20 s at most: what is told meanwhile
/// is taken together.
class gate final : public live_subscriber {
 public:
  void write(std::string_view events) noexcept override {
    if (events.find("event: hello") != std::string_view::npos) return;  // the subscriber's thread
    std::unique_lock lock(mutex_);
    is_held_ = true;
    changed_.notify_all();
    changed_.wait_for(lock, std::chrono::seconds(20), [&] { return is_open_; });
  }
  void end() noexcept override {}
  void wait_until_held() {
    std::unique_lock lock(mutex_);
    BOOST_REQUIRE(changed_.wait_for(lock, std::chrono::seconds(20), [&] { return is_held_; }));
  }
  void open() {
    const std::lock_guard lock(mutex_);
    is_open_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_held_ = false;
  bool is_open_ = false;
};

/// A live feed that runs, at noon.
struct feeding {
  explicit feeding(
      std::unique_ptr<storage::live_channel> channel = storage::make_null_live_channel())
      : feed({.time = clock,
              .channel = std::move(channel),
              .log = [](log_level, const std::string&, const std::string&) {}}) {
    feed.start([this] {
      const std::lock_guard lock(mutex);
      return counts;
    });
  }
  ~feeding() { feed.stop(); }
  test::manual_clock clock{wall_ms(noon_ms)};
  std::mutex mutex;
  live_counts counts;
  live_feed feed;
};

}  // namespace watchkeeper::actors::live_testing
