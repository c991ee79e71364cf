#include "server/api/resources/overview.hpp"

#include <fmt/format.h>

#include <iterator>

#include "net/shared/problem_response.hpp"

namespace watchkeeper::server {

net::http_response overview::respond(stores& own, const gateway_port& gateway, unix_ms now_ms) {
  const auto summaries = recorded_.get([&] { return own.ledger().summarize_modules(); }, now_ms);
  const auto& recorded = summaries->modules;
  const auto live = gateway.activity();
  std::string out = R"({"server_time":")" + net::rfc3339(now_ms) + R"(","as_of":")" +
                    net::rfc3339(summaries->as_of_ms) + R"(","modules":{)";
  const auto to = std::back_inserter(out);
  const auto append = [&](const module_id& module, const storage::module_summary* summary,
                          const actors::module_activity* now) {
    fmt::format_to(to, R"({}"{}":{{"students":{},"mastered":{},)", out.back() == '{' ? "" : ",",
                   module.view(), summary ? summary->students : 0, summary ? summary->mastered : 0);
    const auto average = summary ? summary->average_centipercent : 0;
    fmt::format_to(to, R"("average_completion":{}.{:02},"active":{},"activity":[)", average / 100,
                   average % 100, now ? now->active : 0);
    for (std::size_t i = 0; i < actors::module_activity::slots; ++i)
      fmt::format_to(to, "{}{}", i == 0 ? "" : ",", now ? now->credited[i] : 0);
    out += "]}";
  };
  // Both are sorted by module. A module that only one of them has is in the document too.
  auto here = live.begin();
  for (const auto& each : recorded) {
    for (; here != live.end() && here->module < each.module; ++here)
      append(here->module, nullptr, &*here);
    const bool both = here != live.end() && here->module == each.module;
    append(each.module, &each, both ? &*here++ : nullptr);
  }
  for (; here != live.end(); ++here) append(here->module, nullptr, &*here);
  out += "}}";
  return json_response(std::move(out));
}

}  // namespace watchkeeper::server
