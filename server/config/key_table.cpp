#include <array>

#include "crypto/es256.hpp"
#include "domain/limits.hpp"
#include "server/config/keys.hpp"
#include "server/config/text_checks.hpp"
#include "storage/limits.hpp"

namespace watchkeeper::server {
namespace {

using settings = configuration;
using text = std::string&;
using integer = std::int64_t&;
using list = std::vector<std::string>&;

// A session's replay window must outlive every token that may still be credited, and a burst must
// admit one full request (docs/protocol.md, sections 3 and 5).
constexpr std::int64_t age_s_max = storage_limits::session_ttl_ms / 1000 - 1;
constexpr std::int64_t interval_ms_max = limits::bucket_capacity_us / 1000;
constexpr std::int64_t hot_retention_s_max = 10LL * 366 * 86'400;
constexpr std::int64_t burst_min = limits::tokens_per_request_max;

constexpr std::string_view listen_form = "address:port, [IPv6]:port, or empty for none";

constexpr auto table = std::to_array<key_description>({
    {.path = "listen",
     .member = [](settings& s) -> text { return s.listen; },
     .help = "Address of the HTTP/2 listener with TLS.",
     .check = check_listen_address,
     .form = listen_form},
    {.path = "h2c_listen",
     .member = [](settings& s) -> text { return s.h2c_listen; },
     .help = "Address of the cleartext HTTP/2 listener, for use behind a load balancer that "
             "terminates TLS.",
     .check = check_listen_address,
     .form = listen_form},
    {.path = "data_dir",
     .member = [](settings& s) -> text { return s.data_dir; },
     .help =
         "Directory of the embedded stores, the log of erasures, and the keys and the certificate "
         "that the gateway makes; no other gateway may use it.",
     .check = check_not_empty,
     .form = "a directory"},
    {.path = "io_threads",
     .member = [](settings& s) -> integer { return s.io_threads; },
     .help = "Threads for sockets, TLS and HTTP/2; 0 means half the number of cores.",
     .minimum = 0,
     .maximum = 256},
    {.path = "worker_threads",
     .member = [](settings& s) -> integer { return s.worker_threads; },
     .help = "Threads for the actors; 0 means one per core.",
     .minimum = 0,
     .maximum = 256},
    {.path = "shards",
     .member = [](settings& s) -> integer { return s.shards; },
     .help = "Progress shards; 0 means two per worker thread.",
     .minimum = 0,
     .maximum = limits::partitions},
    {.path = "drain_timeout_s",
     .member = [](settings& s) -> integer { return s.drain_timeout_s; },
     .help =
         "Seconds that a shutdown may take to finish requests in flight and to write all progress.",
     .minimum = 1,
     .maximum = 600},

    {.path = "tls.certificate",
     .member = [](settings& s) -> text { return s.tls.certificate; },
     .help = "PEM file with the certificate and its chain; if empty, the gateway creates a "
             "self-signed certificate.",
     .form = "a file, or empty"},
    {.path = "tls.key",
     .member = [](settings& s) -> text { return s.tls.key; },
     .help = "PEM file with the certificate's private key.",
     .form = "a file, or empty"},
    {.path = "tls.ticket_keys",
     .member = [](settings& s) -> text { return s.tls.ticket_keys; },
     .help = "File with the keys for TLS resumption tickets, shared by all gateways of a "
             "deployment; if empty, each process creates its own.",
     .form = "a file, or empty"},

    {.path = "store.hot",
     .member = [](settings& s) -> text { return s.store.hot; },
     .help = "The hot store, where credit is made durable before the device gets its response.",
     .check = check_hot_store,
     .form = "embedded, redis://[user:password@]host[:port][/db] or "
             "redis+unix://[user:password@]/path[?db=N]",
     .may_hold_secret = true},
    {.path = "store.ledger",
     .member = [](settings& s) -> text { return s.store.ledger; },
     .help = "The system of record; a relative SQLite path is relative to data_dir.",
     .check = check_ledger,
     .form = "sqlite:FILE, or a libpq URL: "
             "postgresql://[user[:password]@][host[:port]]/database[?option=value]",
     .may_hold_secret = true},
    {.path = "store.checkpoint_interval_s",
     .member = [](settings& s) -> integer { return s.store.checkpoint_interval_s; },
     .help = "Seconds between two checkpoints, which write changed progress to the ledger.",
     .minimum = 1,
     .maximum = 3600},
    {.path = "store.hot_retention_s",
     .member = [](settings& s) -> integer { return s.store.hot_retention_s; },
     .help =
         "Seconds without credit after which a pair that is in the ledger leaves the hot store. "
         "Longer than the oldest backup of the ledger that would be restored.",
     .minimum = 1,
     .maximum = hot_retention_s_max},
    {.path = "store.require_durability",
     .member = [](settings& s) -> text { return s.store.require_durability; },
     .help = "The least durability of an acknowledgement; the gateway does not start if the hot "
             "store offers less, and becomes degraded if that happens later.",
     .choices = "fsync|log|memory"},

    {.path = "policy.max_age_s",
     .member = [](settings& s) -> integer { return s.policy.max_age_s; },
     .help = "The greatest age of a heartbeat, in seconds, by the gateway's clock.",
     .minimum = 1,
     .maximum = age_s_max},
    {.path = "policy.max_skew_s",
     .member = [](settings& s) -> integer { return s.policy.max_skew_s; },
     .help = "How many seconds a device's clock may be ahead of the gateway's.",
     .minimum = 0,
     .maximum = age_s_max},
    {.path = "policy.max_interval_ms",
     .member = [](settings& s) -> integer { return s.policy.max_interval_ms; },
     .help =
         "The longest interval of media that one heartbeat may report. The SDKs report 10,000 ms, "
         "and up to 30,000 ms after an outage.",
     .minimum = 1000,
     .maximum = interval_ms_max},
    {.path = "policy.require_assignment",
     .member = [](settings& s) -> bool& { return s.policy.require_assignment; },
     .help = "Whether students earn progress only in modules that are assigned to them."},
    {.path = "policy.signature",
     .member = [](settings& s) -> text { return s.policy.signature; },
     .help = "Which heartbeats need a device signature: every one, or only the first of a session.",
     .choices = "session|every"},

    {.path = "privacy.erasure_log_days",
     .member = [](settings& s) -> integer { return s.privacy.erasure_log_days; },
     .help = "Days for which the file erasures in data_dir keeps the id of an erased student, so "
             "that a restored ledger is given the erasure again; longer than backups are kept.",
     .minimum = 1,
     .maximum = 3650},

    {.path = "limits.connections_max",
     .member = [](settings& s) -> integer { return s.limits.connections_max; },
     .help = "Open connections in total; further ones are closed at once.",
     .minimum = 1,
     .maximum = 1'000'000},
    {.path = "limits.connections_per_address_max",
     .member = [](settings& s) -> integer { return s.limits.connections_per_address_max; },
     .help = "Open connections per address (IPv6: per /64); a whole school may share one address.",
     .minimum = 1,
     .maximum = 1'000'000},
    {.path = "limits.concurrent_streams_max",
     .member = [](settings& s) -> integer { return s.limits.concurrent_streams_max; },
     .help = "Requests that a connection may have open at the same time.",
     .minimum = 1,
     .maximum = 1024},
    {.path = "limits.idle_timeout_s",
     .member = [](settings& s) -> integer { return s.limits.idle_timeout_s; },
     .help = "Seconds after which the gateway closes a connection without requests, or ends a "
             "heartbeat stream without data.",
     .minimum = 5,
     .maximum = 86'400},

    {.path = "rate.device_per_s",
     .member = [](settings& s) -> integer { return s.rate.device_per_s; },
     .help = "Verified heartbeats per second that a device may send in the long run.",
     .minimum = 1,
     .maximum = 100'000},
    {.path = "rate.device_burst",
     .member = [](settings& s) -> integer { return s.rate.device_burst; },
     .help = "Verified heartbeats that a device may send in one burst.",
     .minimum = burst_min,
     .maximum = 1'000'000},
    {.path = "rate.address_failures_per_s",
     .member = [](settings& s) -> integer { return s.rate.address_failures_per_s; },
     .help = "How many tokens per second that fail verification an address (IPv6: a /64) may send "
             "in the long run.",
     .minimum = 1,
     .maximum = 100'000},
    {.path = "rate.address_failures_burst",
     .member = [](settings& s) -> integer { return s.rate.address_failures_burst; },
     .help =
         "How many tokens that fail verification an address (IPv6: a /64) may send in one burst.",
     .minimum = burst_min,
     .maximum = 1'000'000},
    {.path = "rate.address_punished_per_s",
     .member = [](settings& s) -> integer { return s.rate.address_punished_per_s; },
     .help = "How many connections per second of an address (IPv6: a /64) the gateway may end for "
             "abuse, in the long run, before it closes new ones from that address at once.",
     .minimum = 1,
     .maximum = 100'000},
    {.path = "rate.address_punished_burst",
     .member = [](settings& s) -> integer { return s.rate.address_punished_burst; },
     .help = "How many connections of an address (IPv6: a /64) the gateway may end for abuse, in "
             "one burst, before it closes new ones from that address at once.",
     .minimum = burst_min,
     .maximum = 1'000'000},

    {.path = "session_keys.file",
     .member = [](settings& s) -> text { return s.session_keys.file; },
     .help = "Private keys from which session keys are derived, shared by all gateways of a "
             "deployment; if empty, the gateway creates session-keys.json in data_dir.",
     .form = "a JWK set or PEM file, or empty"},

    {.path = "crypto.p256",
     .member = [](settings& s) -> text { return s.crypto.p256; },
     .help = "Which code verifies ES256: auto uses the built-in implementation if the processor "
             "has BMI2 and ADX and the self-test passes, and OpenSSL otherwise.",
     .choices = "auto|openssl"},
    {.path = "crypto.p256_tables",
     .member = [](settings& s) -> integer { return s.crypto.p256_tables; },
     .help = "Device keys for which the built-in implementation keeps a table of multiples, which "
             "speeds up verification; 2.3 KB each, made at a key's second signature.",
     .minimum = 0,
     .maximum = crypto::es256::tables_max},

    {.path = "cors.origins",
     .member = [](settings& s) -> list { return s.cors.origins; },
     .help = "Web origins whose pages may send heartbeats and read progress; an empty list turns "
             "CORS off.",
     .check = check_origin,
     .form = "a list of https://host[:port] or http://host[:port], or of * alone"},
    {.path = "cors.max_age_s",
     .member = [](settings& s) -> integer { return s.cors.max_age_s; },
     .help = "Seconds that a browser may cache the response to a preflight request.",
     .minimum = 0,
     .maximum = 86'400},

    {.path = "console.login_hours",
     .member = [](settings& s) -> integer { return s.console.login_hours; },
     .help = "Hours until a login to the console expires.",
     .minimum = 1,
     .maximum = 720},

    {.path = "log.level",
     .member = [](settings& s) -> text { return s.log.level; },
     .help = "The lowest level that is logged.",
     .choices = "debug|info|warning|error"},
    {.path = "log.file",
     .member = [](settings& s) -> text { return s.log.file; },
     .help = "File to which log lines are appended; empty means standard error.",
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
