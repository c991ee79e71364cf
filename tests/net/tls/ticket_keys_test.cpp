#include <boost/test/unit_test.hpp>
#include <memory>
#include <string>

#include "base/owned.hpp"
#include "net/server.hpp"
#include "net/tls/ticket_keys.hpp"
#include "tests/net/certificate.hpp"
#include "tests/net/raw_client.hpp"
#include "tests/net/test_server.hpp"

using namespace watchkeeper::net;
using namespace watchkeeper::net::test;

namespace {

using session = watchkeeper::owned<SSL_SESSION, SSL_SESSION_free>;

server_options options_of(const tls_files& files, ticket_key_list keys) {
  server_options options;
  options.tls_listen = "127.0.0.1:0";
  options.tls = files;
  options.tls.ticket_keys = std::move(keys);
  return options;
}

struct outcome {
  session ticket{};
  bool resumed = false;
};

/// One connection that asks one thing; the ticket that came with the response.
outcome visit(test_server& to, SSL_SESSION* with = nullptr, int version = 0) {
  auto client =
      raw_client::connect_tls(to.running.tls_port(), {.version_max = version, .resume = with});
  BOOST_REQUIRE(client.established());
  client.greet();
  client.request(1, "GET", "/echo", true);
  BOOST_TEST(client.read_response(1).status() == "200");
  outcome result;
  result.resumed = SSL_session_reused(client.ssl()) == 1;
  result.ticket.reset(SSL_get1_session(client.ssl()));
  return result;
}

std::string ticket_in(const SSL_SESSION* session) {
  const unsigned char* bytes = nullptr;
  std::size_t size = 0;
  SSL_SESSION_get0_ticket(session, &bytes, &size);
  return {reinterpret_cast<const char*>(bytes), size};
}

std::string name_of_key_in(const SSL_SESSION* ticket) {
  const unsigned char* bytes = nullptr;
  std::size_t size = 0;
  SSL_SESSION_get0_ticket(ticket, &bytes, &size);
  return size < 16 ? "" : std::string(reinterpret_cast<const char*>(bytes), 16);
}

std::string name_of(const ticket_key& key) {
  return {reinterpret_cast<const char*>(key.name.data()), key.name.size()};
}

std::string line_of(char digit) {
  return std::string(160, digit) + '\n';
}

struct two_servers {
  temporary_directory directory;
  tls_files files = make_certificate(directory, "one");
  ticket_key old_key = random_ticket_key();
  ticket_key new_key = random_ticket_key();
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(ticket_keys_test, two_servers)

BOOST_AUTO_TEST_CASE(each_visit_brings_the_ticket_for_the_next) {
  const ticket_key_list keys{new_key};
  test_server s(options_of(files, keys));
  auto ticket = visit(s).ticket;
  for (int i = 0; i < 4; ++i) {
    auto next = visit(s, ticket.get());
    BOOST_TEST(next.resumed);
    // Browsers throw away the one that they have used.
    BOOST_TEST(ticket_in(next.ticket.get()) != ticket_in(ticket.get()));
    ticket = std::move(next.ticket);
  }
}

BOOST_AUTO_TEST_CASE(a_session_is_resumed_at_another_gateway_with_the_key) {
  test_server one(options_of(files, {old_key}));
  test_server two(options_of(files, {old_key}));
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    const auto first = visit(one, nullptr, version);
    BOOST_TEST(!first.resumed);
    BOOST_TEST(name_of_key_in(first.ticket.get()) == name_of(old_key));
    BOOST_TEST(visit(two, first.ticket.get(), version).resumed);
  }
  BOOST_TEST(eventually(two.running, [](const auto& n) { return n.handshakes_resumed == 2u; }));
}

BOOST_AUTO_TEST_CASE(without_the_key_it_is_a_full_handshake) {
  test_server one(options_of(files, {old_key}));
  test_server two(options_of(files, {new_key}));
  test_server alone(options_of(files, {}));
  const auto first = visit(one);
  BOOST_TEST(!visit(two, first.ticket.get()).resumed);
  BOOST_TEST(!visit(alone, first.ticket.get()).resumed);
  const auto own = visit(alone);
  BOOST_TEST(visit(alone, own.ticket.get()).resumed);
}

BOOST_AUTO_TEST_CASE(a_rotated_key_opens_and_the_newest_seals) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    test_server s(options_of(files, {old_key}));
    const auto before = visit(s, nullptr, version);
    auto rotated = files;
    rotated.ticket_keys = {new_key, old_key};
    BOOST_TEST(s.running.reload_tls(rotated).has_value());
    const auto after = visit(s, before.ticket.get(), version);
    BOOST_TEST(after.resumed);
    BOOST_TEST(name_of_key_in(after.ticket.get()) == name_of(new_key));
    rotated.ticket_keys = {new_key};
    BOOST_TEST(s.running.reload_tls(rotated).has_value());
    BOOST_TEST(!visit(s, before.ticket.get(), version).resumed);
    BOOST_TEST(visit(s, after.ticket.get(), version).resumed);
  }
}

BOOST_AUTO_TEST_CASE(connections_outlive_the_keys_that_they_began_with) {
  test_server s(options_of(files, {old_key}));
  auto client = raw_client::connect_tls(s.running.tls_port(), {});
  auto rotated = files;
  rotated.ticket_keys = {new_key};
  for (int i = 0; i < 3; ++i) BOOST_TEST(s.running.reload_tls(rotated).has_value());
  client.greet();
  client.request(1, "GET", "/echo", true);
  BOOST_TEST(client.read_response(1).status() == "200");
}

BOOST_AUTO_TEST_CASE(a_ticket_that_was_tampered_with_is_a_full_handshake) {
  test_server s(options_of(files, {old_key}));
  const auto good = visit(s);
  auto forged = old_key;  // the name is right, the rest is not
  forged.mac[0] ^= 1;
  test_server forger(options_of(files, {forged}));
  const auto bad = visit(forger);
  BOOST_TEST(name_of_key_in(bad.ticket.get()) == name_of(old_key));
  BOOST_TEST(!visit(s, bad.ticket.get()).resumed);
  BOOST_TEST(visit(s, good.ticket.get()).resumed);
}

BOOST_AUTO_TEST_CASE(the_file) {
  const auto keys = parse_ticket_keys("# newest\n" + line_of('a') + "\r\n\n" + line_of('B'));
  BOOST_REQUIRE(keys.has_value());
  BOOST_REQUIRE(keys->size() == 2u);
  BOOST_TEST(keys->front().name[15] == 0xaa);
  BOOST_TEST(keys->front().mac[31] == 0xaa);
  BOOST_TEST(keys->back().seal[31] == 0xbb);
  BOOST_TEST(parse_ticket_keys(std::string(160, 'a')).has_value());  // no line feed
  const auto reason = [](const std::string& text) {
    const auto found = parse_ticket_keys(text);
    return found ? std::string() : found.error();
  };
  BOOST_TEST(reason("") == "it holds no key");
  BOOST_TEST(reason("# only this\n") == "it holds no key");
  BOOST_TEST(reason(line_of('g')) == "its line 1 is not 160 hexadecimal digits");
  BOOST_TEST(reason("#\n" + std::string(159, 'a')) == "its line 2 is not 160 hexadecimal digits");
  BOOST_TEST(reason(std::string(161, 'a')) == "its line 1 is not 160 hexadecimal digits");
  BOOST_TEST(reason(line_of('a') + line_of('a')) == "its line 2 has the name of another key");
  std::string many;
  for (char digit : std::string("01234567")) many += line_of(digit);
  BOOST_TEST(reason(many) == "");
  BOOST_TEST(reason(many + line_of('8')) == "its line 9 is one key more than 8");
}

BOOST_AUTO_TEST_SUITE_END()
