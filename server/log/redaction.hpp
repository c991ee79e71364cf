#pragma once

#include <string>
#include <string_view>

/// What must not be seen in a log line or on a screen. Pure. For texts of at
/// most a log line's length: the worst case is quadratic.
namespace watchkeeper::server {

/// Masks everything that looks like a JWS (three base64url parts joined by dots), a bearer secret
/// (wk_<role>_…) or a password in a URL, wherever it stands in the text.
std::string mask_secrets(std::string_view text);
/// Whether mask_secrets would change the text; cheaper.
bool holds_secret(std::string_view text);

/// "redis://user:secret@host" -> "redis://user:***@host"; `password=…` of a query as well.
std::string mask_url_password(std::string_view text);

}  // namespace watchkeeper::server
