// /v1/completions: the outbox, read in order.
#include "server/api/call.hpp"
#include "server/api/refusal.hpp"
#include "storage/completion_event.hpp"

namespace watchkeeper::server {

net::http_response list_completions(call& c) {
  const auto found = need(c.store.book().completions(c.query.sequence("after"), c.query.limit()));
  std::string body = R"({"items":[)";
  for (const auto& item : found) {
    if (&item != &found.front()) body += ',';
    body += completion_event_json(item, c.event_source);
  }
  // Given whenever there is an item, on the last page too: a reader who comes back later goes on
  // from there. Null says that nothing has come since.
  body += R"(],"next":)";
  body += found.empty() ? "null" : '"' + std::to_string(found.back().sequence) + '"';
  body += '}';
  return json_response(std::move(body));
}

}  // namespace watchkeeper::server
