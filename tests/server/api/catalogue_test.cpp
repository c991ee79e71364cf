#include <boost/test/unit_test.hpp>

#include "tests/server/api/api_support.hpp"

using namespace watchkeeper;
using namespace watchkeeper::server;
using namespace watchkeeper::server::testing;
using net::http_method;
using nlohmann::json;

BOOST_AUTO_TEST_SUITE(api_catalogue)

BOOST_FIXTURE_TEST_CASE(a_module_is_put_read_listed_and_removed, api_fixture) {
  const auto first = put("/v1/modules/m1", {{"title", "Öl & <Wasser>"}, {"duration_ms", 60'000}});
  BOOST_TEST(first.status == 201);
  const auto expected = json::parse(
      R"({"module":"m1","title":"Öl & <Wasser>","duration_ms":60000,"mastery_threshold":95.0,
          "max_rate":2.0,"revision":1,"updated_at":"2025-11-22T11:52:25.123Z"})");
  BOOST_TEST(json_of(first) == expected);
  BOOST_TEST(json_of(get("/v1/modules/m1", "viewer")) == expected);
  BOOST_TEST(
      gateway.take_notes() == (std::vector<std::string>{"forget_module m1", "judge_modules "}),
      boost::test_tools::per_element());

  const auto second =
      put("/v1/modules/m1",
          {{"title", "Two"}, {"duration_ms", 1}, {"mastery_threshold", 33.33}, {"max_rate", 0.25}});
  BOOST_TEST(second.status == 200);
  BOOST_TEST(json_of(second)["revision"] == 2);
  const auto stored = ledger_store->get_module(*module_id::parse("m1"));
  BOOST_REQUIRE((stored && stored.value()));
  BOOST_TEST(stored.value()->rules.mastery_centipercent == 3333);
  BOOST_TEST(stored.value()->rules.max_rate_permille == 250);

  for (int i = 2; i <= 5; ++i)
    put("/v1/modules/m" + std::to_string(i), {{"title", "t"}, {"duration_ms", 1000}});
  std::vector<std::string> seen;
  std::string cursor;
  do {
    const auto page =
        json_of(get("/v1/modules?limit=2" + (cursor.empty() ? "" : "&cursor=" + cursor)));
    BOOST_REQUIRE(page["items"].size() <= 2);
    for (const auto& item : page["items"]) seen.push_back(item["module"]);
    cursor = page["next"].is_null() ? "" : page["next"];
  } while (!cursor.empty());
  BOOST_TEST(seen == (std::vector<std::string>{"m1", "m2", "m3", "m4", "m5"}),
             boost::test_tools::per_element());

  BOOST_TEST(del("/v1/modules/m1").status == 204);
  BOOST_TEST(del("/v1/modules/m1").status == 204);
  check_problem(get("/v1/modules/m1"), 404, "not-found");
  const auto again = put("/v1/modules/m1", {{"title", "Back"}, {"duration_ms", 1}});
  BOOST_TEST(again.status == 201);
  BOOST_TEST(json_of(again)["revision"] == 3);
}

BOOST_FIXTURE_TEST_CASE(an_id_that_paths_drop_is_not_put_and_can_be_removed, api_fixture) {
  const json module{{"title", "t"}, {"duration_ms", 1000}};
  check_problem(put("/v1/modules/..", module), 400, "malformed-request");
  check_problem(put("/v1/modules/%2e", module), 400, "malformed-request");
  // An earlier version accepted it.
  module_record earlier;
  earlier.id = *module_id::parse("..");
  earlier.title = "t";
  earlier.rules.duration_ms = 1000;
  BOOST_REQUIRE(ledger_store->put_module(earlier).has_value());
  BOOST_TEST(get("/v1/modules/..").status == 200);
  BOOST_TEST(del("/v1/modules/..").status == 204);
  BOOST_TEST(del("/v1/students/..").status == 204);
}

BOOST_FIXTURE_TEST_CASE(a_patch_changes_what_it_names, api_fixture) {
  const auto patch = [&](const std::string& body, std::string type) {
    net::http_request request;
    request.method = http_method::patch;
    request.path = "/v1/modules/m";
    request.body = body;
    request.content_type = std::move(type);
    request.authorization = "Bearer admin-secret";
    return call(std::move(request));
  };
  const std::string merge_patch = "application/merge-patch+json";
  check_problem(patch("{}", merge_patch), 404, "not-found");
  put("/v1/modules/m", {{"title", "One"},
                        {"duration_ms", 60'000},
                        {"mastery_threshold", 33.33},
                        {"max_rate", 1.125},
                        {"preview_url", "/a.mp4"}});
  gateway.take_notes();
  auto document = json_of(patch(R"({"title":"Two"})", merge_patch));
  BOOST_TEST(document == json::parse(R"({"module":"m","title":"Two","duration_ms":60000,
    "mastery_threshold":33.33,"max_rate":1.125,"preview_url":"/a.mp4","revision":1,
    "updated_at":"2025-11-22T11:52:25.123Z"})"));
  BOOST_TEST(document == json_of(get("/v1/modules/m")));
  BOOST_TEST(
      gateway.take_notes() == (std::vector<std::string>{"forget_module m", "judge_modules "}),
      boost::test_tools::per_element());
  // null takes a member away, so that it gets its default.
  document = json_of(patch(R"({"mastery_threshold":null,"preview_url":null})", "application/json"));
  BOOST_TEST(document["mastery_threshold"] == 95.0);
  BOOST_TEST(document["revision"] == 2);
  BOOST_TEST(!document.contains("preview_url"));
  BOOST_TEST(json_of(patch("{}", merge_patch + "; charset=utf-8"))["revision"] == 2);
  for (const auto* wrong :
       {R"({"title":null})", R"({"titel":"x"})", R"({"max_rat":null})", R"({"duration_ms":0})",
        R"({"module":"x"})", "[]", "3", "", R"({"title":"a","title":"b"})"})
    check_problem(patch(wrong, merge_patch), 400, "malformed-request");
  check_problem(patch("{}", "text/plain"), 415, "unsupported-media-type");
}

BOOST_FIXTURE_TEST_CASE(a_module_may_have_a_preview, api_fixture) {
  const auto response_to = [&](const std::string& url) {
    return put("/v1/modules/m", {{"title", "t"}, {"duration_ms", 1}, {"preview_url", url}});
  };
  for (const std::string good :
       {"https://video.example/a.m3u8?x=1#t", "https://[::1]:8443", "/media/a%20b.mp4", "/"}) {
    const auto response = response_to(good);
    BOOST_TEST(response.status < 300, good);
    BOOST_TEST(json_of(response)["preview_url"] == good);
    BOOST_TEST(json_of(get("/v1/modules/m"))["preview_url"] == good);
  }
  for (const std::string bad :
       {"", "http://video.example/", "//video.example/", "javascript:alert(1)", "https://",
        "https:///a", "https://:443/", "https://user@video.example/", "/a b", "/a\"b", "/a<b",
        "/a\\b", "/\xc3\xb6", "/a\nb", "media/a.mp4"})
    check_problem(response_to(bad), 400, "malformed-request");
  check_problem(response_to("/" + std::string(2048, 'a')), 400, "malformed-request");
  BOOST_TEST(response_to("/" + std::string(2047, 'a')).status == 200);
  put("/v1/modules/m", {{"title", "t"}, {"duration_ms", 1}});
  BOOST_TEST(!json_of(get("/v1/modules/m")).contains("preview_url"));
}

BOOST_FIXTURE_TEST_CASE(module_documents_are_read_strictly, api_fixture) {
  const auto rejected = [&](const std::string& body, const std::string& named) {
    const auto response = call(http_method::put, "/v1/modules/m", body);
    check_problem(response, 400, "malformed-request");
    const auto detail = json_of(response).value("detail", "");
    BOOST_TEST(detail.find(named) != std::string::npos, body << ": " << detail);
    BOOST_TEST(detail.find("nlohmann") == std::string::npos);
    BOOST_TEST(detail.find("[json") == std::string::npos);
  };
  rejected("", "empty");
  rejected("{", "byte");
  rejected("[]", "object");
  rejected("null", "object");
  rejected("\"\xff\"", "byte");
  rejected(R"({"title":"t","duration_ms":1}x)", "byte");
  rejected(R"({"duration_ms":1})", "title is missing");
  rejected(R"({"title":"t"})", "duration_ms is missing");
  rejected(R"({"title":1,"duration_ms":1})", "title must be");
  rejected(R"({"title":"","duration_ms":1})", "title must be");
  rejected(R"({"title":"a\u0000b","duration_ms":1})", "title must be");
  rejected(R"({"title":"a\nb","duration_ms":1})", "title must be");
  rejected(R"({"title":")" + std::string(513, 'x') + R"(","duration_ms":1})", "title must be");
  for (const auto wrong : {"0", "-1", "1.5", "1e3", "\"1\"", "true", "null", "86400001",
                           "99999999999999999999", "9223372036854775808"})
    rejected(std::string(R"({"title":"t","duration_ms":)") + wrong + "}", "duration_ms must be");
  for (const auto wrong : {"0", "-5", "100.01", "33.333", "\"95\"", "null", "0.001"})
    rejected(std::string(R"({"title":"t","duration_ms":1,"mastery_threshold":)") + wrong + "}",
             "mastery_threshold must be");
  for (const auto wrong : {"0", "0.2", "16.1", "\"2\"", "1.00001", "[]"})
    rejected(std::string(R"({"title":"t","duration_ms":1,"max_rate":)") + wrong + "}",
             "max_rate must be");
  rejected(R"({"title":"t","duration_ms":1e999})", "too large");
  rejected(R"({"title":"t","duration_ms":1,"extra":1})", "unknown member; it may have title");
  rejected(R"({"title":"t","title":"t","duration_ms":1})", "more than once");
  rejected(R"({"title":"t","duration_ms":1,"extra":{"a":1,"a":2}})", "more than once");
  rejected(R"({"title":)" + std::string(100, '[') + std::string(100, ']') + "}",
           "levels of nesting");
  rejected(R"({"title":"t","duration_ms":1,})", "byte");

  net::http_request wrong_type;
  wrong_type.method = http_method::put;
  wrong_type.path = "/v1/modules/m";
  wrong_type.content_type = "text/plain";
  wrong_type.authorization = "Bearer admin-secret";
  wrong_type.body = R"({"title":"t","duration_ms":1})";
  wrong_type.respond_to.connection = ++requests;
  submit(std::move(wrong_type));
  check_problem(responses.wait_for(requests), 415, "unsupported-media-type");
}

BOOST_FIXTURE_TEST_CASE(assignments_are_put_and_removed, api_fixture) {
  const auto pair = pair_of("s1", "m1");
  for (int i = 0; i < 2; ++i) {
    BOOST_TEST(call(http_method::put, "/v1/assignments/s1/m1").status == 204);
    BOOST_TEST(ledger_store->is_assigned(pair).value());
  }
  for (int i = 0; i < 2; ++i) {
    BOOST_TEST(del("/v1/assignments/s1/m1").status == 204);
    BOOST_TEST(!ledger_store->is_assigned(pair).value());
  }
  BOOST_TEST(gateway.take_notes().size() == 4u);
}

BOOST_AUTO_TEST_SUITE_END()
