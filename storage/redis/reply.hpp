#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "storage/storage_error.hpp"

struct redisReply;

namespace watchkeeper::storage {

struct redis_reply_deleter {
  void operator()(redisReply* reply) const noexcept;
};
using redis_reply = std::unique_ptr<redisReply, redis_reply_deleter>;

bool is_error(const redisReply& reply) noexcept;
std::string_view text_of(const redisReply& reply) noexcept;
/// Which fault an error reply is.
storage_failure failure_of(const redisReply& error_reply);
/// An error reply of a Redis that does not serve now: it loads, lost its master, or was demoted to
/// a replica. Another one may have taken its place at the same address: connect anew.
bool is_out_of_service(const redisReply& reply) noexcept;
/// An error reply to a call of a function that is not loaded.
bool is_function_missing(const redisReply& reply) noexcept;

/// What Redis holds or says is not of the documented format.
storage_failure corrupt(std::string what);

}  // namespace watchkeeper::storage
