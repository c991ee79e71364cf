#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "sdk/c/gateway_url.hpp"
#include "sdk/c/http2/tls.hpp"

struct nghttp2_session_callbacks;
struct nghttp2_option;

namespace watchkeeper::sdk::http2 {

/// What the connections to one gateway share. One thread. Outlives its connections.
class client_context {
 public:
  /// Null on an error; `why` is then a sentence. A longer body of a response is cut off at
  /// `response_bytes_max`.
  static std::unique_ptr<client_context> make(gateway_url server, const tls_options& tls,
                                              std::size_t response_bytes_max, std::string& why);
  ~client_context();
  client_context(const client_context&) = delete;
  client_context& operator=(const client_context&) = delete;

  [[nodiscard]] const gateway_url& server() const noexcept { return server_; }
  /// Null for cleartext.
  [[nodiscard]] tls_context* tls() const noexcept { return tls_.get(); }
  [[nodiscard]] std::size_t response_bytes_max() const noexcept { return response_bytes_max_; }
  [[nodiscard]] const nghttp2_session_callbacks* callbacks() const noexcept { return callbacks_; }
  [[nodiscard]] const nghttp2_option* settings() const noexcept { return settings_; }

 private:
  client_context() = default;

  gateway_url server_;
  std::unique_ptr<tls_context> tls_;
  std::size_t response_bytes_max_ = 0;
  nghttp2_session_callbacks* callbacks_ = nullptr;
  nghttp2_option* settings_ = nullptr;
};

}  // namespace watchkeeper::sdk::http2
