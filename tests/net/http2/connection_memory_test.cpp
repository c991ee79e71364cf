#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cstdint>
#include <cstring>
#include <set>
#include <utility>
#include <vector>

#include "net/http2/connection_memory.hpp"
#include "net/server.hpp"
#include "net/shared/bounds.hpp"
#include "tests/net/raw_client.hpp"
#include "tests/net/test_server.hpp"

using namespace watchkeeper::net;
using namespace watchkeeper::net::test;

BOOST_AUTO_TEST_SUITE(connection_memory_test)

BOOST_AUTO_TEST_CASE(only_the_frame_buffer_is_given_back) {
  page_pool pool;
  connection_memory memory(pool);
  const auto& use = *memory.functions();
  auto* small = static_cast<char*>(use.realloc(nullptr, 100, use.mem_user_data));
  auto* buffer = static_cast<char*>(use.realloc(nullptr, 16'394, use.mem_user_data));
  auto* second = static_cast<char*>(use.realloc(nullptr, 16'394, use.mem_user_data));
  BOOST_TEST(reinterpret_cast<std::uintptr_t>(buffer) % 4096 == 0u);
  std::memset(small, 's', 100);
  std::memset(buffer, 'b', 16'394);
  std::memset(second, 'c', 16'394);
  memory.give_back();
  BOOST_TEST(small[99] == 's');
  BOOST_TEST(buffer[0] == 0);
  BOOST_TEST(buffer[16'393] == 0);
  BOOST_TEST(second[16'393] == 'c');
  // It can be written to again, and grow out of its pages with what is in it.
  std::memset(buffer, 'd', 16'394);
  auto* larger = static_cast<char*>(use.realloc(buffer, 100'000, use.mem_user_data));
  BOOST_TEST(larger[16'393] == 'd');
  std::memset(larger, 'e', 100'000);
  memory.give_back();  // nothing is left to give
  BOOST_TEST(larger[0] == 'e');
  for (auto* each : {small, second, larger}) use.free(each, use.mem_user_data);
  auto* again = use.realloc(nullptr, 16'394, use.mem_user_data);
  use.free(again, use.mem_user_data);
  memory.give_back();
}

BOOST_AUTO_TEST_CASE(the_table_is_given_back_only_when_it_is_all_zeros) {
  page_pool pool;
  connection_memory memory(pool);
  const auto& use = *memory.functions();
  auto* other = static_cast<char*>(use.calloc(64, 32, use.mem_user_data));
  auto* table = static_cast<char*>(use.calloc(256, 16, use.mem_user_data));
  auto* second = static_cast<char*>(use.calloc(256, 16, use.mem_user_data));
  BOOST_TEST(reinterpret_cast<std::uintptr_t>(table) % 4096 == 0u);
  const auto is_resident = [&] {
    // What the system has taken back is read from /proc: mincore() counts the page of zeros, too.
    const int map = ::open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    std::uint64_t entry = 0;
    const auto at = static_cast<off_t>(reinterpret_cast<std::uintptr_t>(table) / 4096 * 8);
    BOOST_REQUIRE(::pread(map, &entry, sizeof entry, at) == sizeof entry);
    ::close(map);
    return (entry >> 63) != 0;
  };
  for (const std::size_t at : {0u, 1u, 2048u, 4095u}) {
    table[at] = 'x';
    memory.give_back();
    BOOST_TEST(is_resident());
    BOOST_TEST(table[at] == 'x');
    table[at] = 0;
    memory.give_back();
    BOOST_TEST(!is_resident());
    BOOST_TEST(table[at] == 0);
  }
  second[0] = other[0] = 'y';
  memory.give_back();
  BOOST_TEST(second[0] == 'y');
  BOOST_TEST(other[0] == 'y');
  auto* larger = static_cast<char*>(use.realloc(table, 8192, use.mem_user_data));
  larger[8191] = 'z';
  memory.give_back();
  BOOST_TEST(larger[8191] == 'z');
  for (auto* each : {other, second, larger}) use.free(each, use.mem_user_data);
}

BOOST_AUTO_TEST_CASE(blocks_go_round_empty_and_apart) {
  page_pool pool;
  std::vector<char*> blocks;
  std::set<char*> distinct;
  for (std::size_t i = 0; i < page_pool::slab_blocks + 1; ++i) {
    blocks.push_back(static_cast<char*>(pool.take()));
    distinct.insert(blocks.back());
    BOOST_TEST(reinterpret_cast<std::uintptr_t>(blocks.back()) % page_pool::page_bytes == 0u);
    std::memset(blocks.back(), 'x', page_pool::block_bytes);
  }
  BOOST_TEST(distinct.size() == blocks.size());
  BOOST_TEST(pool.slabs() == 2u);
  for (auto* each : blocks) {
    BOOST_TEST(each[0] == 'x');  // nobody else wrote there
    BOOST_TEST(each[page_pool::block_bytes - 1] == 'x');
    pool.give_back(each);
  }
  for (int round = 0; round < 3; ++round) {
    auto* again = static_cast<char*>(pool.take());
    BOOST_TEST(distinct.contains(again));
    BOOST_TEST(std::all_of(again, again + page_pool::block_bytes, [](char c) { return c == 0; }));
    again[9] = 'y';
    pool.give_back(again);
  }
  BOOST_TEST(pool.slabs() == 2u);
}

BOOST_AUTO_TEST_CASE(a_session_that_ends_leaves_its_block_to_the_next) {
  page_pool pool;
  void* first = nullptr;
  for (int i = 0; i < 1000; ++i) {
    connection_memory memory(pool);
    const auto& use = *memory.functions();
    auto* buffer = use.realloc(nullptr, 16'394, use.mem_user_data);
    if (first == nullptr) first = buffer;
    BOOST_REQUIRE(buffer == first);
    std::memset(buffer, 'b', 16'394);
    use.free(buffer, use.mem_user_data);
  }
  BOOST_TEST(pool.slabs() == 1u);
}

BOOST_AUTO_TEST_CASE(a_connection_that_was_quiet_for_long_is_served_again) {
  test_server s(test_server::h2c_options());
  auto client = raw_client::connect_h2c(s.running.h2c_port());
  client.greet();
  client.request(1, "GET", "/big", true);  // cut off by the window
  BOOST_TEST(client.read_body(1, 65'535).body.size() == 65'535u);
  BOOST_TEST(s.is_quiet_for(bounds::frame_buffer_idle_ms + 1));
  client.request(3, "POST", "/echo", false);
  client.send_data(3, std::string(20'000, 'e'), true);
  client.send_frame(NGHTTP2_WINDOW_UPDATE, 0, 0, be32(2 << 20));
  client.send_frame(NGHTTP2_WINDOW_UPDATE, 0, 1, be32(2 << 20));
  BOOST_TEST((client.read_response(3).body == std::string(20'000, 'e')));
  const auto big = client.read_response(1).body;
  BOOST_TEST(big.size() == std::size_t{1 << 20});
}

BOOST_AUTO_TEST_SUITE_END()
