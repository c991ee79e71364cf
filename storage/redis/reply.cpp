#include "storage/redis/reply.hpp"

#include <hiredis/hiredis.h>

#include <algorithm>
#include <iterator>
#include <string_view>
#include <utility>

namespace watchkeeper::storage {

void redis_reply_deleter::operator()(redisReply* reply) const noexcept {
  freeReplyObject(reply);
}

bool is_error(const redisReply& reply) noexcept {
  return reply.type == REDIS_REPLY_ERROR;
}

std::string_view text_of(const redisReply& reply) noexcept {
  if (reply.type != REDIS_REPLY_STRING && reply.type != REDIS_REPLY_STATUS &&
      reply.type != REDIS_REPLY_ERROR)
    return {};
  return {reply.str, static_cast<std::size_t>(reply.len)};
}

bool is_function_missing(const redisReply& reply) noexcept {
  return is_error(reply) && text_of(reply) == "ERR Function not found";
}

storage_failure failure_of(const redisReply& error_reply) {
  constexpr std::string_view elsewhere[] = {"LOADING",  "BUSY",   "MASTERDOWN", "CLUSTERDOWN",
                                            "TRYAGAIN", "NOAUTH", "WRONGPASS",  "UNKILLABLE"};
  const auto text = text_of(error_reply);
  const auto code = text.substr(0, text.find(' '));
  storage_failure failure{storage_error::refused, "Redis: " + std::string(text)};
  if (code == "WRONGTYPE") failure.code = storage_error::corrupt;
  if (std::find(std::begin(elsewhere), std::end(elsewhere), code) != std::end(elsewhere))
    failure.code = storage_error::unavailable;
  return failure;
}

storage_failure corrupt(std::string what) {
  return {storage_error::corrupt, std::move(what)};
}

}  // namespace watchkeeper::storage
