// Takes the place of storage/redis/connection.cpp.
#include "tests/fuzz/scripted_redis.hpp"

#include <hiredis/hiredis.h>

#include "storage/redis/connection.hpp"
#include "tests/fuzz/require.hpp"

namespace watchkeeper {
namespace {

// A list that says it has more elements than this is as one for which there is no memory: hiredis
// asks for the memory of all of them before it has read the first.
constexpr int elements_max = 4096;

struct {
  redisReader* reader = nullptr;
  bool connected = false;
} now;

redisReplyObjectFunctions functions;                         // hiredis' own, but for one
void* (*create_array)(const redisReadTask*, int) = nullptr;  // which is this

void* create_bounded_array(const redisReadTask* task, int elements) {
  return elements > elements_max ? nullptr : create_array(task, elements);
}

}  // namespace

fuzz::scripted_redis::scripted_redis(std::string_view bytes, bool connected) {
  REQUIRE(now.reader == nullptr);
  now = {redisReaderCreate(), connected};
  REQUIRE(now.reader != nullptr);
  functions = *now.reader->fn;
  create_array = functions.createArray;
  functions.createArray = create_bounded_array;
  now.reader->fn = &functions;
  REQUIRE(redisReaderFeed(now.reader, bytes.data(), bytes.size()) == REDIS_OK);
}

fuzz::scripted_redis::~scripted_redis() {
  redisReaderFree(now.reader);
  now = {};
}

namespace storage {

redis_connection::redis_connection(redis_url address) : address_(std::move(address)) {}
redis_connection::~redis_connection() = default;

bool storage::redis_connection::usable() {
  return now.connected;
}

stored<ok_t> redis_connection::open() {
  now.connected = true;
  return ok;
}

void redis_connection::close() noexcept {
  now.connected = false;
}

stored<std::vector<redis_reply>> redis_connection::run(std::span<const redis_command> commands) {
  std::vector<redis_reply> replies;
  for (const auto& command : commands) {
    REQUIRE(command.size() > 0);
    void* raw = nullptr;
    if (redisReaderGetReply(now.reader, &raw) != REDIS_OK || raw == nullptr) {
      close();
      return storage_failure{storage_error::unavailable, "the script has ended"};
    }
    replies.emplace_back(static_cast<redisReply*>(raw));
  }
  return replies;
}

stored<redis_reply> redis_connection::run(const redis_command& command) {
  auto replies = run(std::span(&command, 1));
  if (!replies) return replies.error();
  return std::move(replies.value().front());
}

}  // namespace storage
}  // namespace watchkeeper
