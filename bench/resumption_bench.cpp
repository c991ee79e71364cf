// CPU time of the server's side of a TLS handshake: full, and resumed by a ticket.
#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/units.hpp"
#include "net/tls/context.hpp"
#include "server/keys/self_signed_certificate.hpp"

namespace {

using namespace watchkeeper;

constexpr int handshakes = 500;  // of a round
constexpr int rounds = 9;

double thread_us() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

struct freed {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  void operator()(SSL_SESSION* session) const { SSL_SESSION_free(session); }
};
template <class T>
using owned = std::unique_ptr<T, freed>;

struct measured {
  double server_us = 0;
  bool resumed = false;
  owned<SSL_SESSION> ticket;
};

/// Both ends in this thread, a pipe of memory between them; only the server's calls are timed.
measured shake_hands(SSL_CTX* server_context, SSL_CTX* client_context, SSL_SESSION* with) {
  measured result;
  const owned<SSL> client(SSL_new(client_context));
  BIO* near = nullptr;
  BIO* far = nullptr;
  if (!client || BIO_new_bio_pair(&near, 0, &far, 0) != 1) throw std::runtime_error("no memory");
  SSL_set_bio(client.get(), near, near);
  SSL_set_connect_state(client.get());
  if (with != nullptr) SSL_set_session(client.get(), with);

  const auto begun = thread_us();
  owned<SSL> server(SSL_new(server_context));
  if (!server) throw std::runtime_error("no memory");
  SSL_set_bio(server.get(), far, far);
  SSL_set_accept_state(server.get());
  result.server_us += thread_us() - begun;

  for (int step = 0; step < 20; ++step) {
    const int here = SSL_do_handshake(client.get());
    const auto from = thread_us();
    const int there = SSL_do_handshake(server.get());
    result.server_us += thread_us() - from;
    if (here == 1 && there == 1) break;
  }
  char byte = 'x';
  if (SSL_write(server.get(), &byte, 1) != 1 || SSL_read(client.get(), &byte, 1) != 1)
    throw std::runtime_error("the handshake failed");
  result.resumed = SSL_session_reused(server.get()) == 1;
  result.ticket.reset(SSL_get1_session(client.get()));
  SSL_set_shutdown(client.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  const auto last = thread_us();
  server.reset();
  result.server_us += thread_us() - last;
  return result;
}

/// The best round: what disturbs only adds. Microseconds a handshake.
double best(SSL_CTX* server_context, SSL_CTX* client_context, SSL_SESSION* with) {
  double lowest = 1e9;
  for (int round = 0; round < rounds; ++round) {
    double sum = 0;
    for (int i = 0; i < handshakes; ++i) {
      const auto one = shake_hands(server_context, client_context, with);
      if (one.resumed != (with != nullptr)) throw std::runtime_error("not what was asked for");
      sum += one.server_us;
    }
    lowest = std::min(lowest, sum / handshakes);
  }
  return lowest;
}

}  // namespace

int main() try {
  char directory[] = "/tmp/resumption-bench-XXXXXX";
  if (::mkdtemp(directory) == nullptr) throw std::runtime_error("no directory");
  const struct removed {
    const char* path;
    ~removed() { std::filesystem::remove_all(path); }
  } at_the_end{directory};
  const auto now_ms = from_unix_s(::time(nullptr));
  const auto pair = server::make_self_signed_pair(directory, now_ms);
  if (!pair) throw std::runtime_error(pair.error());
  const auto keys = std::make_shared<const net::ticket_key_list>(1, net::random_ticket_key());
  const auto server_context = net::make_tls_context({pair->certificate_path, pair->key_path}, keys);
  const owned<SSL_CTX> client_context(SSL_CTX_new(TLS_client_method()));
  SSL_CTX_set_session_cache_mode(client_context.get(), SSL_SESS_CACHE_OFF);
  static constexpr unsigned char h2[] = {2, 'h', '2'};
  SSL_CTX_set_alpn_protos(client_context.get(), h2, sizeof h2);
  for (const auto& [name, version] :
       {std::pair{"TLS 1.3", TLS1_3_VERSION}, {"TLS 1.2", TLS1_2_VERSION}}) {
    SSL_CTX_set_max_proto_version(client_context.get(), version);
    const auto first = shake_hands(server_context.get(), client_context.get(), nullptr);
    const auto full = best(server_context.get(), client_context.get(), nullptr);
    const auto resumed = best(server_context.get(), client_context.get(), first.ticket.get());
    fmt::print("{}: full {:.0f} us, resumed {:.0f} us, ratio {:.2f}\n", name, full, resumed,
               resumed / full);
  }
  return 0;
} catch (const std::exception& error) {
  fmt::print(stderr, "resumption_bench: {}\n", error.what());
  return 1;
}
