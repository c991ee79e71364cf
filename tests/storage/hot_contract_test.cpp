// Every store answers as the model does, whatever is asked of it in whatever order.
#include <boost/test/unit_test.hpp>

#include "storage/memory/faulty_store.hpp"
#include "storage/sqlite/embedded_store.hpp"
#include "tests/storage/hot_world.hpp"
#include "tests/storage/redis/redis_server.hpp"

using namespace watchkeeper;
using namespace watchkeeper::storage;
using namespace watchkeeper::storage::testing;

BOOST_AUTO_TEST_SUITE(hot_contract)

BOOST_AUTO_TEST_CASE(redis_equals_the_model) {
  redis_server server;
  const auto seed = seed_or(20'251'122);
  for (std::uint64_t i = 0; i < 4; ++i) {
    server.command({"FLUSHALL"});
    const auto store = make_redis_store(server.url());
    // Redis expires by its own clock: a run stays within an hour of the model's.
    contract_run({store.get()}, seed + i, 100, 300).run(1500);
  }
}

BOOST_AUTO_TEST_CASE(two_gateways_on_one_redis_equal_the_model) {
  redis_server server;
  const auto one = make_redis_store(server.url());
  const auto other = make_redis_store(server.url());
  contract_run({one.get(), other.get()}, seed_or(7), 100, 300).run(2000);
}

BOOST_AUTO_TEST_CASE(embedded_equals_the_model) {
  const auto seed = seed_or(20'251'123);
  for (std::uint64_t i = 0; i < 4; ++i) {
    temporary_directory directory;
    const auto store = make_embedded_store(directory.file("hot.db"), durability_level::log);
    // With pauses over which sessions and students expire.
    contract_run({store.get()}, seed + i, i < 2 ? 100 : 2'000'000, i < 2 ? 300 : 0).run(1500);
  }
}

BOOST_AUTO_TEST_CASE(two_writers_of_one_file_equal_the_model) {
  temporary_directory directory;
  const auto one = make_embedded_store(directory.file("hot.db"), durability_level::log);
  const auto other = make_embedded_store(directory.file("hot.db"), durability_level::log);
  contract_run({one.get(), other.get()}, seed_or(9), 100, 300).run(1500);
}

BOOST_AUTO_TEST_CASE(a_decorator_without_faults_changes_nothing) {
  const auto inner = make_memory_store();
  faulty_store store(*inner, scripted_faults({}));
  contract_run({&store}, seed_or(11), 1000, 300).run(1000);
}

/// Two threads, each with its own instance and session, credit the halves of one pair.
template <class Make>
void share_one_pair(Make make) {
  const auto pair = pair_of("ada", "m1");
  create(*make(), {pair});
  constexpr std::uint32_t each = 200;
  const auto play = [&](std::uint32_t half) {
    const auto store = make();
    int mastered = 0;
    for (std::uint32_t i = 0; i < each; ++i) {
      const auto from = static_cast<media_ms>(2 * i + half) * 50;
      auto request = heartbeat(pair, i, from, from + 50);
      request.credit.device = kid_of(static_cast<std::uint8_t>(half + 1));
      request.credit.mastery_measured_ms = 2 * each * 50;
      mastered += must(store->apply(std::span(&request, 1))).at(0).outcome.newly_mastered;
    }
    return mastered;
  };
  int mastered[2] = {0, 0};
  std::string failed[2];
  std::vector<std::thread> threads;
  for (std::uint32_t half = 0; half < 2; ++half)
    threads.emplace_back([&, half] {
      try {
        mastered[half] = play(half);
      } catch (const std::exception& e) {
        failed[half] = e.what();
      }
    });
  for (auto& thread : threads) thread.join();
  BOOST_TEST(failed[0] == "");
  BOOST_TEST(failed[1] == "");
  const auto found = must(make()->read(std::span(&pair, 1))).at(0);
  BOOST_REQUIRE(found.has_value());
  BOOST_TEST(text_of(found->covered) == "[0,20000)");
  BOOST_TEST(found->playtime_ms == 20'000);
  BOOST_TEST(mastered[0] + mastered[1] == 1);
}

BOOST_AUTO_TEST_CASE(two_threads_share_a_pair_in_redis) {
  redis_server server;
  share_one_pair([&] { return make_redis_store(server.url()); });
}

BOOST_AUTO_TEST_CASE(two_threads_share_a_pair_in_a_file) {
  temporary_directory directory;
  share_one_pair(
      [&] { return make_embedded_store(directory.file("hot.db"), durability_level::log); });
}

BOOST_AUTO_TEST_SUITE_END()
