#include <array>

#include "crypto/es256.hpp"
#include "domain/limits.hpp"
#include "server/config/keys.hpp"
#include "server/config/text_checks.hpp"

namespace watchkeeper::server {
namespace {

using settings = configuration;
using text = std::string&;
using integer = std::int64_t&;
using list = std::vector<std::string>&;

// A session's replay window must outlive every token that may still be credited, and a burst must
// admit one full request (docs/protocol.md, sections 3 and 5).
constexpr std::int64_t age_s_max = limits::session_ttl_ms / 1000 - 1;
constexpr std::int64_t interval_ms_max = limits::bucket_capacity_us / 1000;
constexpr std::int64_t burst_min = limits::tokens_per_request_max;

constexpr std::string_view listen_form = "address:port, [IPv6]:port, or empty for none";

constexpr auto table = std::to_array<key_description>({
    {.path = "listen",
     .member = [](settings& s) -> text { return s.listen; },
     .help = "Address of the HTTP/2 listener over TLS.",
     .check = check_listen_address,
     .form = listen_form},
    {.path = "h2c_listen",
     .member = [](settings& s) -> text { return s.h2c_listen; },
     .help = "Address of a cleartext HTTP/2 listener, for use behind a balancer that ends TLS.",
     .check = check_listen_address,
     .form = listen_form},
    {.path = "data_dir",
     .member = [](settings& s) -> text { return s.data_dir; },
     .help = "Directory of the embedded stores and of the self-signed certificate.",
     .check = check_not_empty,
     .form = "a directory"},
    {.path = "io_threads",
     .member = [](settings& s) -> integer { return s.io_threads; },
     .help = "Threads for sockets, TLS and HTTP/2; 0 takes half the cores.",
     .minimum = 0,
     .maximum = 256},
    {.path = "worker_threads",
     .member = [](settings& s) -> integer { return s.worker_threads; },
     .help = "Threads for the actors; 0 takes one a core.",
     .minimum = 0,
     .maximum = 256},
    {.path = "shards",
     .member = [](settings& s) -> integer { return s.shards; },
     .help = "Progress shards; 0 takes two a worker thread.",
     .minimum = 0,
     .maximum = limits::partitions},
    {.path = "drain_timeout_s",
     .member = [](settings& s) -> integer { return s.drain_timeout_s; },
     .help = "Seconds that a stop may take to answer what is in flight and to write everything.",
     .minimum = 1,
     .maximum = 600},

    {.path = "tls.certificate",
     .member = [](settings& s) -> text { return s.tls.certificate; },
     .help = "PEM file of the certificate and its chain; empty makes a self-signed one.",
     .form = "a file, or empty"},
    {.path = "tls.key",
     .member = [](settings& s) -> text { return s.tls.key; },
     .help = "PEM file of the certificate's private key.",
     .form = "a file, or empty"},
    {.path = "tls.ticket_keys",
     .member = [](settings& s) -> text { return s.tls.ticket_keys; },
     .help = "Keys of TLS session tickets, shared by the gateways of a deployment; empty makes one "
             "a process.",
     .form = "a file, or empty"},

    {.path = "store.hot",
     .member = [](settings& s) -> text { return s.store.hot; },
     .help = "Where credit is made durable before a device is answered.",
     .check = check_hot_store,
     .form = "embedded, redis://[user:password@]host[:port][/db] or redis+unix:///path[?db=N]",
     .may_hold_secret = true},
    {.path = "store.ledger",
     .member = [](settings& s) -> text { return s.store.ledger; },
     .help = "The system of record; a relative SQLite file lies in data_dir.",
     .check = check_ledger,
     .form = "sqlite:FILE or postgresql://[user[:password]@]host[:port]/database",
     .may_hold_secret = true},
    {.path = "store.checkpoint_interval_s",
     .member = [](settings& s) -> integer { return s.store.checkpoint_interval_s; },
     .help = "Seconds between two checkpoints of changed progress to the ledger.",
     .minimum = 1,
     .maximum = 3600},
    {.path = "store.require_durability",
     .member = [](settings& s) -> text { return s.store.require_durability; },
     .help = "What an acknowledgement must at least be worth; the gateway does not start below it.",
     .choices = "fsync|log|memory"},

    {.path = "policy.max_age_s",
     .member = [](settings& s) -> integer { return s.policy.max_age_s; },
     .help = "How old a heartbeat may be by the server's clock.",
     .minimum = 1,
     .maximum = age_s_max},
    {.path = "policy.max_skew_s",
     .member = [](settings& s) -> integer { return s.policy.max_skew_s; },
     .help = "How far a device's clock may be ahead of the server's.",
     .minimum = 0,
     .maximum = age_s_max},
    {.path = "policy.max_interval_ms",
     .member = [](settings& s) -> integer { return s.policy.max_interval_ms; },
     .help = "The longest interval of media that one heartbeat may report.",
     .minimum = 1000,
     .maximum = interval_ms_max},
    {.path = "policy.require_assignment",
     .member = [](settings& s) -> bool& { return s.policy.require_assignment; },
     .help = "Whether a student earns progress in assigned modules only."},
    {.path = "policy.signature",
     .member = [](settings& s) -> text { return s.policy.signature; },
     .help = "Whether each heartbeat needs a device signature, or the first of a session only.",
     .choices = "session|every"},

    {.path = "limits.connections_max",
     .member = [](settings& s) -> integer { return s.limits.connections_max; },
     .help = "Open connections in all; a further one is closed at once.",
     .minimum = 1,
     .maximum = 1'000'000},
    {.path = "limits.connections_per_address_max",
     .member = [](settings& s) -> integer { return s.limits.connections_per_address_max; },
     .help =
         "Open connections from one address (IPv6: one /64); a whole school may sit behind one.",
     .minimum = 1,
     .maximum = 1'000'000},
    {.path = "limits.concurrent_streams_max",
     .member = [](settings& s) -> integer { return s.limits.concurrent_streams_max; },
     .help = "Requests that one connection may have open at a time.",
     .minimum = 1,
     .maximum = 1024},
    {.path = "limits.idle_timeout_s",
     .member = [](settings& s) -> integer { return s.limits.idle_timeout_s; },
     .help = "Seconds after which a connection without a request is closed, and a heartbeat stream "
             "on which nothing comes is ended.",
     .minimum = 5,
     .maximum = 86'400},

    {.path = "rate.device_per_s",
     .member = [](settings& s) -> integer { return s.rate.device_per_s; },
     .help = "Verified heartbeats that a device may send a second, in the long run.",
     .minimum = 1,
     .maximum = 100'000},
    {.path = "rate.device_burst",
     .member = [](settings& s) -> integer { return s.rate.device_burst; },
     .help = "Verified heartbeats that a device may send at once.",
     .minimum = burst_min,
     .maximum = 1'000'000},
    {.path = "rate.address_failures_per_s",
     .member = [](settings& s) -> integer { return s.rate.address_failures_per_s; },
     .help = "Tokens that fail to verify that an address (IPv6: a /64) may send a second, in the "
             "long run.",
     .minimum = 1,
     .maximum = 100'000},
    {.path = "rate.address_failures_burst",
     .member = [](settings& s) -> integer { return s.rate.address_failures_burst; },
     .help = "Tokens that fail to verify that an address (IPv6: a /64) may send at once.",
     .minimum = burst_min,
     .maximum = 1'000'000},
    {.path = "rate.address_punished_per_s",
     .member = [](settings& s) -> integer { return s.rate.address_punished_per_s; },
     .help = "Connections of an address (IPv6: a /64) that may be ended for abuse of HTTP/2 a "
             "second, in the long run; beyond that its new connections are closed at once.",
     .minimum = 1,
     .maximum = 100'000},
    {.path = "rate.address_punished_burst",
     .member = [](settings& s) -> integer { return s.rate.address_punished_burst; },
     .help = "Connections of an address (IPv6: a /64) that may be ended for abuse at once.",
     .minimum = burst_min,
     .maximum = 1'000'000},

    {.path = "session_keys.file",
     .member = [](settings& s) -> text { return s.session_keys.file; },
     .help = "Private keys for session keys, shared by the gateways of a deployment; empty makes "
             "session-keys.json in data_dir.",
     .form = "a JWK set or PEM file, or empty"},

    {.path = "crypto.p256",
     .member = [](settings& s) -> text { return s.crypto.p256; },
     .help = "What verifies ES256: auto takes the own arithmetic where the processor has BMI2 and "
             "ADX and its self test passes, else OpenSSL.",
     .choices = "auto|openssl"},
    {.path = "crypto.p256_tables",
     .member = [](settings& s) -> integer { return s.crypto.p256_tables; },
     .help = "Device keys of which the own arithmetic keeps multiples, for cheaper verification; "
             "2.3 KB each, made at a key's second signature.",
     .minimum = 0,
     .maximum = crypto::es256::tables_max},

    {.path = "cors.origins",
     .member = [](settings& s) -> list { return s.cors.origins; },
     .help = "Web origins whose pages may send heartbeats and read progress; none: no CORS.",
     .check = check_origin,
     .form = "a list of https://host[:port], or of * alone"},
    {.path = "cors.max_age_s",
     .member = [](settings& s) -> integer { return s.cors.max_age_s; },
     .help = "Seconds that a browser may keep the answer to a preflight.",
     .minimum = 0,
     .maximum = 86'400},

    {.path = "console.session_hours",
     .member = [](settings& s) -> integer { return s.console.session_hours; },
     .help = "Hours after which who signed in to the console has to do so again.",
     .minimum = 1,
     .maximum = 720},

    {.path = "log.level",
     .member = [](settings& s) -> text { return s.log.level; },
     .help = "The least important events that are logged.",
     .choices = "debug|info|warning|error"},
    {.path = "log.file",
     .member = [](settings& s) -> text { return s.log.file; },
     .help = "File that log lines are appended to; empty is standard error.",
     .form = "a file, or empty"},

    {.path = "events.source",
     .member = [](settings& s) -> text { return s.events.source; },
     .help = "The CloudEvents `source` of completion events: a URI that names the deployment.",
     .check = check_uri_reference,
     .form = "a URI"},
});

static_assert(age_s_max > 900, "the default max_age_s must be allowed");

}  // namespace

std::span<const key_description> all_keys() noexcept {
  return table;
}

}  // namespace watchkeeper::server
