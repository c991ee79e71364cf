#include "server/api/call.hpp"

#include "base/base64url.hpp"
#include "domain/given_id.hpp"
#include "server/api/api_problem.hpp"

namespace watchkeeper::server {
namespace {

template <class Id>
Id id_at(const call& c, std::size_t index, const char* what) {
  // Other calls reach, and can remove, what an earlier version accepted.
  const bool makes_records = c.request.method == net::http_method::put;
  const auto id =
      makes_records ? parse_given_id<Id>(c.captured[index]) : Id::parse(c.captured[index]);
  if (!id)
    throw api_problem(problem::malformed_request,
                      std::string("The ") + what + " in the path must be an id: " + given_id_form);
  return *id;
}

/// Makes the store at its first use. If the factory fails, the next request tries it again.
template <class Store>
Store& made(std::unique_ptr<Store>& store, const std::function<std::unique_ptr<Store>()>& make) {
  if (!store) {
    try {
      store = make();
    } catch (const std::exception& error) {
      throw storage_fault({storage::storage_error::unavailable, error.what()});
    }
    if (!store)
      throw storage_fault({storage::storage_error::unavailable, "the store could not be opened"});
  }
  return *store;
}

}  // namespace

storage::ledger& stores::ledger() {
  return made(ledger_, make_ledger_);
}
storage::hot_store& stores::hot() {
  return made(hot_, make_hot_store_);
}

module_id call::module_at(std::size_t index) const {
  return id_at<module_id>(*this, index, "module");
}

student_id call::student_at(std::size_t index) const {
  return id_at<student_id>(*this, index, "student");
}

thumbprint call::kid_at(std::size_t index) const {
  const auto kid = thumbprint::parse(captured[index]);
  if (!kid)
    throw api_problem(
        problem::malformed_request,
        "The kid in the path must be a key thumbprint (RFC 7638, SHA-256): 43 characters "
        "of base64url");
  return *kid;
}

net::http_response json_response(std::string body, int status) {
  net::http_response response;
  response.status = status;
  response.content_type = "application/json";
  response.body = std::move(body);
  return response;
}

net::http_response text_response(std::string body, std::string type) {
  net::http_response response;
  response.content_type = std::move(type);
  response.body = std::move(body);
  return response;
}

net::http_response no_content() {
  net::http_response response;
  response.status = 204;
  return response;
}

}  // namespace watchkeeper::server
