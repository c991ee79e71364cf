#include "server/identity/login_cookie.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <span>

#include "base/atomic_file.hpp"
#include "base/base64url.hpp"

namespace watchkeeper::server {
namespace {

constexpr std::size_t key_file_bytes_max = 1024;  // a longer file is another
constexpr std::size_t time_bytes = 8;
constexpr std::size_t body_bytes = login::id_bytes + login::fingerprint_bytes + time_bytes;
constexpr std::size_t sealed_bytes = body_bytes + 32;
constexpr std::size_t sealed_chars = (sealed_bytes * 4 + 2) / 3;

std::string body_of(const login& opened) {
  std::string body;
  body.append(reinterpret_cast<const char*>(opened.id.data()), opened.id.size());
  body.append(reinterpret_cast<const char*>(opened.token.data()), opened.token.size());
  const auto expires_s = static_cast<std::uint64_t>(to_unix_s(opened.expires_ms));
  for (int shift = 56; shift >= 0; shift -= 8)
    body += static_cast<char>((expires_s >> shift) & 0xff);
  return body;
}

std::span<const std::uint8_t> bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

}  // namespace

login::token_fingerprint fingerprint_of(const crypto::sha256_digest& token_digest) {
  std::string text = "watchkeeper console token";
  text.append(reinterpret_cast<const char*>(token_digest.data()), token_digest.size());
  const auto digest = crypto::sha256(text);
  login::token_fingerprint print{};
  std::copy_n(digest.begin(), print.size(), print.begin());
  return print;
}

crypto::sha256_digest cookie_sealer::mac(std::string_view purpose, std::string_view bytes) const {
  std::string text(purpose);
  text += '\0';
  text += bytes;
  return keyed_.mac(text);
}

std::string cookie_sealer::seal(const login& opened) const {
  auto sealed = body_of(opened);
  const auto tag = mac("session", sealed);
  sealed.append(reinterpret_cast<const char*>(tag.data()), tag.size());
  return base64url::encode(bytes_of(sealed));
}

std::optional<login> cookie_sealer::open(std::string_view sealed, wall_ms now_ms) const {
  std::array<std::uint8_t, sealed_bytes> bytes{};
  if (sealed.size() != sealed_chars || base64url::decode(sealed, bytes) != bytes.size())
    return std::nullopt;
  const std::string_view body(reinterpret_cast<const char*>(bytes.data()), body_bytes);
  const auto tag = mac("session", body);
  if (!crypto::constant_time_equal(tag, std::span(bytes).subspan(body_bytes))) return std::nullopt;
  login found;
  auto at = bytes.begin();
  std::copy_n(at, found.id.size(), found.id.begin());
  at += found.id.size();
  std::copy_n(at, found.token.size(), found.token.begin());
  at += found.token.size();
  std::uint64_t expires_s = 0;
  for (std::size_t i = 0; i < time_bytes; ++i) expires_s = expires_s << 8 | *at++;
  found.expires_ms = from_unix_s(static_cast<std::int64_t>(expires_s));
  if (found.expires_ms <= now_ms) return std::nullopt;
  return found;
}

std::string cookie_sealer::csrf_of(const login& opened) const {
  return base64url::encode(mac("csrf", body_of(opened)));
}

bool cookie_sealer::is_csrf_of(const login& opened, std::string_view shown) const {
  return crypto::constant_time_equal(bytes_of(shown), bytes_of(csrf_of(opened)));
}

std::string_view login_cookie_of(std::string_view field) noexcept {
  while (!field.empty()) {
    const auto end = field.find(';');
    auto pair = field.substr(0, end);
    while (!pair.empty() && pair.front() == ' ') pair.remove_prefix(1);
    if (pair.size() > login_cookie_name.size() && pair.starts_with(login_cookie_name) &&
        pair[login_cookie_name.size()] == '=')
      return pair.substr(login_cookie_name.size() + 1);
    field = end == std::string_view::npos ? std::string_view{} : field.substr(end + 1);
  }
  return {};
}

std::string set_login_cookie(std::string_view value, std::int64_t max_age_s) {
  // No Domain, Secure and Path=/: what the prefix __Host- demands.
  return fmt::format("{}={}; HttpOnly; Secure; SameSite=Strict; Path=/; Max-Age={}",
                     login_cookie_name, value, max_age_s);
}

result<cookie_sealer::key, std::string> load_cookie_key(const std::string& data_dir) {
  std::error_code error;
  std::filesystem::create_directories(data_dir, error);
  if (error) return fmt::format("cannot create the directory {}: {}", data_dir, error.message());
  const auto path = (std::filesystem::path(data_dir) / "console-cookie.key").string();
  if (::access(path.c_str(), F_OK) != 0) {
    cookie_sealer::key fresh{};
    crypto::random_bytes(fresh);
    const auto written = create_whole(path, std::string(fresh.begin(), fresh.end()), 0600);
    // Another process may have created the file first: its key is read below.
    if (!written && ::access(path.c_str(), F_OK) != 0) return written.error();
  }
  const auto file = read_whole(path, key_file_bytes_max);
  if (!file) return file.error();
  cookie_sealer::key secret{};
  if (file->text.size() != secret.size())
    return fmt::format(
        "{} must have a key of 32 bytes; delete the file, and the gateway creates a new one", path);
  std::copy(file->text.begin(), file->text.end(), secret.begin());
  return secret;
}

}  // namespace watchkeeper::server
