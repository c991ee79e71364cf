#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <condition_variable>
#include <mutex>

#include "storage/live_channel.hpp"
#include "tests/storage/redis/redis_server.hpp"

using namespace watchkeeper;
using namespace watchkeeper::storage;
using watchkeeper::storage::testing::redis_server;

namespace {

class listener {
 public:
  live_channel::receiver receiver() {
    return {.message =
                [this](std::string_view text) {
                  const std::lock_guard lock(mutex_);
                  messages_.emplace_back(text);
                  changed_.notify_all();
                },
            .gap =
                [this] {
                  const std::lock_guard lock(mutex_);
                  ++gaps_;
                  changed_.notify_all();
                }};
  }
  bool wait_for_gaps(int count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(20), [&] { return gaps_ >= count; });
  }
  bool wait_for(const std::string& message) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(20), [&] {
      return std::find(messages_.begin(), messages_.end(), message) != messages_.end();
    });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> messages_;
  int gaps_ = 0;
};

template <class Condition>
bool becomes_true(const Condition& condition) {
  for (int i = 0; i < 400; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(25));
  }
  return false;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(live_channel_)

BOOST_AUTO_TEST_CASE(everybody_hears_what_one_says) {
  const redis_server redis;
  listener here;
  listener there;
  const auto one = make_redis_live_channel(redis.url());
  const auto two = make_redis_live_channel(redis.url());
  one->start(here.receiver());
  two->start(there.receiver());
  BOOST_REQUIRE(here.wait_for_gaps(1));
  BOOST_REQUIRE(there.wait_for_gaps(1));
  one->publish("hello\nyou\n");
  BOOST_TEST(there.wait_for("hello\nyou\n"));
  BOOST_TEST(here.wait_for("hello\nyou\n"));
  const std::string big(200'000, 'x');
  two->publish(std::string(big));
  BOOST_TEST(here.wait_for(big));
  BOOST_TEST(one->state().shared);
  BOOST_TEST(one->state().up);
  BOOST_TEST(becomes_true([&] { return one->state().published == 1; }));
  BOOST_TEST(one->state().received == 2u);
  one->stop();
  BOOST_TEST(!one->state().up);
}

BOOST_AUTO_TEST_CASE(a_lost_connection_is_made_again_and_told_of) {
  redis_server redis;
  listener here;
  const auto channel = make_redis_live_channel(redis.url());
  channel->start(here.receiver());
  BOOST_REQUIRE(here.wait_for_gaps(1));
  redis.kill();
  BOOST_REQUIRE(becomes_true([&] { return !channel->state().up; }));
  channel->publish("into the void");
  BOOST_TEST(channel->state().dropped == 1u);
  redis.start();
  BOOST_REQUIRE(here.wait_for_gaps(2));
  BOOST_TEST(channel->state().failures >= 1u);
  channel->publish("again");
  BOOST_TEST(here.wait_for("again"));
}

BOOST_AUTO_TEST_CASE(it_stops_at_once_also_without_a_redis) {
  listener here;
  const auto channel = make_redis_live_channel("redis+unix:///nowhere/redis.sock");
  channel->start(here.receiver());
  BOOST_REQUIRE(becomes_true([&] { return channel->state().failures > 0; }));
  channel->stop();
  BOOST_CHECK_THROW(make_redis_live_channel("http://x"), std::invalid_argument);
  const auto none = make_null_live_channel();
  none->publish("x");
  BOOST_TEST(!none->state().shared);
}

BOOST_AUTO_TEST_SUITE_END()
