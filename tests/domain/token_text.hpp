#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/base64url.hpp"

namespace watchkeeper::test {

/// The members of an object: name and value, both as JSON text.
using json_members = std::vector<std::pair<std::string, std::string>>;

inline std::string json_object(const json_members& members) {
  std::string text = "{";
  for (const auto& [name, value] : members) {
    if (text.size() > 1) text += ',';
    text += name + ':' + value;
  }
  return text + '}';
}

inline std::string base64url_of(std::string_view text) {
  return base64url::encode(
      std::span{reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

inline std::string compact_jws(std::string_view header, std::string_view payload,
                               std::string_view signature) {
  return base64url_of(header) + '.' + base64url_of(payload) + '.' + base64url_of(signature);
}

inline const std::string some_kid = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs";

inline json_members plain_header() {
  return {{R"("alg")", R"("ES256")"},
          {R"("kid")", '"' + some_kid + '"'},
          {R"("typ")", R"("engagement+jwt")"}};
}

inline json_members plain_payload() {
  return {{R"("sub")", R"("student-4711")"},
          {R"("cid")", R"("module-7")"},
          {R"("sid")", R"("0f8fad5b-d9cb")"},
          {R"("sn")", "17"},
          {R"("from")", "160000"},
          {R"("to")", "170000"},
          {R"("iat")", "1763812345.123"}};
}

inline const std::string signature_text(64, 's');

inline std::string token_of(const json_members& header, const json_members& payload) {
  return compact_jws(json_object(header), json_object(payload), signature_text);
}

}  // namespace watchkeeper::test
