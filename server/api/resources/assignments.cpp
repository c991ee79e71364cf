// /v1/assignments: who is to watch what.
#include "server/api/api_problem.hpp"
#include "server/api/call.hpp"

namespace watchkeeper::server {
namespace {

pair_key pair_of(const call& c) {
  return {c.student_at(0), c.module_at(1)};
}

}  // namespace

net::http_response put_assignment(call& c) {
  const auto pair = pair_of(c);
  need(c.store.ledger().put_assignment(pair, c.now_ms));
  c.gateway.forget_assignment(pair);
  return no_content();
}

net::http_response delete_assignment(call& c) {
  const auto pair = pair_of(c);
  (void)need(c.store.ledger().remove_assignment(pair));
  c.gateway.forget_assignment(pair);
  return no_content();
}

}  // namespace watchkeeper::server
