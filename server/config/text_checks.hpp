#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"

/// Checks of single texts. The error is a sentence: what is wrong and what would be right.
namespace watchkeeper::server {

using text_result = result<ok_t, std::string>;

text_result check_listen_address(std::string_view text);  // empty is allowed: do not listen
text_result check_hot_store(std::string_view text);
text_result check_ledger(std::string_view text);
text_result check_not_empty(std::string_view text);
text_result check_uri_reference(std::string_view text);
/// An origin as a browser sends it (RFC 6454, section 6.2), or *.
text_result check_origin(std::string_view text);
/// Where a folder is served: "/" or "/player/", none of the gateway's own paths.
text_result check_static_path(std::string_view text);
/// Printable ASCII, not empty.
text_result check_header_value(std::string_view text);
/// The name of a token: 1 to 64 of A-Z a-z 0-9 . _ -
text_result check_token_name(std::string_view text);
/// 64 lower-case hexadecimal digits.
text_result check_sha256(std::string_view text);

/// The number of insertions, deletions, replacements and swaps of neighbours between the two.
std::size_t edit_distance(std::string_view a, std::string_view b);

}  // namespace watchkeeper::server
