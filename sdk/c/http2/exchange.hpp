#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace watchkeeper::sdk::http2 {

/// The fields of a request. The views are read during `connection::submit` only.
struct request_fields {
  std::string_view method = "GET";
  std::string_view path = "/";
  std::string_view content_type;   // of the body
  std::string_view authorization;  // never put into the compression table (RFC 7541 section 7.1.3)
  std::string_view prefer;
  std::string_view cache_control;
};

enum class exchange_error : std::uint8_t {
  none,
  lost,       // the connection ended: perhaps the gateway has handled the request
  reset,      // the gateway reset the stream: perhaps it has handled the request
  refused,    // the gateway has not handled the request
  cancelled,  // by `connection::cancel`
};

/// A request and its response. The owner of a connection may derive from it, to carry what the
/// request is for. A connection owns it from `submit` until `take_finished`.
struct exchange {
  virtual ~exchange() = default;

  std::string body;  // of the request

  exchange_error error = exchange_error::none;
  int status = 0;
  std::optional<std::int64_t> retry_after_s;
  std::string response_body;  // cut off at the limit of the context
  bool too_long = false;      // it was cut off

  // -- Of the session that has it.
  std::int32_t stream = 0;
  std::size_t slot = 0;
  std::size_t body_sent = 0;
};

}  // namespace watchkeeper::sdk::http2
