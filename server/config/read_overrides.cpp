#include <fmt/format.h>

#include <algorithm>

#include "server/config/keys.hpp"
#include "server/config/load_steps.hpp"
#include "server/config/text_checks.hpp"

namespace watchkeeper::server {
namespace {

constexpr std::string_view tokens_variable = "WATCHKEEPER_TOKENS";

void apply(const key_description& key, std::string_view text, const std::string& where,
           loaded_configuration& into) {
  if (const auto set = set_from_text(key, into.values, text); !set)
    into.problems.push_back({where, fmt::format("{} {}", key.path, set.error())});
  else
    into.origins[std::string(key.path)] = where;
}

// name:role:sha256[,name:role:sha256 …]
void read_tokens(std::string_view text, const std::string& where, loaded_configuration& into) {
  into.values.tokens.clear();
  into.origins["token"] = where;
  while (!text.empty()) {
    const auto comma = text.find(',');
    const auto one = text.substr(0, comma);
    text = comma == std::string_view::npos ? std::string_view{} : text.substr(comma + 1);
    const auto first = one.find(':');
    const auto second = first == std::string_view::npos ? first : one.find(':', first + 1);
    if (second == std::string_view::npos) {
      into.problems.push_back({where, "each token must be name:role:sha256, joined by commas"});
      continue;
    }
    add_token(one.substr(0, first), one.substr(first + 1, second - first - 1),
              one.substr(second + 1), where, into);
  }
}

// A variable whose name resembles that of a key is a mistake; any other belongs to another program.
void check_unknown(std::string_view name, loaded_configuration& into) {
  for (const auto& key : all_keys()) {
    const auto existing = environment_name(key);
    if (edit_distance(name, existing) <= 2) {
      into.problems.push_back({fmt::format("environment {}", name),
                               fmt::format("unknown variable; did you mean {}?", existing)});
      return;
    }
  }
}

}  // namespace

void read_environment(loaded_configuration& into) {
  for (const auto& entry : into.sources.environment) {
    const std::string_view all = entry;
    const auto equals = all.find('=');
    if (equals == std::string_view::npos || !all.starts_with("WATCHKEEPER_")) continue;
    const auto name = all.substr(0, equals);
    const auto value = all.substr(equals + 1);
    const auto where = fmt::format("environment {}", name);
    if (name == tokens_variable) {
      read_tokens(value, where, into);
      continue;
    }
    const auto key = std::ranges::find_if(
        all_keys(), [&](const auto& each) { return environment_name(each) == name; });
    if (key != all_keys().end())
      apply(*key, value, where, into);
    else
      check_unknown(name, into);
  }
}

void read_flags(loaded_configuration& into) {
  for (const auto& [path, text] : into.sources.flags) {
    const auto* key = find_key(path);
    if (key == nullptr)
      into.problems.push_back({"flag " + path, "unknown key" + suggestion(path)});
    else
      apply(*key, text, "flag " + flag_name(*key), into);
  }
}

}  // namespace watchkeeper::server
