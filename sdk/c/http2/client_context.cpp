#include "sdk/c/http2/client_context.hpp"

#include <nghttp2/nghttp2.h>

#include <utility>

#include "sdk/c/http2/session.hpp"

namespace watchkeeper::sdk::http2 {

std::unique_ptr<client_context> client_context::make(gateway_url server, const tls_options& tls,
                                                     std::size_t response_bytes_max,
                                                     std::string& why) {
  std::unique_ptr<client_context> made{new client_context};
  if (server.tls) {
    made->tls_ = tls_context::make(tls, why);
    if (!made->tls_) return nullptr;
  }
  made->server_ = std::move(server);
  made->response_bytes_max_ = response_bytes_max;
  if (nghttp2_session_callbacks_new(&made->callbacks_) != 0 ||
      nghttp2_option_new(&made->settings_) != 0) {
    why = "no memory for HTTP/2";
    return nullptr;
  }
  session::install(made->callbacks_);
  // This client needs neither closed streams nor priorities, which cost memory.
  nghttp2_option_set_no_closed_streams(made->settings_, 1);
  nghttp2_option_set_peer_max_concurrent_streams(made->settings_, 100);
  return made;
}

client_context::~client_context() {
  nghttp2_session_callbacks_del(callbacks_);
  nghttp2_option_del(settings_);
}

}  // namespace watchkeeper::sdk::http2
