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

namespace {

/// The first word of an error reply.
std::string_view error_code(const redisReply& reply) noexcept {
  const auto text = text_of(reply);
  return text.substr(0, text.find(' '));
}

template <std::size_t n>
bool is_one_of(std::string_view code, const std::string_view (&codes)[n]) noexcept {
  return std::find(std::begin(codes), std::end(codes), code) != std::end(codes);
}

}  // namespace

bool is_out_of_service(const redisReply& reply) noexcept {
  constexpr std::string_view codes[] = {"READONLY", "LOADING", "MASTERDOWN", "CLUSTERDOWN"};
  return is_error(reply) && is_one_of(error_code(reply), codes);
}

storage_failure failure_of(const redisReply& error_reply) {
  constexpr std::string_view elsewhere[] = {"BUSY", "TRYAGAIN", "NOAUTH", "WRONGPASS",
                                            "UNKILLABLE"};
  const auto code = error_code(error_reply);
  storage_failure failure{storage_error::refused, "Redis: " + std::string(text_of(error_reply))};
  if (code == "WRONGTYPE") failure.code = storage_error::corrupt;
  if (is_out_of_service(error_reply) || is_one_of(code, elsewhere))
    failure.code = storage_error::unavailable;
  return failure;
}

storage_failure corrupt(std::string what) {
  return {storage_error::corrupt, std::move(what)};
}

}  // namespace watchkeeper::storage
