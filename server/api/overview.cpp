#include "server/api/overview.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <iterator>

#include "net/problem_response.hpp"
#include "server/api/api_limits.hpp"
#include "server/api/refusal.hpp"

namespace watchkeeper::server {

std::vector<module_summary> overview::summaries(stores& own, unix_ms now_ms) {
  // Under the lock: who comes meanwhile waits for this look instead of making one more.
  const std::lock_guard lock(mutex_);
  if (kept_for_ms_ == 0 || now_ms - kept_at_ms_ >= kept_for_ms_ || now_ms < kept_at_ms_) {
    const auto begun = std::chrono::steady_clock::now();
    kept_ = need(own.book().summarize_modules());
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::steady_clock::now() - begun);
    kept_at_ms_ = now_ms;
    kept_for_ms_ = std::max<std::int64_t>(api_limits::overview_kept_ms, 10 * took.count());
  }
  return kept_;
}

net::http_response overview::answer(stores& own, const gateway_port& gateway, unix_ms now_ms) {
  const auto recorded = summaries(own, now_ms);
  const auto live = gateway.activity();
  std::string out = R"({"server_time":")" + net::rfc3339(now_ms) + R"(","modules":{)";
  const auto to = std::back_inserter(out);
  const auto append = [&](const module_id& module, const module_summary* known,
                          const actors::module_activity* now) {
    fmt::format_to(to, R"({}"{}":{{"students":{},"mastered":{},)", out.back() == '{' ? "" : ",",
                   module.view(), known ? known->students : 0, known ? known->mastered : 0);
    const auto average = known ? known->average_centipercent : 0;
    fmt::format_to(to, R"("average_completion":{}.{:02},"active":{},"activity":[)", average / 100,
                   average % 100, now ? now->active : 0);
    for (std::size_t i = 0; i < actors::module_activity::slots; ++i)
      fmt::format_to(to, "{}{}", i == 0 ? "" : ",", now ? now->credited[i] : 0);
    out += "]}";
  };
  // Both are sorted by module; what only one of them knows is told as well.
  auto here = live.begin();
  for (const auto& known : recorded) {
    for (; here != live.end() && here->module < known.module; ++here)
      append(here->module, nullptr, &*here);
    const bool both = here != live.end() && here->module == known.module;
    append(known.module, &known, both ? &*here++ : nullptr);
  }
  for (; here != live.end(); ++here) append(here->module, nullptr, &*here);
  out += "}}";
  return json_response(std::move(out));
}

}  // namespace watchkeeper::server
