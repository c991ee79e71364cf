#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace watchkeeper::fleet {

/// What `watchkeeper fleet` does. There are four modes, of which at most one may be chosen: paced
/// (the default: every device sends a heartbeat each `interval_s`), `burst`, `presign`, `uri_file`.
struct fleet_options {
  // -- The gateway.
  /// https://host:port, or http://host:port for cleartext HTTP/2 with prior knowledge.
  std::string url = "https://127.0.0.1:8443";
  /// PEM file with the certificate authority (or the self-signed certificate) to trust; empty: the
  /// system's authorities.
  std::string ca_file;
  /// Accept any certificate.
  bool insecure = false;
  /// Offer the newest TLS session ticket on later connections instead of a full handshake each.
  bool tls_resume = false;
  /// Bearer token of the role admin: enrols devices, creates modules. Needed unless `keys_file`
  /// holds all devices and `create_modules` is false.
  std::string admin_token;

  // -- Who plays what.
  /// Simulated devices, each with a P-256 key and a student of its own. 1 … 1,000,000.
  std::size_t devices = 1000;
  /// HTTP/2 connections that the devices share, round robin; 0: one a device, at most 10,000.
  std::size_t connections = 0;
  /// Modules; devices are spread over them. A device that reaches the end goes on with the next
  /// one.
  std::vector<std::string> modules = {"fleet-module"};
  /// Create (or overwrite) the modules with `module_duration_s`. Otherwise their duration is read.
  bool create_modules = true;
  /// Seconds of media, 1 … 86,400. Where there is no admin token: the duration assumed.
  double module_duration_s = 600;
  /// Students are called <prefix><number>; empty: `fleet-<six hexadecimal digits of this run>-`.
  std::string student_prefix;
  /// Playback sessions at once on a device, each with a position of its own. 1 … 64.
  unsigned sessions_per_device = 1;
  /// Seconds of media at which every session starts.
  double start_s = 0;
  /// Share of the devices, 0 … 1, that cheat: after each heartbeat they seek up to 60 s ahead.
  double skip_share = 0;
  /// Private keys: read if the file exists (the same devices go on), else written. Format: see
  /// tools/fleet/key_file.hpp. Empty: none.
  std::string keys_file;

  // -- How they send.
  /// Seconds between a device's heartbeats, over 0.
  double interval_s = 10;
  /// Playback rate, 0.25 … 4: a heartbeat covers interval_s × playback_rate seconds of media.
  double playback_rate = 1.0;
  /// Paced mode: seconds to play.
  double duration_s = 60;
  /// All devices send one heartbeat at once, as soon as all are connected.
  bool burst = false;
  /// How often; the next round follows when every heartbeat of the last was answered.
  unsigned burst_rounds = 1;
  /// Sign `heartbeats_per_device` tokens a device first, then send them as fast as they are
  /// answered.
  bool presign = false;
  /// presign: the first heartbeat of every device goes ahead and is not counted; the others follow
  /// once this gives true. Asked again and again, so it must not block. Empty: all at once.
  std::function<bool()> warm;
  /// presign and uri_file. A student may earn at most 60 s of media at once, so that of 10 s
  /// heartbeats more than 6 come back `limited`: for more load take more devices.
  unsigned heartbeats_per_device = 5;
  /// Requests in flight on one connection, 1 … 128; a device never has more than one.
  unsigned window = 32;
  /// Tokens a request, 1 … 16. Paced mode: a device collects so many heartbeats before it sends.
  unsigned batch = 1;
  /// Sessions agree on a key with their first heartbeat and sign the others with it
  /// (docs/protocol.md, section 6). Otherwise every heartbeat is signed by the device's key.
  bool session_keys = false;
  /// Ask for `204` instead of a result (`prefer: return=minimal`); progress is then not known.
  bool minimal = false;
  /// Seconds until a request counts as lost.
  double request_timeout_s = 30;
  /// Seconds without one more open connection until the run begins with those that are open; with
  /// none, it ends.
  double connect_timeout_s = 20;
  /// Seconds to wait at the end for what is not answered yet.
  double drain_s = 10;
  /// Of the jitter and of the cheaters' seeking. Keys and session ids are always new.
  std::uint64_t seed = 1;

  // -- What they leave behind.
  /// Appends a JSON line a heartbeat sent and a heartbeat answered (tools/fleet/ack_log.hpp).
  /// Empty: none.
  std::string ack_log;
  /// Instead of sending: enrol, and write one path a line, `/v1/heartbeats?token=<JWS>`, for h2load
  /// -i.
  std::string uri_file;
  /// The summary as one JSON object on stdout instead of a table.
  bool json = false;
  /// No progress on stderr.
  bool quiet = false;
};

/// Runs the players; the summary goes to stdout, progress and complaints to stderr. SIGINT and
/// SIGTERM end it early, with a summary (handlers are put back at the end). Ignores SIGPIPE from
/// then on. Returns 0: every heartbeat was answered with 2xx; 1: some were refused or lost; 2: the
/// options are wrong, or the gateway cannot be reached or used, with a sentence on stderr. One call
/// at a time.
int run_fleet(const fleet_options& options);

}  // namespace watchkeeper::fleet
