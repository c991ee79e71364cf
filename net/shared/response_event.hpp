#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "net/shared/http.hpp"

namespace watchkeeper::net {

/// A call of response_port on its way to the I/O thread.
struct response_event {
  enum class kind : std::uint8_t { respond, begin, send, consumed, overflow };
  kind what = kind::respond;
  bool last = false;  // of `send`
  response_address to;
  std::size_t bytes = 0;   // of `consumed`
  http_response response;  // of `respond`, `begin`; the chunk of `send` is its body
};

}  // namespace watchkeeper::net
