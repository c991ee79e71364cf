// What an error reply of Redis means for the gateway.
#include "storage/redis/reply.hpp"

#include <hiredis/hiredis.h>

#include <boost/test/unit_test.hpp>
#include <string>

using namespace watchkeeper::storage;

namespace {

struct error_reply {
  explicit error_reply(std::string words) : text(std::move(words)) {
    reply.type = REDIS_REPLY_ERROR;
    reply.str = text.data();
    reply.len = text.size();
  }
  std::string text;
  redisReply reply{};
};

struct meaning {
  const char* text;
  storage_error code;
  bool is_out_of_service;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(redis_replies)

BOOST_AUTO_TEST_CASE(who_does_not_serve_is_away_and_is_connected_to_anew) {
  using enum storage_error;
  const meaning meanings[] = {
      {"READONLY You can't write against a read only replica.", unavailable, true},
      {"LOADING Redis is loading the dataset in memory", unavailable, true},
      {"MASTERDOWN Link with MASTER is down", unavailable, true},
      {"CLUSTERDOWN The cluster is down", unavailable, true},
      {"BUSY Redis is busy running a script.", unavailable, false},
      {"TRYAGAIN Multiple keys request during rehashing of slot", unavailable, false},
      {"NOAUTH Authentication required.", unavailable, false},
      {"WRONGTYPE Operation against a key holding the wrong kind of value", corrupt, false},
      {"OOM command not allowed when used memory > 'maxmemory'.", refused, false},
      {"ERR READONLY is not the first word", refused, false},
      {"", refused, false},
  };
  for (const auto& [text, code, is_away] : meanings) {
    const error_reply error(text);
    BOOST_TEST(int(failure_of(error.reply).code) == int(code), text);
    BOOST_TEST(is_out_of_service(error.reply) == is_away, text);
  }
}

BOOST_AUTO_TEST_CASE(only_an_error_says_that_the_server_is_out_of_service) {
  error_reply status("READONLY");
  status.reply.type = REDIS_REPLY_STRING;
  BOOST_TEST(!is_out_of_service(status.reply));
}

BOOST_AUTO_TEST_SUITE_END()
