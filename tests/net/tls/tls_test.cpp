#include <sys/socket.h>

#include <boost/test/unit_test.hpp>
#include <ctime>
#include <fstream>
#include <memory>

#include "base/owned.hpp"
#include "net/server.hpp"
#include "net/shared/bounds.hpp"
#include "tests/net/certificate.hpp"
#include "tests/net/raw_client.hpp"
#include "tests/net/test_server.hpp"

using namespace watchkeeper::net;
using namespace watchkeeper::net::test;

namespace {

struct tls_fixture {
  temporary_directory directory;
  tls_files files = make_certificate(directory, "one");
  test_server s{[&] {
    server_options options;
    options.tls_listen = "127.0.0.1:0";
    options.tls = files;
    return options;
  }()};

  raw_client connect(const raw_client::tls_settings& settings = {}) {
    return raw_client::connect_tls(s.running.tls_port(), settings);
  }
};

std::string name_in(raw_client& client) {
  const watchkeeper::owned<X509, X509_free> certificate(SSL_get1_peer_certificate(client.ssl()));
  char name[64] = "";
  X509_NAME_get_text_by_NID(X509_get_subject_name(certificate.get()), NID_commonName, name,
                            sizeof name);
  return name;
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(tls_test, tls_fixture)

BOOST_AUTO_TEST_CASE(requests_over_both_versions) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    auto client = connect({.version_max = version});
    BOOST_REQUIRE(client.established());
    BOOST_TEST(SSL_version(client.ssl()) == version);
    client.greet();
    client.request(1, "POST", "/echo", false);
    client.send_data(1, "sealed", true);
    BOOST_TEST(client.read_response(1).body == "sealed");
    client.request(3, "GET", "/big", true);
    client.send_frame(NGHTTP2_WINDOW_UPDATE, 0, 0, be32(2 << 20));
    client.send_frame(NGHTTP2_WINDOW_UPDATE, 0, 3, be32(2 << 20));
    BOOST_TEST(client.read_response(3).body.size() == std::size_t{1 << 20});
  }
  BOOST_TEST(eventually(s.running, [](const auto& n) { return n.handshakes_full == 2u; }));
}

BOOST_AUTO_TEST_CASE(no_h2_no_connection) {
  const std::string http1 = "\x08http/1.1";
  for (const std::string& alpn : {std::string(), http1, std::string("\x02h3")}) {
    auto client = connect({.alpn = alpn});
    BOOST_TEST(!client.established());
    BOOST_TEST(client.handshake_error() == SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL);
  }
  BOOST_TEST(eventually(s.running, [](const auto& n) { return n.handshakes_failed == 3u; }));
  auto both = connect({.alpn = http1 + "\x02h2"});
  BOOST_TEST(both.established());
}

BOOST_AUTO_TEST_CASE(old_versions_are_refused) {
  auto client = connect({.version_max = TLS1_1_VERSION});
  BOOST_TEST(!client.established());
  BOOST_TEST(eventually(s.running, [](const auto& n) { return n.handshakes_failed == 1; }));
}

BOOST_AUTO_TEST_CASE(sessions_resume_also_after_a_reload) {
  watchkeeper::owned<SSL_SESSION, SSL_SESSION_free> ticket(nullptr);
  {
    auto client = connect();
    BOOST_REQUIRE(client.established());
    client.greet();
    client.request(1, "GET", "/echo", true);
    BOOST_TEST(client.read_response(1).status() == "200");  // the ticket has come with it
    ticket.reset(SSL_get1_session(client.ssl()));
  }
  BOOST_REQUIRE(SSL_SESSION_is_resumable(ticket.get()));
  BOOST_TEST(s.running.reload_tls(make_certificate(directory, "two")).has_value());
  auto again = connect({.resume = ticket.get()});
  BOOST_REQUIRE(again.established());
  BOOST_TEST(SSL_session_reused(again.ssl()) == 1);
  again.greet();
  again.request(1, "GET", "/echo", true);
  BOOST_TEST(again.read_response(1).status() == "200");
  BOOST_TEST(eventually(s.running, [](const auto& n) { return n.handshakes_resumed == 1u; }));
}

BOOST_AUTO_TEST_CASE(reload_changes_new_connections_only) {
  auto old = connect();
  BOOST_REQUIRE(old.established());
  BOOST_TEST(name_in(old) == "one");
  BOOST_TEST(s.running.reload_tls(make_certificate(directory, "two")).has_value());
  auto fresh = connect();
  BOOST_REQUIRE(fresh.established());
  BOOST_TEST(name_in(fresh) == "two");
  old.greet();
  old.request(1, "GET", "/echo", true);
  BOOST_TEST(old.read_response(1).status() == "200");
}

BOOST_AUTO_TEST_CASE(a_bad_reload_changes_nothing) {
  const auto other = make_certificate(directory, "other");
  const auto reason = s.running.reload_tls({files.certificate_path, other.key_path});
  BOOST_TEST(reason.error().find(other.key_path) != std::string::npos);
  BOOST_TEST(s.running.reload_tls({"/nonexistent", files.key_path}).error().find("/nonexistent") !=
             std::string::npos);
  std::ofstream(directory.path("garbage")) << "no certificate";
  BOOST_TEST(!s.running.reload_tls({directory.path("garbage"), files.key_path}).has_value());
  auto client = connect();
  BOOST_REQUIRE(client.established());
  BOOST_TEST(name_in(client) == "one");
}

BOOST_AUTO_TEST_CASE(garbage_instead_of_a_hello) {
  auto client = raw_client::connect_h2c(s.running.tls_port());
  client.send_bytes("GET / HTTP/1.1\r\n\r\n");
  while (client.read_frame()) {
  }
  s.advance(bounds::linger_ms + 1);
  BOOST_TEST(s.running.statistics().connections_open == 0u);
  BOOST_TEST(eventually(s.running, [](const auto& n) { return n.handshakes_failed == 1u; }));
}

BOOST_AUTO_TEST_CASE(half_a_record_is_waited_for) {
  auto client = connect();
  BOOST_REQUIRE(client.established());
  client.greet();
  client.request(1, "GET", "/echo", true);
  BOOST_TEST(client.read_response(1).status() == "200");
  const int fd = SSL_get_fd(client.ssl());
  const std::string half("\x17\x03\x03\x40\x00half", 9);
  BOOST_REQUIRE(::send(fd, half.data(), half.size(), MSG_NOSIGNAL) == 9);
  auto other = connect();
  other.greet();
  const auto before = std::clock();
  BOOST_TEST(other.read_response(1, 500).status() == "");  // nothing was asked
  BOOST_TEST(std::clock() - before < CLOCKS_PER_SEC / 5);  // nobody spins
  other.request(1, "GET", "/echo", true);
  BOOST_TEST(other.read_response(1).status() == "200");
}

BOOST_AUTO_TEST_CASE(a_large_number_of_handshakes_at_once) {
  std::vector<raw_client> clients;
  for (int i = 0; i < 50; ++i) clients.push_back(connect());
  for (auto& client : clients) {
    BOOST_REQUIRE(client.established());
    client.greet();
    client.request(1, "GET", "/echo", true);
  }
  for (auto& client : clients) BOOST_TEST(client.read_response(1).status() == "200");
}

BOOST_AUTO_TEST_SUITE_END()
