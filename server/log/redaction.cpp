#include "server/log/redaction.hpp"

#include <algorithm>
#include <array>
#include <optional>

namespace watchkeeper::server {
namespace {

constexpr std::string_view mask = "***";
// A secret of `watchkeeper token` has 43 characters; a part of one, cut off by a line's length, is
// a secret still.
constexpr std::size_t secret_chars_min = 8;
// "e30" is the shortest base64url of a JSON object: {}.
constexpr std::size_t part_chars_min = 3;
constexpr std::size_t long_part_chars = 16;

bool is_base64url(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_';
}

std::size_t run_length(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::find_if_not(text, is_base64url) - text.begin());
}

// The length of the JWS that `text` begins with, or 0. A header begins with `{`, which is "e" and
// one of w, x, y, z in base64url; anything else needs three long parts.
std::size_t jws_length(std::string_view text) {
  std::array<std::size_t, 3> parts{};
  std::size_t at = 0;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) {
      if (at >= text.size() || text[at] != '.') return 0;
      ++at;
    }
    parts[i] = run_length(text.substr(at));
    if (parts[i] < part_chars_min) return 0;
    at += parts[i];
  }
  const bool json_header = text[0] == 'e' && text[1] >= 'w' && text[1] <= 'z';
  const bool all_long = std::ranges::all_of(parts, [](auto n) { return n >= long_part_chars; });
  return json_header || all_long ? at : 0;
}

// The length of the wk_<role>_ that `text` begins with, when a secret follows; else 0.
std::size_t secret_prefix_length(std::string_view text) {
  if (!text.starts_with("wk_")) return 0;
  const auto underscore = text.find('_', 3);
  if (underscore == std::string_view::npos || underscore == 3 || underscore > 3 + 16) return 0;
  for (const char c : text.substr(3, underscore - 3))
    if (c < 'a' || c > 'z') return 0;
  return run_length(text.substr(underscore + 1)) >= secret_chars_min ? underscore + 1 : 0;
}

struct span_of_text {
  std::size_t from = 0;
  std::size_t length = 0;
};

// The password of a `user:password@` after "://", in what ends with a space, a quote or the text.
// The last @ counts and a slash ends nothing: somebody's password holds one, not encoded as it
// should be.
std::optional<span_of_text> url_password(std::string_view text, std::size_t after_scheme) {
  const auto end = std::min(text.find_first_of(" \t\n\r\"'<>", after_scheme), text.size());
  const auto authority = text.substr(after_scheme, end - after_scheme);
  const auto at = authority.rfind('@');
  const auto colon = authority.find(':');
  if (at == std::string_view::npos || colon == std::string_view::npos || colon > at) return {};
  return span_of_text{after_scheme + colon + 1, at - colon - 1};
}

std::string mask_passwords(std::string_view text) {
  std::string out;
  std::size_t done = 0;
  while (done < text.size()) {
    const auto scheme = text.find("://", done);
    const auto parameter = text.find("password=", done);
    if (scheme == std::string_view::npos && parameter == std::string_view::npos) break;
    span_of_text secret;
    if (scheme < parameter) {
      secret = url_password(text, scheme + 3).value_or(span_of_text{scheme + 3, 0});
      if (secret.length == 0) {
        out += text.substr(done, scheme + 3 - done);
        done = scheme + 3;
        continue;
      }
    } else {
      const auto from = parameter + 9;
      const auto end = std::min(text.find_first_of(" \t\n\r&\"'<>", from), text.size());
      secret = {from, end - from};
    }
    out += text.substr(done, secret.from - done);
    if (secret.length > 0) out += mask;
    done = secret.from + secret.length;
  }
  return out.append(text.substr(done));
}

}  // namespace

std::string mask_url_password(std::string_view text) {
  return mask_passwords(text);
}

std::string mask_secrets(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  std::size_t at = 0;
  while (at < text.size()) {
    const auto rest = text.substr(at);
    if (const auto prefix = secret_prefix_length(rest); prefix > 0) {
      out.append(rest.substr(0, prefix)).append(mask);
      at += prefix + run_length(rest.substr(prefix));
    } else if (const auto length = jws_length(rest); length > 0) {
      out.append("[token]");
      at += length;
    } else if (is_base64url(text[at])) {
      // Not at the start of a secret: pass the whole word, but stop before a "wk_" inside it.
      const auto word = rest.substr(0, run_length(rest));
      const auto next = std::min(word.find("wk_", 1), word.size());
      out.append(word.substr(0, next));
      at += next;
    } else {
      out += text[at++];
    }
  }
  return mask_passwords(out);
}

bool holds_secret(std::string_view text) {
  // Whatever is masked holds one of these.
  if (text.find("wk_") == std::string_view::npos && text.find("://") == std::string_view::npos &&
      text.find("password=") == std::string_view::npos && std::ranges::count(text, '.') < 2)
    return false;
  return mask_secrets(text) != text;
}

}  // namespace watchkeeper::server
