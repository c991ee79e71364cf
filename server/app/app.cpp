#include "server/app/app.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <thread>

#include "actors/gateway.hpp"
#include "actors/live/feed.hpp"
#include "actors/live/refusal_log.hpp"
#include "base/base64url.hpp"
#include "net/server.hpp"
#include "server/api/api.hpp"
#include "server/api/erasure_relay.hpp"
#include "server/app/build.hpp"
#include "server/app/request_dispatcher.hpp"
#include "server/app/signals.hpp"
#include "server/files/static_files.hpp"
#include "server/heartbeats/heartbeat_endpoint.hpp"
#include "server/keys/key_file.hpp"
#include "server/keys/self_signed_certificate.hpp"
#include "server/keys/ticket_key_file.hpp"
#include "server/live/live_endpoint.hpp"
#include "server/log/log.hpp"
#include "storage/live_channel.hpp"

namespace watchkeeper::server {

namespace {

void write_log(log_level level, const std::string& component, const std::string& message) {
  log_event(level, component, message);
}

unsigned io_thread_count(const configuration& settings) {
  if (settings.io_threads > 0) return static_cast<unsigned>(settings.io_threads);
  return std::max(1u, std::thread::hardware_concurrency() / 2);
}

/// The configured certificate, or a self-signed one, and the keys for resumption tickets. Throws.
net::tls_files tls_files_of(const configuration& settings) {
  net::ticket_key_list tickets;
  if (!settings.tls.ticket_keys.empty()) {
    auto found = read_ticket_keys(settings.tls.ticket_keys);
    if (!found) throw std::runtime_error("tls.ticket_keys: " + found.error());
    tickets = std::move(*found);
    log_event(log_level::info, "tls", "read the keys for resumption tickets",
              {{"file", settings.tls.ticket_keys}, {"keys", tickets.size()}});
  }
  if (!settings.tls.certificate.empty())
    return {settings.tls.certificate, settings.tls.key, std::move(tickets)};
  auto pair = make_self_signed_pair(settings.data_dir, system_time_source().wall_now());
  if (!pair) throw std::runtime_error("tls: " + pair.error());
  log_event(
      log_level::info, "tls",
      pair->made_now ? "created a self-signed certificate" : "uses the self-signed certificate",
      {{"certificate", pair->certificate_path}, {"sha256", pair->fingerprint}});
  return {pair->certificate_path, pair->key_path, std::move(tickets)};
}

cookie_sealer cookie_sealer_of(const configuration& settings) {
  auto key = load_cookie_key(settings.data_dir);
  if (!key) throw std::runtime_error("console: " + key.error());
  return cookie_sealer(*key);
}

net::server_options server_options_of(const configuration& settings) {
  net::server_options options;
  options.tls_listen = settings.listen;
  options.h2c_listen = settings.h2c_listen;
  if (!settings.listen.empty()) options.tls = tls_files_of(settings);
  options.io_threads = io_thread_count(settings);
  options.connections_max = static_cast<std::size_t>(settings.limits.connections_max);
  options.connections_per_address_max =
      static_cast<std::size_t>(settings.limits.connections_per_address_max);
  options.address_punished = {1'000'000 / settings.rate.address_punished_per_s,
                              settings.rate.address_punished_burst};
  options.concurrent_streams_max =
      static_cast<std::uint32_t>(settings.limits.concurrent_streams_max);
  options.idle_timeout_ms = settings.limits.idle_timeout_s * 1000;
  return options;
}

actors::live_feed::dependencies live_dependencies_of(const configuration& settings) {
  const bool alone = settings.store.hot == "embedded";
  return {.time = system_time_source(),
          .channel = alone ? storage::make_null_live_channel()
                           : storage::make_redis_live_channel(settings.store.hot),
          .log = write_log};
}

/// Throws.
std::shared_ptr<storage::erasure_log> erasure_log_of(const configuration& settings) {
  auto log = storage::erasure_log::open(erasure_log_path(settings),
                                        settings.privacy.erasure_log_days * 86'400'000,
                                        system_time_source().wall_now());
  if (!log) throw std::runtime_error("the log of erasures: " + log.error().detail);
  if (const auto lines = (*log)->unreadable(); lines > 0)
    log_event(log_level::error, "erasures", "lines of the log cannot be read, and are left out",
              {{"lines", lines}});
  return *std::move(log);
}

actors::gateway_options gateway_options_of(
    const configuration& settings, const crypto::agreement_key_ring& keys,
    std::shared_ptr<storage::erasure_log> erasures,
    std::vector<std::shared_ptr<actors::watch_observer>> observers) {
  actors::gateway_options options;
  options.worker_threads = static_cast<unsigned>(settings.worker_threads);
  options.shards = static_cast<unsigned>(settings.shards);
  options.checkpoint_interval_ms = settings.store.checkpoint_interval_s * 1000;
  options.hot_retention_ms = settings.store.hot_retention_s * 1000;
  options.require_durability = required_durability(settings);
  auto& policy = options.policy;
  policy.time = {settings.policy.max_age_s * 1000, settings.policy.max_skew_s * 1000};
  policy.max_interval_ms = static_cast<media_ms>(settings.policy.max_interval_ms);
  policy.require_assignment = settings.policy.require_assignment;
  policy.session_keys_allowed = settings.policy.signature == "session";
  policy.device_rate = {1'000'000 / settings.rate.device_per_s, settings.rate.device_burst};
  policy.address_failures = {1'000'000 / settings.rate.address_failures_per_s,
                             settings.rate.address_failures_burst};
  options.session_keys = &keys;
  options.erasures = std::move(erasures);
  options.make_hot_store = [settings] { return open_hot_store(settings); };
  options.make_ledger = [settings] { return open_ledger(settings); };
  options.log = write_log;
  options.on_fatal = [](const std::string& why) {
    if (auto* log = installed_log())
      log->write_through(log_level::error, "gateway", why + "; the process ends");
    std::abort();
  };
  options.observers = std::move(observers);
  return options;
}

/// Of whom was erased before the start, it stores nothing either.
std::shared_ptr<actors::refusal_log> refusal_log_of(const storage::erasure_log& erasures) {
  auto log = std::make_shared<actors::refusal_log>();
  log->remember_erased(erasures.all());
  return log;
}

/// The keys of the file, unless the policy requires a signature on every heartbeat. Throws.
agreement_keys session_keys_of(const configuration& settings) {
  if (settings.policy.signature != "session") return {};
  auto loaded = load_session_keys(settings, system_time_source().wall_now());
  if (!loaded) throw std::runtime_error("session_keys: " + loaded.error());
  log_event(
      log_level::info, "session_keys",
      loaded->made_now ? "created the key for session keys" : "read the keys for session keys",
      {{"file", loaded->path},
       {"keys", loaded->keys.size()},
       {"announced", loaded->keys.front().kid().text()}});
  return std::move(loaded->keys);
}

/// Called before anything is verified. If the self test fails, OpenSSL verifies instead.
void choose_es256(const configuration& settings) {
  namespace es256 = crypto::es256;
  const auto which = use_configured_es256(settings);
  const auto level =
      which == es256::arithmetic::openssl_for_self_test ? log_level::error : log_level::info;
  log_event(level, "crypto", "selected the implementation that verifies ES256",
            {{"es256", es256::name_of(which)}, {"reason", es256::reason_of(which)}});
}

/// Everything that runs, in the order of its construction.
class running_gateway {
 public:
  explicit running_gateway(const configuration& settings)
      : settings_(settings),
        live_(std::make_shared<actors::live_feed>(live_dependencies_of(settings))),
        erasure_log_(erasure_log_of(settings)),
        refusals_(refusal_log_of(*erasure_log_)),
        erasures_(std::make_shared<erasure_relay>()),
        gateway_(gateway_options_of(settings, keys_, erasure_log_, {live_, refusals_, erasures_})),
        port_(make_gateway_port(gateway_, *live_, *refusals_)),
        dispatcher_(cors(settings.cors.origins, settings.cors.max_age_s), system_time_source()),
        server_(server_options_of(settings), dispatcher_),
        heartbeats_([this](std::span<actors::heartbeat_request> all) { gateway_.submit(all); },
                    server_.responses(), system_time_source(), io_thread_count(settings)),
        files_(settings.static_folders, server_.responses(), system_time_source()),
        watching_(*live_, server_.responses()),
        api_({.gateway = *port_,
              .responses = server_.responses(),
              .live = watching_,
              .make_ledger = [settings] { return open_ledger(settings); },
              .make_hot_store = [settings] { return open_hot_store(settings); },
              .make_login_ledger = [settings] { return open_ledger(settings); },
              .tokens = settings.tokens,
              .session_keys = keys_,
              .sealer = cookie_sealer_of(settings),
              .login_ms = settings.console.login_hours * 3'600'000,
              .server_statistics = [this] { return server_.statistics(); },
              .deferred_heartbeats = [this] { return heartbeats_.statistics(); },
              .build = this_build(),
              .event_source = settings.events.source,
              .time = system_time_source(),
              .log = write_log}) {
    choose_es256(settings);
    keys_.replace(session_keys_of(settings));
    erasures_->observe(
        [this](const std::optional<module_id>& module) { api_.forget_lists(module); });
    dispatcher_.open(server_.responses(), heartbeats_, files_, watching_, api_);
    server_.start();
    // Last: everything that it counts exists now, and nothing after it fails.
    live_->start([this] { return live_counts_now(); },
                 [this](const module_id& module, std::span<const student_id> students) {
                   gateway_.seen_elsewhere(module, students);
                 });
    log_event(log_level::info, "server", "ready",
              {{"tls_port", server_.tls_port()},
               {"h2c_port", server_.h2c_port()},
               {"hot_store", gateway_.statistics().hot.description}});
  }

  ~running_gateway() {  // both use members that are destroyed before them
    erasures_->observe({});
    live_->stop();
  }

  /// Takes over what may change at run time, and logs what it cannot use.
  void reload(const loaded_configuration& loaded) {
    if (!loaded.usable()) {
      log_event(log_level::error, "config",
                "the configuration was not reloaded, because it has problems; nothing has changed",
                {{"problems", describe(loaded.problems)}});
      return;
    }
    const auto& fresh = loaded.values;
    if (auto* log = installed_log()) {
      const auto level = log_level_from_name(fresh.log.level);
      if (const auto done = log->reopen({level.value_or(log_level::info), fresh.log.file}); !done)
        log_event(log_level::error, "log", "the log file was not opened again; the old one stays",
                  {{"reason", done.error()}});
    }
    if (!settings_.listen.empty()) {
      try {
        if (const auto done = server_.reload_tls(tls_files_of(fresh)); !done)
          log_event(log_level::error, "tls", "the certificate was not reloaded; the old one stays",
                    {{"reason", done.error()}});
      } catch (const std::exception& e) {
        log_event(log_level::error, "tls", "the certificate was not reloaded; the old one stays",
                  {{"reason", e.what()}});
      }
    }
    api_.replace_tokens(fresh.tokens);
    try {
      auto following = fresh;
      following.policy.signature = settings_.policy.signature;  // needs a restart
      keys_.replace(session_keys_of(following));
    } catch (const std::exception& e) {
      log_event(log_level::error, "session_keys",
                "the keys for session keys were not reloaded; the old keys stay",
                {{"reason", e.what()}});
    }
    log_event(log_level::info, "config", "reloaded", {{"tokens", fresh.tokens.size()}});
  }

  /// Responds to what is in flight and writes the last checkpoint. False if the time ran out.
  bool stop() {
    using std::chrono::milliseconds;
    const auto limit = milliseconds(settings_.drain_timeout_s * 1000);
    const auto end = system_time_source().monotonic_now() + limit.count();
    auto left = [&] {
      return milliseconds(std::max<std::int64_t>(end - system_time_source().monotonic_now(), 0));
    };
    log_event(log_level::info, "server", "stopping", {{"limit_s", settings_.drain_timeout_s}});
    api_.begin_drain();
    heartbeats_.begin_drain();
    live_->stop();
    const bool answered = server_.drain(limit);
    api_.stop();
    files_.stop();
    const bool stored = gateway_.stop(std::max(left(), milliseconds(1000)));
    log_event(answered && stored ? log_level::info : log_level::warning, "server", "stopped",
              {{"all_answered", answered}, {"all_checkpointed", stored}});
    return answered && stored;
  }

 private:
  actors::live_counts live_counts_now() const {
    const auto gateway = gateway_.statistics();
    return {.by_status = gateway.heartbeats_by_status,
            .by_problem = gateway.heartbeats_by_problem,
            .sessions = gateway.sessions,
            .connections = server_.statistics().connections_open};
  }

  const configuration settings_;
  crypto::agreement_key_ring keys_;
  std::shared_ptr<actors::live_feed> live_;
  std::shared_ptr<storage::erasure_log> erasure_log_;
  std::shared_ptr<actors::refusal_log> refusals_;
  std::shared_ptr<erasure_relay> erasures_;
  actors::gateway gateway_;
  std::unique_ptr<gateway_port> port_;
  request_dispatcher dispatcher_;
  net::server server_;
  heartbeat_endpoint heartbeats_;
  static_files files_;
  live_endpoint watching_;
  api api_;
  /// I/O threads call all of the above until the last moment.
  struct io_end {
    ~io_end() { server.stop(); }
    net::server& server;
  } io_end_{server_};  // last: destroyed first
};

}  // namespace

int serve(const loaded_configuration& loaded) {
  const awaited_signals signals;
  const auto& settings = loaded.values;
  try {
    event_log log(
        {log_level_from_name(settings.log.level).value_or(log_level::info), settings.log.file});
    install_log(&log);
    struct uninstall {
      ~uninstall() { install_log(nullptr); }
    } at_the_end;
    for (const auto& warning : loaded.warnings)
      log_event(log_level::warning, "config", warning.what, {{"where", warning.where}});
    try {
      const auto lock = lock_data_dir(settings);
      if (!lock) throw std::runtime_error(lock.error());
      running_gateway running(settings);
      for (;;) {
        if (signals.wait() != SIGHUP) break;
        running.reload(load_configuration(loaded.sources));
      }
      return running.stop() ? 0 : 1;
    } catch (const std::exception& e) {
      log_event(log_level::error, "server", "cannot start", {{"reason", e.what()}});
      return 1;
    }
  } catch (const std::exception& e) {
    // No log to say it in.
    std::fprintf(stderr, "watchkeeper: %s\n", e.what());
    return 1;
  }
}

}  // namespace watchkeeper::server
