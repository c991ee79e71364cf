#pragma once

#include <cstdint>

struct nghttp2_session_callbacks;

namespace watchkeeper::fleet {

class http2_connection;

/// What nghttp2 calls for a connection. Handlers of requests are never called from in here: a
/// stream that ends is moved to `finished_`, so that a handler may close or use the session freely.
struct session_events {
  static void install(nghttp2_session_callbacks* callbacks);
  /// Moves the stream to the finished ones. `id`: of a stream of the connection.
  static void finish(http2_connection& connection, std::size_t slot);
};

}  // namespace watchkeeper::fleet
