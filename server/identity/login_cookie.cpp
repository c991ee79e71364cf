#include "server/identity/login_cookie.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <stdexcept>

#include "base/base64url.hpp"

namespace watchkeeper::server {
namespace {

constexpr std::size_t time_bytes = 8;
constexpr std::size_t body_bytes = login::id_bytes + login::fingerprint_bytes + time_bytes;
constexpr std::size_t sealed_bytes = body_bytes + 32;
constexpr std::size_t sealed_chars = (sealed_bytes * 4 + 2) / 3;

std::string body_of(const login& opened) {
  std::string body;
  body.append(reinterpret_cast<const char*>(opened.id.data()), opened.id.size());
  body.append(reinterpret_cast<const char*>(opened.token.data()), opened.token.size());
  const auto expires_s = static_cast<std::uint64_t>(opened.expires_ms / 1000);
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
  crypto::sha256_digest made{};
  unsigned length = 0;
  if (HMAC(EVP_sha256(), secret_.data(), static_cast<int>(secret_.size()),
           reinterpret_cast<const unsigned char*>(text.data()), text.size(), made.data(),
           &length) == nullptr)
    throw std::runtime_error("HMAC failed");
  return made;
}

std::string cookie_sealer::seal(const login& opened) const {
  auto sealed = body_of(opened);
  const auto tag = mac("session", sealed);
  sealed.append(reinterpret_cast<const char*>(tag.data()), tag.size());
  return base64url::encode(bytes_of(sealed));
}

std::optional<login> cookie_sealer::open(std::string_view sealed, unix_ms now_ms) const {
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
  found.expires_ms = static_cast<unix_ms>(expires_s) * 1000;
  if (found.expires_ms <= now_ms) return std::nullopt;
  return found;
}

std::string cookie_sealer::csrf_of(const login& opened) const {
  return base64url::encode(mac("csrf", body_of(opened)));
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
  if (error) return fmt::format("cannot make the directory {}: {}", data_dir, error.message());
  const auto path = (std::filesystem::path(data_dir) / "console-session.key").string();
  const auto failed = [&](std::string_view what) {
    return fmt::format("cannot {} {}: {}", what, path, std::strerror(errno));
  };
  // Made beside and linked: whoever is first wins, and nobody reads half a key.
  if (::access(path.c_str(), F_OK) != 0) {
    cookie_sealer::key fresh{};
    crypto::random_bytes(fresh);
    const auto made = fmt::format("{}.{}.new", path, getpid());
    ::unlink(made.c_str());  // of a crashed process that had the same id
    const int file = ::open(made.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0) return failed("make");
    const bool written =
        ::write(file, fresh.data(), fresh.size()) == static_cast<ssize_t>(fresh.size()) &&
        ::fsync(file) == 0;
    const bool linked = ::close(file) == 0 && written &&
                        (::link(made.c_str(), path.c_str()) == 0 || errno == EEXIST);
    if (!linked) {
      auto why = failed("write");
      ::unlink(made.c_str());
      return why;
    }
    ::unlink(made.c_str());
  }
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return failed("read");
  std::array<std::uint8_t, 33> read{};
  const auto got = ::read(file, read.data(), read.size());
  ::close(file);
  cookie_sealer::key secret{};
  if (got != static_cast<ssize_t>(secret.size()))
    return fmt::format("{} does not hold a key of 32 bytes; delete it to have a new one made",
                       path);
  std::copy_n(read.begin(), secret.size(), secret.begin());
  return secret;
}

}  // namespace watchkeeper::server
