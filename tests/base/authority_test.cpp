#include "base/authority.hpp"

#include <boost/test/unit_test.hpp>
#include <string>

using namespace watchkeeper;

namespace {

struct sample {
  std::string_view text;
  std::string_view host;
  bool in_brackets;
  int port;  // -1: none
};

constexpr sample good[] = {
    {"localhost", "localhost", false, -1},
    {"watch.example.org:443", "watch.example.org", false, 443},
    {"127.0.0.1:0", "127.0.0.1", false, 0},
    {"a:65535", "a", false, 65'535},
    {"[::1]", "::1", true, -1},
    {"[2001:db8::7]:8443", "2001:db8::7", true, 8443},
    {"[::ffff:127.0.0.1]:00080", "::ffff:127.0.0.1", true, 80},
};

struct bad_sample {
  std::string_view text;
  authority_error what;
};

constexpr bad_sample bad[] = {
    {"", authority_error::no_host},
    {":443", authority_error::no_host},
    {"[]:443", authority_error::no_host},
    {"[::1", authority_error::no_closing_bracket},
    {"[", authority_error::no_closing_bracket},
    {"[::1]8443", authority_error::text_after_bracket},
    {"[::1] :1", authority_error::text_after_bracket},
    {"::1", authority_error::no_brackets},
    {"fe80::1:443", authority_error::no_brackets},
    {"host:1:2", authority_error::no_brackets},
    {"host:", authority_error::bad_port},
    {"[::1]:", authority_error::bad_port},
    {"host:65536", authority_error::bad_port},
    {"host:-1", authority_error::bad_port},
    {"host:+1", authority_error::bad_port},
    {"host: 1", authority_error::bad_port},
    {"host:1 ", authority_error::bad_port},
    {"host:0x50", authority_error::bad_port},
};

}  // namespace

BOOST_AUTO_TEST_SUITE(authority_test)

BOOST_AUTO_TEST_CASE(hosts_and_ports) {
  for (const auto& each : good) {
    const auto found = parse_authority(each.text);
    BOOST_REQUIRE_MESSAGE(found.has_value(), each.text);
    BOOST_TEST(found->host == each.host);
    BOOST_TEST(found->in_brackets == each.in_brackets);
    BOOST_TEST((found->port ? int{*found->port} : -1) == each.port, each.text);
  }
}

BOOST_AUTO_TEST_CASE(what_is_wrong_is_named) {
  for (const auto& each : bad) {
    const auto found = parse_authority(each.text);
    BOOST_REQUIRE_MESSAGE(!found.has_value(), each.text);
    BOOST_CHECK_MESSAGE(found.error() == each.what, each.text << " " << describe(found.error()));
    BOOST_TEST(!describe(each.what).empty());
  }
}

BOOST_AUTO_TEST_SUITE_END()
