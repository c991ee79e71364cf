#pragma once

#include <boost/test/unit_test.hpp>

#include "tests/storage/hot_world.hpp"
#include "tests/storage/redis/redis_server.hpp"

namespace watchkeeper::storage::testing {

/// Runs the check on each kind of store.
template <class Check>
void on_each(Check check) {
  redis_server server;
  temporary_directory directory;
  BOOST_TEST_CONTEXT("memory") {
    check(*make_memory_store());
  }
  BOOST_TEST_CONTEXT("embedded") {
    check(*make_embedded_store(directory.file("hot.db"), durability_level::log));
  }
  BOOST_TEST_CONTEXT("redis") {
    check(*make_redis_store(server.url()));
  }
}

}  // namespace watchkeeper::storage::testing
