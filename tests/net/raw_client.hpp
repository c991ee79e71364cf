#pragma once

#include <nghttp2/nghttp2.h>
#include <openssl/ssl.h>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/net/wait_max.hpp"

namespace watchkeeper::net::test {

struct raw_frame {
  std::uint8_t type = 0;
  std::uint8_t flags = 0;
  std::int32_t stream = 0;
  std::string payload;
};

using field_list = std::vector<std::pair<std::string, std::string>>;

struct raw_response {
  std::map<std::string, std::string> fields;
  std::string body;
  bool ended = false;                  // END_STREAM came
  std::optional<std::uint32_t> reset;  // RST_STREAM's code
  [[nodiscard]] std::string status() const {
    const auto at = fields.find(":status");
    return at == fields.end() ? "" : at->second;
  }
};

/// An HTTP/2 client that does exactly what the test says, right or wrong. Blocking, with a time
/// limit on every wait: what does not come in time is reported as absent.
class raw_client {
 public:
  struct tls_settings {
    std::string alpn = "\x02h2";  // wire format; empty: no list
    int version_max = 0;          // 0: the library's
    SSL_SESSION* resume = nullptr;
  };
  /// `from`: its own address, of 127.0.0.0/8. Null: 127.0.0.1.
  static raw_client connect_h2c(std::uint16_t port, const char* from = nullptr);
  /// `established()` says how the handshake went.
  static raw_client connect_tls(std::uint16_t port, const tls_settings& settings);
  raw_client(raw_client&& other) noexcept;
  ~raw_client();

  [[nodiscard]] bool established() const { return established_; }
  /// The alert that ended the handshake, as OpenSSL numbers its reasons; 0: none.
  [[nodiscard]] int handshake_error() const { return handshake_error_; }
  [[nodiscard]] SSL* ssl() { return ssl_; }

  /// Preface and SETTINGS; the frames that follow are sent as they are made.
  void greet(const std::string& settings_payload = "");
  /// Then also reads, and acknowledges, the server's SETTINGS: its windows hold from here.
  bool greet_and_wait();
  bool acknowledges = true;  // SETTINGS and PING, by itself
  bool send_bytes(std::string_view bytes);
  [[nodiscard]] std::uint64_t sent_bytes() const { return sent_bytes_; }
  bool send_frame(std::uint8_t type, std::uint8_t flags, std::int32_t stream,
                  std::string_view payload);
  bool send_headers(std::int32_t stream, const field_list& fields, bool end_stream);
  bool send_data(std::int32_t stream, std::string_view bytes, bool end_stream);
  /// A GET, or a POST whose body follows.
  bool request(std::int32_t stream, const std::string& method, const std::string& path, bool end,
               const field_list& more = {});

  /// The next frame; nothing when the connection has ended or the time is up.
  std::optional<raw_frame> read_frame(int timeout_ms = wait_max_ms);
  /// Reads until the stream has ended or was reset. Acknowledges SETTINGS and PING on the way.
  raw_response read_response(std::int32_t stream, int timeout_ms = wait_max_ms);
  /// Reads until so many bytes of the body have come, or as above.
  raw_response read_body(std::int32_t stream, std::size_t bytes, int timeout_ms = wait_max_ms);
  /// One round trip: the server has taken what was sent before, and what it sent before has been
  /// read; `see` gets each of the latter's frames. False: no response came.
  bool ping(const std::function<void(const raw_frame&)>& see = {});
  /// Reads until the connection ends; the code of the last GOAWAY, if there was one.
  struct ending {
    bool closed = false;
    std::optional<std::uint32_t> goaway;
  };
  ending read_to_end(int timeout_ms = wait_max_ms);
  void close();

  static std::string encode(const field_list& fields);

 private:
  raw_client() = default;
  bool fill(int timeout_ms);
  void digest(const raw_frame& frame);

  int fd_ = -1;
  SSL_CTX* context_ = nullptr;
  SSL* ssl_ = nullptr;
  nghttp2_hd_inflater* inflater_ = nullptr;
  bool established_ = false;
  bool ended_ = false;
  std::uint64_t sent_bytes_ = 0;
  int handshake_error_ = 0;
  std::string buffered_;
  std::map<std::int32_t, raw_response> responses_;
  std::optional<std::uint32_t> goaway_;
};

std::string be32(std::uint32_t value);

}  // namespace watchkeeper::net::test
