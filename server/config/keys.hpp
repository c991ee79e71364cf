#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "base/result.hpp"
#include "server/config/configuration.hpp"

namespace watchkeeper::server {

/// The description of one configuration key. The TOML reader, the environment, the command line,
/// `watchkeeper config` and the documentation all read the one table of them.
struct key_description {
  using text_member = std::string& (*)(configuration&);
  using integer_member = std::int64_t& (*)(configuration&);
  using boolean_member = bool& (*)(configuration&);
  using list_member = std::vector<std::string>& (*)(configuration&);
  /// The error is a sentence: what is wrong with a text and what would be right.
  using text_check = result<ok_t, std::string> (*)(std::string_view);

  std::string_view path;  // "store.hot"; no dot: a key of the top level
  std::variant<text_member, integer_member, boolean_member, list_member> member;
  std::string_view help;     // one sentence
  std::int64_t minimum = 0;  // of integers, inclusive
  std::int64_t maximum = 0;
  std::string_view choices{};    // of texts: the words allowed, separated by '|'; empty: any
  text_check check = nullptr;    // of texts, and of each text of a list
  std::string_view form{};       // of checked texts: what is allowed, for people
  bool may_hold_secret = false;  // a URL with a password: masked wherever it is shown
};

/// In the order of the documentation; keys of one section stand together.
std::span<const key_description> all_keys() noexcept;
const key_description* find_key(std::string_view path) noexcept;

/// "store.checkpoint_interval_s" -> "WATCHKEEPER_STORE_CHECKPOINT_INTERVAL_S"
std::string environment_name(const key_description& key);
/// "store.checkpoint_interval_s" -> "--store.checkpoint-interval-s"
std::string flag_name(const key_description& key);
/// "store" of "store.hot"; empty for the top level.
std::string_view section_of(std::string_view path) noexcept;

inline constexpr std::size_t list_texts_max = 64;

using key_value = std::variant<std::string, std::int64_t, bool, std::vector<std::string>>;
key_value value_of(const key_description& key, const configuration& settings);
/// As TOML writes it. `mask`: passwords are replaced.
std::string toml_value(const key_description& key, const configuration& settings, bool mask);
/// "1 to 3600", "fsync, log or memory", "true or false", …
std::string allowed_values(const key_description& key);

/// Sets the key, or changes nothing; then the error is "must be 1 to 3600, not 0".
result<ok_t, std::string> set_value(const key_description& key, configuration& settings,
                                    const key_value& value);
/// The same from the text of an environment variable or a flag; the texts of a list are joined by
/// commas there.
result<ok_t, std::string> set_from_text(const key_description& key, configuration& settings,
                                        std::string_view text);

/// `text` as a TOML basic string, quotes included.
std::string toml_quote(std::string_view text);

}  // namespace watchkeeper::server
