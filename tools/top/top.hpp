#pragma once

#include <string>

namespace watchkeeper::top {

/// What `watchkeeper top` shows.
struct top_options {
  /// https://host:port, or http://host:port for cleartext HTTP/2 with prior knowledge.
  std::string url = "https://127.0.0.1:8443";
  /// PEM file with the certificate authority to trust; empty: the system's authorities.
  std::string ca_file;
  /// Accept any certificate.
  bool insecure = false;
  /// Bearer token of the role operator.
  std::string token;
  /// Seconds between two looks, 0.1 … 60.
  double interval_s = 1.0;
  /// Print one frame as plain text, without the terminal's control, and end. Looks twice, an
  /// interval apart, so that there are rates to show.
  bool once = false;
};

/// A live view of GET /v1/stats in the terminal: `q`, SIGINT and SIGTERM end it. Ignores SIGPIPE
/// from then on. Returns 0, or 2 with a sentence on stderr: the options are wrong, or (at the first
/// look) the gateway cannot be reached or refuses the token. Later failures are shown and tried
/// again.
int run_top(const top_options& options);

}  // namespace watchkeeper::top
