#include "tools/fleet/simple_client.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

namespace watchkeeper::fleet {

result<std::unique_ptr<simple_client>, std::string> simple_client::make(
    const std::string& url, const client_tls_options& tls) {
  auto server = resolve_endpoint(url);
  if (!server) return server.error();
  std::unique_ptr<simple_client> made{new simple_client};
  client_options options;
  options.server = std::move(server).value();
  options.tls = tls;
  auto client = http2_client::make(made->loop_, std::move(options));
  if (!client) return client.error();
  made->client_ = std::move(client).value();
  made->connection_ = std::make_unique<http2_connection>(*made->client_, 0, &made->watch_);
  return made;
}

simple_client::~simple_client() {
  if (connection_) connection_->close();
}

result<http2_response, std::string> simple_client::request(http2_request&& what) {
  const auto deadline = event_loop::clock::now() + what.timeout;
  // A connection that the server has closed while idle is noticed only now.
  loop_.run_once(event_loop::clock::now());
  watch_.lost = false;
  connection_->open();
  while (!connection_->is_open()) {
    if (watch_.lost) return client_->last_failure();
    if (event_loop::clock::now() >= deadline)
      return fmt::format("{} did not respond in time", client_->server().authority);
    loop_.run_once(deadline);
  }
  what.timeout = std::chrono::ceil<std::chrono::milliseconds>(deadline - event_loop::clock::now());
  std::optional<http2_response> response;
  if (!connection_->request(std::move(what),
                            [&response](http2_response&& made) { response = std::move(made); }))
    return fmt::format("{} accepts no request now", client_->server().authority);
  while (!response) {
    if (event_loop::clock::now() > deadline + std::chrono::seconds(1)) {
      connection_->close();  // the handler borrows `response`: it must not be called any more
      return fmt::format("{} did not respond in time", client_->server().authority);
    }
    loop_.run_once(deadline + std::chrono::seconds(1));
  }
  if (response->error == transport_error::timed_out)
    return fmt::format("{} did not respond in time", client_->server().authority);
  if (response->error != transport_error::none)
    return client_->last_failure().empty() ? std::string{"the request was reset by the server"}
                                           : client_->last_failure();
  return std::move(*response);
}

std::string explain_refusal(const http2_response& response) {
  const auto document = nlohmann::json::parse(response.body, nullptr, false);
  if (document.is_object())
    for (const char* member : {"detail", "title", "type"})
      if (const auto found = document.find(member); found != document.end() && found->is_string() &&
                                                    !found->get_ref<const std::string&>().empty())
        return fmt::format("{} (HTTP status {})", found->get_ref<const std::string&>(),
                           response.status);
  return fmt::format("HTTP status {}", response.status);
}

}  // namespace watchkeeper::fleet
