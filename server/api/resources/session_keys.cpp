// /v1/keys: the public key with which devices agree on session keys.
#include "base/entity_tag.hpp"
#include "server/api/call.hpp"
#include "server/keys/key_file.hpp"

namespace watchkeeper::server {

std::optional<net::http_response> get_session_keys(immediate_call& c) {
  const auto all = c.services.session_keys.all();
  const auto& keys = *all;
  net::http_response response;
  const auto tag = '"' + (keys.empty() ? std::string("none") : keys.front().kid().text()) + '"';
  response.headers = {{"cache-control", "public, max-age=300"}, {"etag", tag}};
  if (names_tag(c.request.field(net::request_field::if_none_match), tag)) {
    response.status = 304;
    return response;
  }
  response.content_type = "application/jwk-set+json";
  response.body = announced_key_set(keys);
  return response;
}

}  // namespace watchkeeper::server
