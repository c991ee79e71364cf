// /v1/overview: every module at a glance. The numbers of students come from the ledger, the
// activity from the live view.
#include "base/calendar.hpp"
#include "base/json_writer.hpp"
#include "server/api/call.hpp"
#include "server/api/resources/summary_cache.hpp"

namespace watchkeeper::server {

namespace {

/// Either may be null: the ledger has no summary, or nobody is active.
void write_module(json_writer& out, const module_id& module, const storage::module_summary* summary,
                  const actors::module_activity* now) {
  out.key(module.view())
      .begin_object()
      .member("students", summary ? summary->students : 0)
      .member("mastered", summary ? summary->mastered : 0)
      .key("average_completion")
      .fixed(summary ? summary->average_centipercent : 0, 2)
      .member("active", now ? now->active : 0);
  out.key("activity").begin_array();
  for (std::size_t i = 0; i < actors::module_activity::slots; ++i)
    out.value(now ? now->credited[i] : 0);
  out.end_array().end_object();
}

}  // namespace

net::http_response get_overview(call& c) {
  const auto summaries = c.summaries.get([&] { return c.store.ledger().summarize_modules(); });
  const auto& recorded = summaries->modules;
  const auto live = c.gateway.activity();
  std::string body;
  json_writer out(body);
  out.begin_object()
      .member("server_time", rfc3339(c.now_ms))
      .member("as_of", rfc3339(summaries->as_of_ms));
  out.key("modules").begin_object();
  // Both are sorted by module. A module that only one of them has is in the document too.
  auto here = live.begin();
  for (const auto& each : recorded) {
    for (; here != live.end() && here->module < each.module; ++here)
      write_module(out, here->module, nullptr, &*here);
    const bool both = here != live.end() && here->module == each.module;
    write_module(out, each.module, &each, both ? &*here++ : nullptr);
  }
  for (; here != live.end(); ++here) write_module(out, here->module, nullptr, &*here);
  out.end_object().end_object();
  return json_response(std::move(body));
}

}  // namespace watchkeeper::server
