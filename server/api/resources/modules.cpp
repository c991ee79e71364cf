// /v1/modules: the catalogue.
#include "base/calendar.hpp"
#include "base/json_writer.hpp"
#include "server/api/api_problem.hpp"
#include "server/api/call.hpp"
#include "server/api/documents/request_bodies.hpp"

namespace watchkeeper::server {
namespace {

void write_module(json_writer& out, const module_record& module) {
  out.begin_object()
      .member("module", module.id.view())
      .member("title", module.title)
      .member("duration_ms", module.rules.duration_ms)
      .key("mastery_threshold")
      .trimmed(module.rules.mastery_centipercent, 2)
      .key("max_rate")
      .trimmed(module.rules.max_rate_permille, 3);
  if (!module.preview_url.empty()) out.member("preview_url", module.preview_url);
  out.member("revision", module.revision)
      .member("updated_at", rfc3339(module.updated_ms))
      .end_object();
}

net::http_response module_response(const module_record& module, int status = 200) {
  std::string body;
  json_writer out(body);
  write_module(out, module);
  return json_response(std::move(body), status);
}

module_record existing(call& c) {
  auto module = need(c.store.ledger().get_module(c.module_at(0)));
  if (!module) throw api_problem(problem::not_found, "The catalogue has no such module");
  return *std::move(module);
}

constexpr int patch_tries_max = 8;

/// What follows from a module that was put.
net::http_response take_effect(call& c, const storage::module_put& put) {
  const auto& [module, is_new] = put;
  c.gateway.forget_module(module.id);
  c.gateway.judge_modules();
  // Another duration has other bins. The stored heatmap is compared, so that a request that is
  // repeated after a failure in between recounts as well.
  const auto heatmap = need(c.store.ledger().heatmap_of(module.id));
  if (heatmap && heatmap->bins.layout.duration_ms != module.rules.duration_ms)
    throw recount_needed{put};
  return module_response(module, is_new ? 201 : 200);
}

}  // namespace

net::http_response put_module(call& c) {
  const auto module = read_module(c.request, c.module_at(0), c.now_ms);
  return take_effect(c, *need(c.store.ledger().put_module(module)));
}

net::http_response patch_module(call& c) {
  // Another request may change the module between the two calls of the ledger.
  for (int tries = 0; tries < patch_tries_max; ++tries) {
    const auto before = existing(c);
    const auto after = patched_module(before, c.request, c.now_ms);
    if (const auto put = need(c.store.ledger().put_module(after, &before)))
      return take_effect(c, *put);
  }
  throw api_problem(problem::conflict, "The module is being changed by others: try again");
}

net::http_response finish_put_module(call& c, const storage::module_put& put) {
  // The catalogue counts, not the request: the module may have been put again meanwhile. If it was
  // removed, the request was carried out before that.
  const auto module = need(c.store.ledger().get_module(put.module.id)).value_or(put.module);
  need(c.store.ledger().recount_heatmap(module.id, true));
  c.gateway.forget_heatmap_rows();
  return module_response(module, put.is_new ? 201 : 200);
}

net::http_response get_module(call& c) {
  return module_response(existing(c));
}

net::http_response delete_module(call& c) {
  const auto id = c.module_at(0);
  // Removed now or earlier: a repeated request gets the same response.
  (void)need(c.store.ledger().remove_module(id));
  c.gateway.forget_module(id);
  return no_content();
}

net::http_response list_modules(call& c) {
  const auto found = need(c.store.ledger().list_modules(c.query.cursor(), c.query.limit()));
  std::string body;
  json_writer out(body);
  out.begin_object().key("items").begin_array();
  for (const auto& module : found.items) write_module(out, module);
  out.end_array().key("next");
  if (found.next)
    out.value(*found.next);
  else
    out.null();
  out.end_object();
  return json_response(std::move(body));
}

}  // namespace watchkeeper::server
