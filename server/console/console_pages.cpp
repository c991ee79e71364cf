#include "server/console/console_pages.hpp"

#include <string>

#include "net/shared/problem_response.hpp"

namespace watchkeeper::server {
namespace {

constexpr std::string_view prefix = "/console/";

constexpr std::string_view missing_page =
    "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
    "<title>watchkeeper</title>\n<h1>This gateway was built without its console</h1>\n"
    "<p>To add the console, install Node.js 20 or later with npm, then run in the source "
    "tree:</p>\n"
    "<pre>scripts/build-console\ncmake --build build/release --target watchkeeper</pre>\n"
    "<p>and start the gateway again. Everything else works without the console; "
    "<code>watchkeeper top</code> shows the gateway in a terminal.</p>\n</html>\n";

void add_security_fields(net::http_response& response) {
  for (const auto& [name, value] : std::initializer_list<std::pair<const char*, const char*>>{
           {"content-security-policy",
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
            "connect-src 'self'; media-src 'self' https:; font-src 'self'; base-uri 'none'; "
            "form-action 'none'; frame-ancestors 'none'"},
           {"x-content-type-options", "nosniff"},
           {"referrer-policy", "no-referrer"},
           {"cross-origin-opener-policy", "same-origin"},
           {"cross-origin-resource-policy", "same-origin"},
           {"permissions-policy", "camera=(), microphone=(), geolocation=()"}})
    response.headers.emplace_back(name, value);
}

std::string_view trimmed(std::string_view text) noexcept {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

/// Takes the next element off a comma-separated list.
std::string_view take_element(std::string_view& list) noexcept {
  const auto end = list.find(',');
  const auto element = trimmed(list.substr(0, end));
  list = end == std::string_view::npos ? std::string_view{} : list.substr(end + 1);
  return element;
}

/// Whether an element such as "br;q=0.5" accepts its coding: any weight but zero does.
bool accepts_coding(std::string_view element) noexcept {
  const auto at = element.find("q=");
  if (at == std::string_view::npos) return true;
  return element.substr(at + 2).find_first_of("123456789") != std::string_view::npos;
}

bool names_tag(std::string_view if_none_match, std::string_view tag) noexcept {
  while (!if_none_match.empty()) {
    auto element = take_element(if_none_match);
    if (element == "*") return true;
    if (element.starts_with("W/")) element.remove_prefix(2);
    if (element == tag) return true;
  }
  return false;
}

net::http_response redirect_to_console() {
  net::http_response response;
  response.status = 302;
  response.headers.emplace_back("location", std::string(prefix));
  return response;
}

}  // namespace

content_coding coding_for(std::string_view accept, const console_asset& asset) noexcept {
  bool brotli = false;
  bool gzip = false;
  while (!accept.empty()) {
    const auto element = take_element(accept);
    const auto coding = trimmed(element.substr(0, element.find(';')));
    if (coding == "br") brotli = accepts_coding(element);
    if (coding == "gzip" || coding == "x-gzip") gzip = accepts_coding(element);
  }
  if (brotli && !asset.brotli.empty()) return content_coding::brotli;
  if (gzip && !asset.gzip.empty()) return content_coding::gzip;
  return content_coding::identity;
}

const console_asset* console_pages::find(std::string_view name) const noexcept {
  for (const auto& asset : assets_)
    if (asset.name == name) return &asset;
  return nullptr;
}

net::http_response console_pages::respond(const net::http_request& request, wall_ms now_ms) const {
  if (!std::string_view(request.path).starts_with(prefix)) return redirect_to_console();
  const auto name = std::string_view(request.path).substr(prefix.size());

  net::http_response response;
  add_security_fields(response);
  const auto* asset = find(name);
  if (asset == nullptr && name.starts_with("assets/")) {
    auto missing =
        net::make_problem(problem::not_found, "The console has no file at this path", now_ms);
    missing.headers.insert(missing.headers.end(), response.headers.begin(), response.headers.end());
    return missing;
  }
  if (asset == nullptr) asset = find("index.html");
  if (asset == nullptr) {
    response.content_type = "text/html; charset=utf-8";
    response.body = missing_page;
    response.headers.emplace_back("cache-control", "no-store");
    return response;
  }

  const auto coding = coding_for(request.field(net::request_field::accept_encoding), *asset);
  // Each coding is a representation of its own (RFC 9110, section 8.8.3).
  auto tag = '"' + std::string(asset->tag);
  if (coding == content_coding::brotli) tag += ".br";
  if (coding == content_coding::gzip) tag += ".gz";
  tag += '"';
  response.headers.emplace_back("cache-control",
                                asset->hashed ? "public, max-age=31536000, immutable" : "no-cache");
  response.headers.emplace_back("vary", "accept-encoding");
  const bool unchanged = names_tag(request.field(net::request_field::if_none_match), tag);
  response.headers.emplace_back("etag", std::move(tag));
  if (unchanged) {
    response.status = 304;
    return response;
  }
  response.content_type = asset->content_type;
  switch (coding) {
    case content_coding::brotli:
      response.headers.emplace_back("content-encoding", "br");
      response.body = asset->brotli;
      break;
    case content_coding::gzip:
      response.headers.emplace_back("content-encoding", "gzip");
      response.body = asset->gzip;
      break;
    case content_coding::identity:
      response.body = asset->identity;
      break;
  }
  return response;
}

}  // namespace watchkeeper::server
