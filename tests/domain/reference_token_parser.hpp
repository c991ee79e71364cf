#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "domain/engagement_token.hpp"

namespace watchkeeper::test {

/// docs/protocol.md section 2 once more, built on nlohmann-json and strings, as slow as it likes.
/// Nothing when nlohmann cannot say: it refuses a number that no double holds, which is valid JSON.
std::optional<result<engagement_token, problem>> parse_token_slowly(std::string_view text);

/// RFC 4648 section 5, bit by bit; nothing unless encoding the result gives `text` again.
std::optional<std::string> decode_base64url_slowly(std::string_view text);
std::string encode_base64url_slowly(std::string_view bytes);

}  // namespace watchkeeper::test
