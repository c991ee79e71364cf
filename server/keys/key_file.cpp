#include "server/keys/key_file.hpp"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/atomic_file.hpp"
#include "base/base64url.hpp"
#include "base/json_writer.hpp"
#include "server/keys/pem_keys.hpp"

namespace watchkeeper::server {
namespace {

using json = nlohmann::json;
using crypto::agreement_key;
using failure = std::string;

constexpr mode_t readable_by_everybody = S_IROTH | S_IWOTH | S_IXOTH;

struct coordinates {
  std::string x;
  std::string y;
};
coordinates coordinates_of(const agreement_key& key) {
  const std::span point(key.public_key().bytes);
  return {base64url::encode(point.first(32)), base64url::encode(point.last(32))};
}

void write_public_members(json_writer& out, const agreement_key& key) {
  const auto point = coordinates_of(key);
  out.member("kty", "EC")
      .member("crv", "P-256")
      .member("kid", key.kid().text())
      .member("use", "enc")
      .member("x", point.x)
      .member("y", point.y);
}

std::string text_member(const json& jwk, const char* name) {
  const auto found = jwk.find(name);
  return found != jwk.end() && found->is_string() ? found->get<std::string>() : std::string();
}

result<agreement_key, failure> read_jwk(const json& jwk) {
  if (!jwk.is_object()) return failure("is not a JSON object");
  if (text_member(jwk, "kty") != "EC" || text_member(jwk, "crv") != "P-256")
    return failure("is not a key of P-256 (kty EC, crv P-256)");
  if (jwk.contains("use") && text_member(jwk, "use") != "enc")
    return failure("has a use that is not enc");
  auto encoded = text_member(jwk, "d");
  crypto::p256::private_key secret{};
  const bool decoded = encoded.size() == 43 && base64url::decode(encoded, secret) == secret.size();
  OPENSSL_cleanse(encoded.data(), encoded.size());
  if (!decoded) return failure("has no private member d of 32 bytes in base64url");
  const auto issued = jwk.find("iat");
  wall_ms created_ms;
  if (issued != jwk.end() && issued->is_number_unsigned() &&
      issued->get<std::uint64_t>() < 253'402'300'799)
    created_ms = from_unix_s(issued->get<std::int64_t>());
  const auto key = agreement_key::from_secret(secret, created_ms);
  OPENSSL_cleanse(secret.data(), secret.size());
  if (!key) return failure("has a member d that is not a scalar of P-256");
  const auto right = coordinates_of(*key);
  if (text_member(jwk, "x") != right.x || text_member(jwk, "y") != right.y)
    return failure("has an x or y that does not belong to its d");
  if (jwk.contains("kid") && text_member(jwk, "kid") != key->kid().text())
    return failure("has a kid that is not its thumbprint");
  return *key;
}

result<agreement_keys, failure> read_key_set(const std::string& text) {
  const auto document = json::parse(text, nullptr, false);
  if (document.is_discarded()) return failure("is not JSON");
  const auto list = document.find("keys");
  if (!document.is_object() || list == document.end() || !list->is_array())
    return failure("is not a JWK set: it must be an object with a list `keys`");
  agreement_keys keys;
  for (std::size_t i = 0; i < list->size() && i <= session_keys_max; ++i) {
    auto key = read_jwk((*list)[i]);
    if (!key) return fmt::format("its key {} {}", i + 1, key.error());
    keys.push_back(std::move(*key));
  }
  return keys;
}

}  // namespace

std::string session_key_path(const configuration& settings) {
  if (!settings.session_keys.file.empty()) return settings.session_keys.file;
  return (std::filesystem::path(settings.data_dir) / "session-keys.json").string();
}

result<session_key_file, std::string> read_session_keys(const std::string& path) {
  auto file = read_whole(path, session_key_file_bytes_max);
  if (!file) return file.error();
  struct wiped {
    std::string& text;
    ~wiped() { OPENSSL_cleanse(text.data(), text.size()); }
  } at_the_end{file->text};
  const auto failed = [&](const std::string& why) { return fmt::format("{}: {}", path, why); };
  if ((file->mode & readable_by_everybody) != 0)
    return failed(fmt::format(
        "other users of this machine may use the file (mode {:o}); run chmod 600", file->mode));
  const auto begin = file->text.find_first_not_of(" \t\r\n");
  session_key_file found;
  found.is_pem = begin != std::string::npos && file->text.compare(begin, 5, "-----") == 0;
  if (!found.is_pem && (begin == std::string::npos || file->text[begin] != '{'))
    return failed("is neither a JWK set nor PEM");
  auto keys =
      found.is_pem ? read_pem_keys(file->text, session_keys_max + 1) : read_key_set(file->text);
  if (!keys) return failed(keys.error());
  found.keys = std::move(*keys);
  if (found.keys.empty()) return failed("has no key");
  if (found.keys.size() > session_keys_max)
    return failed(fmt::format("has more than {} keys", session_keys_max));
  for (auto key = found.keys.begin(); key != found.keys.end(); ++key)
    if (std::find_if(found.keys.begin(), key,
                     [&](const auto& other) { return other.kid() == key->kid(); }) != key)
      return failed("has the key " + key->kid().text() + " twice");
  return found;
}

std::string private_key_set(const agreement_keys& keys) {
  std::string text;
  json_writer out(text);
  out.begin_object().key("keys").begin_array();
  for (const auto& key : keys) {
    out.begin_object();
    write_public_members(out, key);
    out.member("d", base64url::encode(key.secret()));
    if (key.created_ms() != never) out.member("iat", to_unix_s(key.created_ms()));
    out.end_object();
  }
  out.end_array().end_object();
  return text + '\n';
}

std::string announced_key_set(const agreement_keys& keys) {
  std::string text;
  json_writer out(text);
  out.begin_object().key("keys").begin_array();
  if (!keys.empty()) {
    out.begin_object();
    write_public_members(out, keys.front());
    out.end_object();
  }
  out.end_array().end_object();
  return text;
}

result<loaded_session_keys, std::string> load_session_keys(const configuration& settings,
                                                           wall_ms now_ms) {
  loaded_session_keys loaded;
  loaded.path = session_key_path(settings);
  std::error_code error;
  if (settings.session_keys.file.empty() && !std::filesystem::exists(loaded.path, error)) {
    const agreement_keys made{crypto::agreement_key::generate(now_ms)};
    const auto written = create_whole(loaded.path, private_key_set(made), 0600);
    // Another gateway may have created the file at the same time: then its keys count.
    loaded.made_now = written.has_value();
    if (!written && !std::filesystem::exists(loaded.path, error)) return written.error();
  }
  auto found = read_session_keys(loaded.path);
  if (!found) {
    if (!std::filesystem::exists(loaded.path, error))
      return found.error() + "; create it with `watchkeeper keys new`";
    return found.error();
  }
  loaded.keys = std::move(found->keys);
  return loaded;
}

}  // namespace watchkeeper::server
