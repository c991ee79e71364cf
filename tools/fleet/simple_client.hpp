#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "tools/fleet/http2_client.hpp"
#include "tools/fleet/http2_connection.hpp"

namespace watchkeeper::fleet {

/// One connection, one request at a time, blocking: for administration and for `top`. One thread.
class simple_client {
 public:
  /// Does not connect yet. The error is a sentence on the URL or the CA file.
  static result<std::unique_ptr<simple_client>, std::string> make(const std::string& url,
                                                                  const client_tls_options& tls);
  ~simple_client();

  /// Connects if necessary and waits for the response, at most `what.timeout` in all. The error is
  /// a sentence. A failure to connect is reported at once.
  result<http2_response, std::string> request(http2_request&& what);

  [[nodiscard]] const endpoint& server() const noexcept { return client_->server(); }

 private:
  simple_client() = default;
  struct failure_watch final : connection_observer {
    void on_open(http2_connection&) override {}
    void on_lost(http2_connection&) override { lost = true; }
    bool lost = false;
  };

  event_loop loop_;
  failure_watch watch_;
  std::unique_ptr<http2_client> client_;
  std::unique_ptr<http2_connection> connection_;
};

/// What a gateway's refusal says: the `detail` or `title` of its problem document, else its status.
std::string explain_refusal(const http2_response& response);

}  // namespace watchkeeper::fleet
