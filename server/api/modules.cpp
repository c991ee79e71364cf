// /v1/modules: the catalogue.
#include "net/problem_response.hpp"
#include "server/api/api_limits.hpp"
#include "server/api/call.hpp"
#include "server/api/json_body.hpp"
#include "server/api/refusal.hpp"

namespace watchkeeper::server {
namespace {

nlohmann::ordered_json document_of(const module_record& module) {
  nlohmann::ordered_json out;
  out["module"] = module.id.view();
  out["title"] = module.title;
  out["duration_ms"] = module.rules.duration_ms;
  out["mastery_threshold"] = module.rules.mastery_centipercent / 100.0;
  out["max_rate"] = module.rules.max_rate_permille / 1000.0;
  if (!module.preview_url.empty()) out["preview_url"] = module.preview_url;
  out["updated_at"] = net::rfc3339(module.updated_ms);
  return out;
}

bool is_title(const std::string& text) {
  if (text.empty() || text.size() > api_limits::title_bytes_max) return false;
  for (const char c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return false;
  return true;
}

/// What a page of the console may be made to play: never javascript: or another page's //host.
bool is_preview_url(std::string_view url) {
  if (url.size() > api_limits::preview_url_bytes_max) return false;
  for (const char c : url)
    if (c <= 0x20 || c > 0x7e || std::string_view("\"<>\\^`{|}").find(c) != std::string_view::npos)
      return false;
  constexpr std::string_view https = "https://";
  if (!url.starts_with(https)) return url.starts_with('/') && !url.starts_with("//");
  const auto rest = url.substr(https.size());
  const auto host = rest.substr(0, rest.find_first_of("/?#"));
  return !host.empty() && host.front() != ':' && host.find('@') == std::string_view::npos;
}

module_record read_module(const call& c) {
  const auto body = parse_object(c.request);
  const object_reader members(body, "");
  members.only({"title", "duration_ms", "mastery_threshold", "max_rate", "preview_url"});

  module_record module;
  module.id = c.module_at(0);
  constexpr auto title_right = "a string of 1 to 512 bytes of UTF-8 without control characters";
  module.title = members.text("title", title_right);
  if (!is_title(module.title)) members.fail("title", title_right);
  module.rules.duration_ms =
      static_cast<media_ms>(members.integer("duration_ms", 1, limits::media_duration_ms_max));
  if (members.has("mastery_threshold"))
    module.rules.mastery_centipercent = static_cast<std::int32_t>(
        members.scaled("mastery_threshold", 0.01, 100.0, 2,
                       "a number of percent from 0.01 to 100 with at most two decimals"));
  if (members.has("max_rate"))
    module.rules.max_rate_permille = static_cast<std::int32_t>(members.scaled(
        "max_rate", 0.25, 16.0, 3, "a number from 0.25 to 16 with at most three decimals"));
  if (members.has("preview_url")) {
    constexpr auto preview_right =
        "a URL that begins with https:// and a host, or a path that begins with one slash: at most "
        "2048 characters of a URI, others percent-encoded";
    module.preview_url = members.text("preview_url", preview_right);
    if (!is_preview_url(module.preview_url)) members.fail("preview_url", preview_right);
  }
  module.updated_ms = c.now_ms;
  return module;
}

module_record existing(call& c) {
  auto module = need(c.store.book().get_module(c.module_at(0)));
  if (!module) throw refusal(problem::not_found, "There is no such module");
  return *std::move(module);
}

}  // namespace

net::http_response put_module(call& c) {
  const auto module = read_module(c);
  const bool is_new = !need(c.store.book().get_module(module.id)).has_value();
  need(c.store.book().put_module(module));
  c.gateway.forget_module(module.id);
  // Another duration has other bins. Looked up where they are kept, so that a request that is
  // repeated after a failure in between finds it too.
  const auto held = need(c.store.book().heatmap_of(module.id));
  if (held && held->bins.layout.duration_ms != module.rules.duration_ms)
    throw recount_wanted{is_new};
  return json_response(dump(document_of(module)), is_new ? 201 : 200);
}

net::http_response finish_put_module(call& c, bool is_new) {
  const auto module = read_module(c);
  // Whatever the catalogue says by now counts: the module may have been put once more meanwhile.
  need(c.store.book().recount_heatmap(module.id, true));
  c.gateway.forget_heatmap_rows();
  return json_response(dump(document_of(module)), is_new ? 201 : 200);
}

net::http_response get_module(call& c) {
  return json_response(dump(document_of(existing(c))));
}

net::http_response delete_module(call& c) {
  const auto id = c.module_at(0);
  // Gone before or gone now: a repeated request gets the same answer.
  (void)need(c.store.book().remove_module(id));
  c.gateway.forget_module(id);
  return no_content();
}

net::http_response list_modules(call& c) {
  const auto found = need(c.store.book().list_modules(c.query.cursor(), c.query.limit()));
  nlohmann::ordered_json out;
  out["items"] = nlohmann::ordered_json::array();
  for (const auto& module : found.items) out["items"].push_back(document_of(module));
  out["next"] = found.next ? nlohmann::ordered_json(*found.next) : nlohmann::ordered_json(nullptr);
  return json_response(dump(out));
}

}  // namespace watchkeeper::server
