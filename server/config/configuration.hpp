#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_lock.hpp"
#include "base/result.hpp"
#include "crypto/es256.hpp"
#include "storage/hot_store.hpp"
#include "storage/ledger.hpp"
#include "storage/storage_error.hpp"

namespace watchkeeper::server {

/// What a bearer token allows (docs/protocol.md, section 7).
enum class token_role : std::uint8_t { viewer, admin, operator_ };
std::string_view name_of(token_role role) noexcept;  // "viewer", "admin", "operator"

/// One [[token]]: the configuration has only the SHA-256 of the secret.
struct configured_token {
  std::string name;
  token_role role = token_role::viewer;
  std::string sha256;  // 64 lower-case hexadecimal digits
  friend bool operator==(const configured_token&, const configured_token&) = default;
};

/// One [[static]]: files that the gateway serves beside its API.
struct static_folder {
  std::string path;              // "/player/": where requests find it
  std::string folder;            // where it lies
  std::int64_t max_age_s = 300;  // how long a client may cache a file
  std::string immutable;         // "assets/": below it, names change with content; empty: nowhere
  std::string content_security_policy =
      "default-src 'self'; connect-src 'self' https:; img-src 'self' data: https:; "
      "media-src 'self' blob: https:; worker-src 'self' blob:; style-src 'self' 'unsafe-inline'; "
      "object-src 'none'; base-uri 'none'; frame-ancestors 'self'";  // of its pages
  friend bool operator==(const static_folder&, const static_folder&) = default;
};

/// Every setting with its default. The initialisers below are the defaults of the product; what a
/// setting means and may be is said once, in keys.cpp, and docs/configuration.md is made from both.
/// Paths are relative to the working directory, save that of `store.ledger`.
/// A plain value: once loaded without problems, every member lies within its limits.
struct configuration {
  std::string listen = "127.0.0.1:8443";
  std::string h2c_listen;
  std::string data_dir = "var";
  std::int64_t io_threads = 0;      // 0: half the cores, at least 1
  std::int64_t worker_threads = 0;  // 0: one per core
  std::int64_t shards = 0;          // 0: two a worker
  std::int64_t drain_timeout_s = 10;

  struct {
    std::string certificate;  // both empty: a self-signed pair in data_dir
    std::string key;
    std::string ticket_keys;  // empty: a key of the process
  } tls;

  struct {
    std::string hot = "embedded";
    std::string ledger = "sqlite:watchkeeper.db";
    std::int64_t checkpoint_interval_s = 30;
    std::int64_t hot_retention_s = 604'800;
    std::string require_durability = "log";
  } store;

  struct {
    std::int64_t max_age_s = 900;
    std::int64_t max_skew_s = 30;
    std::int64_t max_interval_ms = 30'000;
    bool require_assignment = false;
    std::string signature = "session";
  } policy;

  struct {
    std::int64_t erasure_log_days = 400;
  } privacy;

  struct {
    std::int64_t connections_max = 65'536;
    std::int64_t connections_per_address_max = 65'536;
    std::int64_t concurrent_streams_max = 128;
    std::int64_t idle_timeout_s = 300;
  } limits;

  struct {
    std::int64_t device_per_s = 4;
    std::int64_t device_burst = 64;
    std::int64_t address_failures_per_s = 100;
    std::int64_t address_failures_burst = 2000;
    std::int64_t address_punished_per_s = 1;
    std::int64_t address_punished_burst = 20;
  } rate;

  struct {
    std::string file;  // empty: session-keys.json in data_dir
  } session_keys;

  struct {
    std::string p256 = "auto";
    std::int64_t p256_tables = crypto::es256::tables_default;
  } crypto;

  struct {
    std::vector<std::string> origins;  // empty: no CORS at all
    std::int64_t max_age_s = 3600;
  } cors;

  struct {
    std::int64_t login_hours = 12;
  } console;

  struct {
    std::string level = "info";
    std::string file;  // empty: standard error
  } log;

  struct {
    std::string source = "urn:watchkeeper:deployment:default";
  } events;

  std::vector<configured_token> tokens;
  std::vector<static_folder> static_folders;
};

/// `store.require_durability` as the stores know it.
storage::durability_level required_durability(const configuration& settings) noexcept;

/// The file of `store.ledger = "sqlite:…"`, with data_dir put before a relative path; empty when
/// the ledger is not SQLite.
std::string sqlite_ledger_path(const configuration& settings);
/// The file of `store.hot = "embedded"`: hot.db in data_dir; empty when the hot store is another.
std::string embedded_store_path(const configuration& settings);
/// The log of erasures in data_dir.
std::string erasure_log_path(const configuration& settings);
/// Creates data_dir. The error is a sentence.
result<ok_t, std::string> prepare_data_dir(const configuration& settings);
/// Creates data_dir and takes its file `lock`: a second gateway, or a migration beside a gateway,
/// must not touch what is in it. The error is a sentence.
result<file_lock, std::string> lock_data_dir(const configuration& settings);

/// Makes `crypto.p256` what verifies ES256 in this process; only the first call of a process
/// counts.
crypto::es256::arithmetic use_configured_es256(const configuration& settings) noexcept;

/// What opens the configured stores; they connect at their first call. The embedded store syncs
/// each batch where `store.require_durability` is fsync, else it promises what a log promises.
std::unique_ptr<storage::hot_store> open_hot_store(const configuration& settings);
/// What it is, and what the next start changes in it. Changes nothing; an embedded store must
/// exist.
storage::stored<storage::hot_store_look> look_at_hot_store(const configuration& settings);
std::unique_ptr<storage::ledger> open_ledger(const configuration& settings);

}  // namespace watchkeeper::server
