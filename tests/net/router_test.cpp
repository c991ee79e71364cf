#include "net/router.hpp"

#include <boost/test/unit_test.hpp>
#include <stdexcept>

using namespace watchkeeper::net;
using match_result = router::match_result;

namespace {

router make() {
  router r;
  r.add(http_method::get, "/", 1);
  r.add(http_method::post, "/v1/heartbeats", 2);
  r.add(http_method::get, "/v1/modules", 3);
  r.add(http_method::get, "/v1/modules/{module}", 4);
  r.add(http_method::put, "/v1/modules/{module}", 5);
  r.add(http_method::del, "/v1/modules/{module}", 6);
  r.add(http_method::get, "/v1/modules/{module}/heatmap", 7);
  r.add(http_method::put, "/v1/assignments/{student}/{module}", 8);
  r.add(http_method::get, "/v1/modules/special", 9);
  r.add(http_method::get, "/a/{1}/{2}/{3}/{4}", 10);
  return r;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(router_test)

BOOST_AUTO_TEST_CASE(literals_and_captures) {
  const auto r = make();
  BOOST_TEST(r.match(http_method::get, "/").id == 1u);
  BOOST_TEST(r.match(http_method::post, "/v1/heartbeats").id == 2u);
  BOOST_TEST(r.match(http_method::get, "/v1/modules").id == 3u);
  const std::string path = "/v1/modules/algebra-1";
  const auto m = r.match(http_method::put, path);
  BOOST_TEST((m.what == match_result::found));
  BOOST_TEST(m.id == 5u);
  BOOST_REQUIRE(m.captures == 1u);
  BOOST_TEST(m.captured(0) == "algebra-1");
  const auto two = r.match(http_method::put, "/v1/assignments/ann/algebra");
  BOOST_TEST(two.id == 8u);
  BOOST_TEST(two.captured(0) == "ann");
  BOOST_TEST(two.captured(1) == "algebra");
  const auto four = r.match(http_method::get, "/a/w/x/y/z");
  BOOST_REQUIRE(four.captures == 4u);
  BOOST_TEST(four.captured(3) == "z");
}

BOOST_AUTO_TEST_CASE(a_literal_wins_over_a_capture) {
  const auto r = make();
  BOOST_TEST(r.match(http_method::get, "/v1/modules/special").id == 9u);
  BOOST_TEST(r.match(http_method::get, "/v1/modules/specials").id == 4u);
}

BOOST_AUTO_TEST_CASE(escapes_are_decoded_after_splitting) {
  const auto r = make();
  const auto m = r.match(http_method::put, "/v1/assignments/a%2Fb%40c/%25+%7e");
  BOOST_TEST((m.what == match_result::found));
  BOOST_TEST(m.captured(0) == "a/b@c");
  BOOST_TEST(m.captured(1) == "%+~");
  const auto copy = m;  // decoded text lives in the result itself
  BOOST_TEST(copy.captured(0) == "a/b@c");
  // An encoded slash never makes two segments of one.
  BOOST_TEST((r.match(http_method::post, "/v1%2Fheartbeats").what == match_result::not_found));
}

BOOST_AUTO_TEST_CASE(bad_escapes_are_malformed) {
  const auto r = make();
  for (const char* segment : {"%", "%2", "%zz", "a%2", "%%41", "%4g", "% 1", "%-1"}) {
    const auto m = r.match(http_method::get, std::string("/v1/modules/") + segment);
    BOOST_TEST((m.what == match_result::malformed), segment);
    BOOST_TEST(m.captures == 0u);
  }
  const std::string fits = "/v1/modules/%41" + std::string(router::captured_bytes_max - 1, 'a');
  BOOST_TEST(r.match(http_method::get, fits).captured(0).size() == router::captured_bytes_max);
  BOOST_TEST((r.match(http_method::get, fits + "a").what == match_result::malformed));
}

BOOST_AUTO_TEST_CASE(what_is_not_found) {
  const auto r = make();
  for (const char* path :
       {"", "v1/modules", "/v1", "/v1/modules/", "/v1//modules", "//", "/V1/modules",
        "/v1/modules/a/heatmap/b", "/v1/modules/a/b", "*", "/v1/heartbeats/", "/1/2/3/4/5/6/7/8/9"})
    BOOST_TEST((r.match(http_method::get, path).what == match_result::not_found), path);
}

BOOST_AUTO_TEST_CASE(other_methods_are_told_what_is_allowed) {
  const auto r = make();
  const auto m = r.match(http_method::post, "/v1/modules/a");
  BOOST_TEST((m.what == match_result::method_not_allowed));
  BOOST_TEST(m.allow == "GET, HEAD, PUT, DELETE");
  const auto other = r.match(http_method::other, "/v1/heartbeats");
  BOOST_TEST((other.what == match_result::method_not_allowed));
  BOOST_TEST(other.allow == "POST");
  BOOST_TEST(
      (r.match(http_method::head, "/v1/heartbeats").what == match_result::method_not_allowed));
}

BOOST_AUTO_TEST_CASE(head_is_served_by_get_unless_it_has_its_own) {
  auto r = make();
  BOOST_TEST(r.match(http_method::head, "/v1/modules").id == 3u);
  r.add(http_method::head, "/v1/modules", 33);
  BOOST_TEST(r.match(http_method::head, "/v1/modules").id == 33u);
}

BOOST_AUTO_TEST_CASE(bad_patterns_are_refused) {
  auto r = make();
  for (const char* pattern :
       {"", "x", "/a//b", "/a/", "/{", "/{}", "/{a", "/{1}/{2}/{3}/{4}/{5}", "/1/2/3/4/5/6/7/8/9"})
    BOOST_CHECK_THROW(r.add(http_method::get, pattern, 1), std::invalid_argument);
  BOOST_CHECK_THROW(r.add(http_method::get, "/v1/modules/{other_name}", 1), std::invalid_argument);
  BOOST_CHECK_THROW(r.add(http_method::other, "/b", 1), std::invalid_argument);
}

BOOST_AUTO_TEST_SUITE_END()
