#include "sdk/c/key_set.hpp"

#include <span>
#include <string_view>

#include "base/base64url.hpp"
#include "base/json_scanner.hpp"
#include "crypto/p256.hpp"
#include "domain/ids.hpp"
#include "sdk/c/limits.hpp"

namespace watchkeeper::sdk {
namespace {

struct jwk {
  std::string_view kty, crv, use, kid, x, y;
};

bool read_key(json_scanner& json, jwk& into) {
  if (!json.consume('{')) return false;
  if (json.consume('}')) return true;
  do {
    const auto name = json.string();
    if (!name || !json.consume(':')) return false;
    std::string_view* member = *name == "kty"   ? &into.kty
                               : *name == "crv" ? &into.crv
                               : *name == "use" ? &into.use
                               : *name == "kid" ? &into.kid
                               : *name == "x"   ? &into.x
                               : *name == "y"   ? &into.y
                                                : nullptr;
    if (member == nullptr) {
      if (!json.skip_value()) return false;
      continue;
    }
    const auto text = json.string();
    if (!text) return false;
    *member = *text;
  } while (json.consume(','));
  return json.consume('}');
}

std::optional<gateway_key> usable(const jwk& key) {
  if (key.kty != "EC" || key.crv != "P-256" || key.use != "enc" || !thumbprint::parse(key.kid))
    return std::nullopt;
  gateway_key made;
  made.kid = key.kid;
  const std::span point{made.point};
  if (base64url::decode(key.x, point.first(32)) != 32 ||
      base64url::decode(key.y, point.last(32)) != 32 || !crypto::p256::is_on_curve(point))
    return std::nullopt;
  return made;
}

}  // namespace

std::optional<gateway_key> read_key_set(std::string& text) {
  json_scanner json{std::span{text.data(), text.size()}};
  std::optional<gateway_key> found;
  bool has_keys = false;
  if (!json.consume('{')) return std::nullopt;
  if (json.consume('}')) return std::nullopt;
  do {
    const auto name = json.string();
    if (!name || !json.consume(':')) return std::nullopt;
    if (*name != "keys") {
      if (!json.skip_value()) return std::nullopt;
      continue;
    }
    if (has_keys || !json.consume('[')) return std::nullopt;
    has_keys = true;
    if (json.consume(']')) continue;
    std::size_t count = 0;
    do {
      jwk key;
      if (++count > sdk_limits::gateway_keys_max || !read_key(json, key)) return std::nullopt;
      if (!found) found = usable(key);
    } while (json.consume(','));
    if (!json.consume(']')) return std::nullopt;
  } while (json.consume(','));
  if (!json.consume('}') || !json.at_end()) return std::nullopt;
  return found;
}

}  // namespace watchkeeper::sdk
