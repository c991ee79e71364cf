#pragma once

#include <string_view>

namespace watchkeeper::fuzz {

/// While there is one, every redis_connection of this process reads its replies from these bytes,
/// by hiredis' reader, and what it sends goes nowhere. Where the bytes end or are no reply, the
/// connection is lost.
class scripted_redis {
 public:
  /// `connected`: the store finds a connection that is open already. Borrows the bytes.
  scripted_redis(std::string_view bytes, bool connected);
  ~scripted_redis();
  scripted_redis(const scripted_redis&) = delete;
  scripted_redis& operator=(const scripted_redis&) = delete;
};

}  // namespace watchkeeper::fuzz
