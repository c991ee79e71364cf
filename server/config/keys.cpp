#include "server/config/keys.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "server/log/redaction.hpp"

namespace watchkeeper::server {
namespace {

using set_result = result<ok_t, std::string>;

// "fsync|log|memory" -> "fsync, log or memory"
std::string spell_choices(std::string_view choices) {
  std::string out;
  while (!choices.empty()) {
    const auto bar = choices.find('|');
    const auto word = choices.substr(0, bar);
    choices = bar == std::string_view::npos ? std::string_view{} : choices.substr(bar + 1);
    if (!out.empty()) out += choices.empty() ? " or " : ", ";
    out += word;
  }
  return out;
}

bool is_choice(std::string_view choices, std::string_view word) {
  if (word.empty() || word.find('|') != std::string_view::npos) return false;
  const auto fenced = fmt::format("|{}|", choices);
  return fenced.find(fmt::format("|{}|", word)) != std::string::npos;
}

set_result set_text(const key_description& key, std::string& member, const std::string& value) {
  if (value.find('\0') != std::string::npos) return std::string("must not have a NUL character");
  if (!key.choices.empty() && !is_choice(key.choices, value))
    return fmt::format("must be {}, not {}", spell_choices(key.choices), toml_quote(value));
  if (key.check != nullptr)
    if (auto checked = key.check(value); !checked) return checked;
  member = value;
  return ok;
}

set_result set_integer(const key_description& key, std::int64_t& member, std::int64_t value) {
  if (value < key.minimum || value > key.maximum)
    return fmt::format("must be {} to {}, not {}", key.minimum, key.maximum, value);
  member = value;
  return ok;
}

set_result set_list(const key_description& key, std::vector<std::string>& member,
                    const std::vector<std::string>& value) {
  if (value.size() > list_texts_max)
    return fmt::format("must have at most {} texts, not {}", list_texts_max, value.size());
  for (const auto& each : value) {
    if (each.find('\0') != std::string::npos) return std::string("must not have a NUL character");
    if (key.check != nullptr)
      if (auto checked = key.check(each); !checked) return checked;
  }
  member = value;
  return ok;
}

std::string_view kind_of(const key_value& value) {
  constexpr std::string_view names[] = {"a text", "a whole number", "true or false",
                                        "a list of texts"};
  return names[value.index()];
}

std::string to_upper(std::string_view text) {
  std::string out(text);
  for (auto& c : out) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    if (c == '.') c = '_';
  }
  return out;
}

}  // namespace

const key_description* find_key(std::string_view path) noexcept {
  const auto keys = all_keys();
  const auto found = std::ranges::find(keys, path, &key_description::path);
  return found == keys.end() ? nullptr : &*found;
}

std::string environment_name(const key_description& key) {
  return "WATCHKEEPER_" + to_upper(key.path);
}

std::string flag_name(const key_description& key) {
  auto out = fmt::format("--{}", key.path);
  std::ranges::replace(out, '_', '-');
  return out;
}

std::string_view section_of(std::string_view path) noexcept {
  const auto dot = path.find('.');
  return dot == std::string_view::npos ? std::string_view{} : path.substr(0, dot);
}

key_value value_of(const key_description& key, const configuration& settings) {
  // The members are named once, by functions that give a reference to write through.
  auto& readable = const_cast<configuration&>(settings);
  return std::visit([&](auto member) -> key_value { return member(readable); }, key.member);
}

std::string toml_quote(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\u{:04X}", byte);
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string toml_value(const key_description& key, const configuration& settings, bool mask) {
  const auto value = value_of(key, settings);
  if (const auto* truth = std::get_if<bool>(&value)) return *truth ? "true" : "false";
  if (const auto* number = std::get_if<std::int64_t>(&value)) return std::to_string(*number);
  if (const auto* list = std::get_if<std::vector<std::string>>(&value)) {
    std::string out = "[";
    for (const auto& each : *list) out += (out.size() > 1 ? ", " : "") + toml_quote(each);
    return out + ']';
  }
  const auto& text = std::get<std::string>(value);
  return toml_quote(mask && key.may_hold_secret ? mask_url_password(text) : text);
}

std::string allowed_values(const key_description& key) {
  if (std::holds_alternative<key_description::boolean_member>(key.member)) return "true or false";
  if (std::holds_alternative<key_description::integer_member>(key.member))
    return fmt::format("{} to {}", key.minimum, key.maximum);
  if (!key.choices.empty()) return spell_choices(key.choices);
  return std::string(key.form);
}

result<ok_t, std::string> set_value(const key_description& key, configuration& settings,
                                    const key_value& value) {
  return std::visit(
      [&](auto member) -> set_result {
        auto& target = member(settings);
        using value_type = std::remove_reference_t<decltype(target)>;
        const auto* given = std::get_if<value_type>(&value);
        if (given == nullptr)
          return fmt::format("must be {}, not {}", kind_of(key_value{value_type{}}),
                             kind_of(value));
        if constexpr (std::is_same_v<value_type, std::string>) {
          return set_text(key, target, *given);
        } else if constexpr (std::is_same_v<value_type, std::int64_t>) {
          return set_integer(key, target, *given);
        } else if constexpr (std::is_same_v<value_type, std::vector<std::string>>) {
          return set_list(key, target, *given);
        } else {
          target = *given;
          return ok;
        }
      },
      key.member);
}

result<ok_t, std::string> set_from_text(const key_description& key, configuration& settings,
                                        std::string_view text) {
  if (std::holds_alternative<key_description::integer_member>(key.member)) {
    std::int64_t number = 0;
    const auto* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, number);
    if (error != std::errc{} || stop != end)
      return fmt::format("must be a whole number, {}, not {}", allowed_values(key),
                         toml_quote(text));
    return set_value(key, settings, number);
  }
  if (std::holds_alternative<key_description::boolean_member>(key.member)) {
    if (text == "true" || text == "1") return set_value(key, settings, true);
    if (text == "false" || text == "0") return set_value(key, settings, false);
    return fmt::format("must be true or false, not {}", toml_quote(text));
  }
  if (std::holds_alternative<key_description::list_member>(key.member)) {
    std::vector<std::string> list;
    while (!text.empty()) {
      const auto comma = text.find(',');
      list.emplace_back(text.substr(0, comma));
      text = comma == std::string_view::npos ? std::string_view{} : text.substr(comma + 1);
    }
    return set_value(key, settings, std::move(list));
  }
  return set_value(key, settings, std::string(text));
}

}  // namespace watchkeeper::server
