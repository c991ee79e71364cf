#include <boost/test/unit_test.hpp>

#include <nlohmann/json.hpp>

#include "server/console/console_pages.hpp"
#include "tests/server/api/api_support.hpp"

using namespace watchkeeper;
using namespace watchkeeper::server;
using namespace watchkeeper::server::testing;
using net::http_method;
using net::request_field;

namespace {

constexpr console_asset assets[] = {
    {"assets/index-abcdefgh.js", "text/javascript; charset=utf-8", "T1", true, "identity", "brotli",
     "gzip"},
    {"assets/small-abcdefgh.css", "text/css; charset=utf-8", "T2", true, "x", {}, {}},
    {"index.html", "text/html; charset=utf-8", "T3", false, "<html>", {}, "g"},
};

net::http_response get(const console_pages& pages, const std::string& path,
                       std::vector<std::pair<request_field, std::string>> fields = {},
                       http_method method = http_method::get) {
  net::http_request request;
  request.method = method;
  request.path = path;
  request.others = std::move(fields);
  return pages.respond(request, wall_ms{1'763'812'345'123});
}

}  // namespace

BOOST_AUTO_TEST_SUITE(console_pages_)

BOOST_AUTO_TEST_CASE(the_smallest_coding_that_the_client_takes) {
  const auto& all = assets[0];
  using enum content_coding;
  BOOST_TEST(coding_for("", all) == identity);
  BOOST_TEST(coding_for("gzip, deflate, br", all) == brotli);
  BOOST_TEST((coding_for("gzip;q=1.0, br;q=0", all) == gzip));
  BOOST_TEST((coding_for("br;q=0.000,gzip;q=0.", all) == identity));
  BOOST_TEST((coding_for("br;q=0.001", all) == brotli));
  BOOST_TEST(coding_for("brx", all) == identity);
  BOOST_TEST(coding_for("br, gzip", assets[2]) == gzip);
  BOOST_TEST(coding_for("br, gzip", assets[1]) == identity);
}

BOOST_AUTO_TEST_CASE(files_are_served_with_their_fields) {
  const console_pages pages(assets);
  const auto file =
      get(pages, "/console/assets/index-abcdefgh.js", {{request_field::accept_encoding, "br"}});
  BOOST_TEST(file.status == 200);
  BOOST_TEST(file.body == "brotli");
  BOOST_TEST(file.content_type == "text/javascript; charset=utf-8");
  BOOST_TEST(header_of(file, "content-encoding") == "br");
  BOOST_TEST(header_of(file, "vary") == "accept-encoding");
  BOOST_TEST(header_of(file, "etag") == "\"T1.br\"");
  BOOST_TEST(header_of(file, "cache-control") == "public, max-age=31536000, immutable");
  BOOST_TEST(header_of(file, "x-content-type-options") == "nosniff");
  const auto plain = get(pages, "/console/assets/index-abcdefgh.js");
  BOOST_TEST(plain.body == "identity");
  BOOST_TEST(header_of(plain, "content-encoding").empty());
  BOOST_TEST(header_of(plain, "etag") == "\"T1\"");
}

BOOST_AUTO_TEST_CASE(every_view_is_the_one_page) {
  const console_pages pages(assets);
  for (const auto* path : {"/console/", "/console/modules/x", "/console/students/a%20b",
                           "/console/index.html", "/console/../etc/passwd"}) {
    const auto page = get(pages, path);
    BOOST_TEST(page.status == 200, path);
    BOOST_TEST(page.body == "<html>");
    BOOST_TEST(header_of(page, "cache-control") == "no-cache");
    BOOST_TEST(header_of(page, "content-security-policy") ==
               "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
               "connect-src 'self'; media-src 'self' https:; font-src 'self'; base-uri 'none'; "
               "form-action 'none'; frame-ancestors 'none'");
  }
  check_problem(get(pages, "/console/assets/index-old.js"), 404, "not-found");
}

BOOST_AUTO_TEST_CASE(what_a_browser_has_is_not_sent_again) {
  const console_pages pages(assets);
  for (const auto* tags : {"\"T3\"", "W/\"T3\"", "\"a\", \"T3\"", "*"}) {
    const auto response = get(pages, "/console/", {{request_field::if_none_match, tags}});
    BOOST_TEST(response.status == 304, tags);
    BOOST_TEST(response.body.empty());
    BOOST_TEST(header_of(response, "etag") == "\"T3\"");
  }
  BOOST_TEST(
      get(pages, "/console/",
          {{request_field::if_none_match, "\"T3\""}, {request_field::accept_encoding, "gzip"}})
          .status == 200);  // another representation
}

BOOST_AUTO_TEST_CASE(the_root_leads_to_it) {
  const console_pages pages(assets);
  for (const auto* path : {"/", "/console"}) {
    const auto response = get(pages, path);
    BOOST_TEST(response.status == 302);
    BOOST_TEST(header_of(response, "location") == "/console/");
  }
}

BOOST_AUTO_TEST_CASE(a_program_without_console_says_how_to_get_one) {
  const console_pages pages(std::span<const console_asset>{});
  const auto page = get(pages, "/console/");
  BOOST_TEST(page.status == 200);
  BOOST_TEST(page.body.find("scripts/build-console") != std::string::npos);
  BOOST_TEST(header_of(page, "content-security-policy").starts_with("default-src 'none'"));
}

BOOST_AUTO_TEST_SUITE_END()
