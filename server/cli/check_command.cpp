#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <ostream>
#include <utility>

#include "base/file_lock.hpp"
#include "base/owned.hpp"
#include "server/cli/commands.hpp"
#include "server/keys/ticket_key_file.hpp"
#include "server/log/redaction.hpp"

namespace watchkeeper::server {
namespace {

std::string_view name_of(storage::durability_level durability) {
  switch (durability) {
    case storage::durability_level::memory:
      return "memory";
    case storage::durability_level::log:
      return "log";
    case storage::durability_level::fsync:
      return "fsync";
  }
  return "memory";
}

// The list of all checks: good, bad with what to do, or a note.
class check_list {
 public:
  explicit check_list(std::ostream& out) : out_(out) {}

  void good(std::string_view what, std::string_view found) { line("✓", what, found); }
  void note(std::string_view what, std::string_view found) { line("·", what, found); }
  void bad(std::string_view what, std::string_view found, std::string_view to_do) {
    line("✗", what, found);
    if (!to_do.empty()) out_ << fmt::format("  {:<16}→ {}\n", "", to_do);
    ++bad_;
  }
  [[nodiscard]] int bad_count() const { return bad_; }

 private:
  void line(std::string_view mark, std::string_view what, std::string_view found) {
    out_ << fmt::format("{} {:<16}{}\n", mark, what, mask_secrets(found));
  }

  std::ostream& out_;
  int bad_ = 0;
};

void check_settings(const loaded_configuration& loaded, check_list& list) {
  const auto& file = loaded.sources.file;
  for (const auto& problem : loaded.problems) list.bad("configuration", describe(problem), "");
  if (loaded.usable()) {
    const bool there = !file.empty() && std::filesystem::exists(file);
    list.good("configuration", there ? file : "no file; defaults, environment and flags");
  }
  for (const auto& warning : loaded.warnings) list.note("configuration", describe(warning));
}

void check_data_dir(const configuration& settings, check_list& list) {
  namespace fs = std::filesystem;
  std::error_code error;
  const fs::path directory(settings.data_dir);
  if (fs::is_directory(directory, error)) {
    if (::access(directory.c_str(), W_OK | X_OK) == 0)
      list.good("data_dir", settings.data_dir);
    else
      list.bad("data_dir", settings.data_dir + " is not writable",
               "give the gateway's user write permission, or set data_dir to another directory");
  } else if (fs::exists(directory, error)) {
    list.bad("data_dir", settings.data_dir + " is not a directory",
             "set data_dir to the path of a directory");
  } else {
    list.note("data_dir", settings.data_dir + " is created at the first start");
  }
}

// Loads the certificate and its key as the gateway does.
void check_tls(const configuration& settings, wall_ms now_ms, check_list& list) {
  if (settings.listen.empty()) return list.note("tls", "no TLS listener is configured");
  if (settings.tls.certificate.empty())
    return list.note("tls",
                     "none is configured; the gateway uses a self-signed certificate in data_dir");
  const owned<SSL_CTX, SSL_CTX_free> context(SSL_CTX_new(TLS_server_method()));
  const auto& files = settings.tls;
  if (!context ||
      SSL_CTX_use_certificate_chain_file(context.get(), files.certificate.c_str()) != 1) {
    list.bad("tls", files.certificate + " is not readable, or is not a certificate",
             "set tls.certificate to a PEM file that the gateway's user may read");
  } else if (SSL_CTX_use_PrivateKey_file(context.get(), files.key.c_str(), SSL_FILETYPE_PEM) != 1 ||
             SSL_CTX_check_private_key(context.get()) != 1) {
    list.bad("tls", files.key + " is not the private key of " + files.certificate,
             "set tls.key to the unencrypted PEM file with the private key of the certificate");
  } else {
    auto now_s = std::time_t{to_unix_s(now_ms)};
    const auto* end = X509_get0_notAfter(SSL_CTX_get0_certificate(context.get()));
    int days = 0;
    int seconds = 0;
    const owned<ASN1_TIME, ASN1_TIME_free> now(ASN1_TIME_set(nullptr, now_s));
    ASN1_TIME_diff(&days, &seconds, now.get(), end);
    if (days < 0 || seconds < 0)
      list.bad("tls", files.certificate + " has expired",
               "renew the certificate, then send SIGHUP to the gateway");
    else if (days < 14)
      list.note("tls", fmt::format("{} expires in {} days", files.certificate, days));
    else
      list.good("tls", fmt::format("{}, valid for {} more days", files.certificate, days));
  }
  ERR_clear_error();
}

void check_ticket_keys(const configuration& settings, check_list& list) {
  constexpr auto what = "tls.ticket_keys";
  if (settings.listen.empty() || settings.tls.ticket_keys.empty()) return;
  const auto found = read_ticket_keys(settings.tls.ticket_keys);
  if (!found)
    return list.bad(what, found.error(),
                    "write a key from `openssl rand -hex 80` on each line, the newest first, and "
                    "let only the gateway's user read the file");
  list.good(what, fmt::format("{}, {} key{}", settings.tls.ticket_keys, found->size(),
                              found->size() == 1 ? "" : "s"));
}

// Reads the keys as the gateway does.
void check_session_keys(const configuration& settings, check_list& list) {
  constexpr auto what = "session_keys";
  if (settings.policy.signature != "session")
    return list.note(
        what, "not needed: policy.signature = every requires a device signature on each heartbeat");
  const auto path = session_key_path(settings);
  std::error_code error;
  if (!std::filesystem::exists(path, error)) {
    if (settings.session_keys.file.empty())
      return list.note(what, path + " is created at the first start");
    return list.bad(
        what, path + " does not exist",
        "create it with `watchkeeper keys new`, and copy it to every gateway of the deployment");
  }
  const auto found = read_session_keys(path);
  if (!found)
    return list.bad(what, found.error(),
                    "the file must be a JWK set or PEM with P-256 private keys, and only the "
                    "gateway's user may read it");
  list.good(what, fmt::format("{}, {} key{}", path, found->keys.size(),
                              found->keys.size() == 1 ? "" : "s"));
}

// Asks the processor and runs the self test, as the start of the gateway does.
void check_es256(const configuration& settings, check_list& list) {
  namespace es256 = crypto::es256;
  const auto which = use_configured_es256(settings);
  const auto text = fmt::format("{}: {}", es256::name_of(which), es256::reason_of(which));
  if (which == es256::arithmetic::openssl_for_self_test)
    list.bad("crypto", text,
             "OpenSSL verifies instead, which is slower; set crypto.p256 = openssl, and report the "
             "model of the processor");
  else
    list.good("crypto", "ES256 by " + text);
}

void check_static_folders(const configuration& settings, check_list& list) {
  for (const auto& folder : settings.static_folders) {
    std::error_code error;
    if (!std::filesystem::is_directory(folder.folder, error))
      list.bad("static", folder.folder + " is not a directory",
               fmt::format("create the directory to be served at {}, or correct folder; a relative "
                           "path starts at the working directory of the gateway",
                           folder.path));
    else if (::access(folder.folder.c_str(), R_OK | X_OK) != 0)
      list.bad("static", folder.folder + " is not readable",
               "give the gateway's user read permission");
    else
      list.good("static", fmt::format("{} at {}", folder.folder, folder.path));
  }
}

// A missing embedded store is no problem, and `check` must not create it.
bool is_missing(const std::string& path) {
  return !path.empty() && !std::filesystem::exists(path);
}

void check_hot_store(const configuration& settings, check_list& list) {
  const auto file = embedded_store_path(settings);
  if (is_missing(file)) return list.note("store.hot", file + " is created at the first start");
  // The gateway that is to be replaced may still run: the store stays as it is.
  const auto look = look_at_hot_store(settings);
  if (!look)
    return list.bad("store.hot", look.error().detail,
                    file.empty() ? "check that Redis is running, and that store.hot is its address"
                                 : "check that the gateway's user may read and write the file");
  const auto durability = look->health.durability;
  const auto found = fmt::format("{}; durability of an acknowledgement: {}",
                                 look->health.description, name_of(durability));
  if (durability >= required_durability(settings)) {
    if (look->at_start.empty()) return list.good("store.hot", found);
    return list.note("store.hot", fmt::format("{}; at the next start {}", found, look->at_start));
  }
  list.bad("store.hot", found,
           settings.store.require_durability == "fsync"
               ? "set `appendonly yes` and `appendfsync always` in Redis, or lower "
                 "store.require_durability"
               : "set `appendonly yes` in Redis, or lower store.require_durability");
}

void check_ledger_of(const configuration& settings, check_list& list) {
  const auto file = sqlite_ledger_path(settings);
  if (is_missing(file)) return list.note("store.ledger", file + " is created at the first start");
  const auto opened = open_ledger(settings);
  const auto health = opened->health();
  if (!health)
    return list.bad("store.ledger", health.error().detail,
                    file.empty()
                        ? "check that PostgreSQL is running, and that store.ledger is its address"
                        : "check that the gateway's user may read and write the file");
  const auto version = opened->version();
  if (!version) return list.bad("store.ledger", version.error().detail, "");
  const auto found =
      fmt::format("{}; schema {} of {}", health.value(), version->applied, version->newest);
  if (version->applied > version->newest)
    list.bad("store.ledger", found,
             "a newer watchkeeper has migrated the ledger; run that version");
  else if (version->applied < version->newest)
    list.note("store.ledger", found + "; the next start or `watchkeeper migrate` migrates it");
  else
    list.good("store.ledger", found);
}

}  // namespace

int run_check(const loaded_configuration& loaded, wall_ms now_ms, std::ostream& out) {
  check_list list(out);
  check_settings(loaded, list);
  if (loaded.usable()) {
    check_data_dir(loaded.values, list);
    check_tls(loaded.values, now_ms, list);
    check_ticket_keys(loaded.values, list);
    check_session_keys(loaded.values, list);
    check_es256(loaded.values, list);
    check_static_folders(loaded.values, list);
    check_hot_store(loaded.values, list);
    check_ledger_of(loaded.values, list);
  }
  if (list.bad_count() == 0) {
    out << "\nReady to start.\n";
    return exit_ok;
  }
  out << fmt::format("\n{} problem{} found.\n", list.bad_count(), list.bad_count() == 1 ? "" : "s");
  return exit_problem;
}

int run_migrate(const loaded_configuration& loaded, std::ostream& out, std::ostream& err) {
  const auto failed = [&](const std::string& why) {
    err << "watchkeeper migrate: " << mask_secrets(why) << '\n';
    return static_cast<int>(exit_problem);
  };
  std::optional<file_lock> lock;
  if (!sqlite_ledger_path(loaded.values).empty()) {
    auto taken = lock_data_dir(loaded.values);
    if (!taken) return failed(taken.error());
    lock.emplace(*std::move(taken));
  }
  const auto opened = open_ledger(loaded.values);
  const auto before = opened->version();
  if (!before) return failed(before.error().detail);
  if (const auto done = opened->migrate(); !done) return failed(done.error().detail);
  const auto after = opened->version();
  if (!after) return failed(after.error().detail);
  if (before->applied == after->applied)
    out << fmt::format("The ledger is at schema {}, which is the latest; nothing to do.\n",
                       after->applied);
  else
    out << fmt::format("Migrated the ledger from schema {} to {}.\n", before->applied,
                       after->applied);
  return exit_ok;
}

}  // namespace watchkeeper::server
