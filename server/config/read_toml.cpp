#include <fmt/format.h>

#include <toml++/toml.h>

#include <algorithm>
#include <optional>

#include "server/config/keys.hpp"
#include "server/config/load_steps.hpp"
#include "server/config/text_checks.hpp"

namespace watchkeeper::server {
namespace {

std::string_view type_name(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::table:
      return "a table";
    case toml::node_type::array:
      return "an array";
    case toml::node_type::string:
      return "a text";
    case toml::node_type::integer:
      return "a whole number";
    case toml::node_type::floating_point:
      return "a number with a fraction";
    case toml::node_type::boolean:
      return "true or false";
    case toml::node_type::date:
      return "a date";
    case toml::node_type::time:
      return "a time";
    case toml::node_type::date_time:
      return "a date and time";
    default:
      return "something else";
  }
}

std::string_view expected_type(const key_description& key) {
  constexpr std::string_view names[] = {"a text in quotes", "a whole number", "true or false",
                                        "a list of texts"};
  return names[key.member.index()];
}

std::optional<key_value> scalar(const toml::node& node) {
  if (const auto* text = node.as_string()) return key_value{text->get()};
  if (const auto* number = node.as_integer()) return key_value{number->get()};
  if (const auto* truth = node.as_boolean()) return key_value{truth->get()};
  if (const auto* list = node.as_array()) {
    std::vector<std::string> texts;
    for (const auto& each : *list) {
      const auto* text = each.as_string();
      if (text == nullptr) return {};
      texts.push_back(text->get());
    }
    return key_value{std::move(texts)};
  }
  return {};
}

class toml_reader {
 public:
  toml_reader(const std::string& name, loaded_configuration& into) : name_(name), into_(into) {}

  void read(const toml::table& table, const std::string& prefix) {
    for (const auto& [key, node] : table) {
      const auto path = prefix + std::string(key.str());
      if (path == "token") {
        read_tokens(node);
      } else if (path == "static") {
        read_static_folders(node);
      } else if (const auto* described = find_key(path)) {
        read_key(*described, node, key.source());
      } else if (const auto* section = node.as_table(); section != nullptr && is_section(path)) {
        read(*section, path + ".");
      } else if (is_section(path)) {
        complain(node.source(), fmt::format("{} is a section; write it as [{}]", path, path));
      } else {
        complain(key.source(), fmt::format("unknown key {}{}", path, suggestion(path)));
      }
    }
  }

  void complain(const toml::source_region& region, std::string what) {
    into_.problems.push_back({where(region), std::move(what)});
  }
  [[nodiscard]] std::string where(const toml::source_region& region) const {
    return fmt::format("{}:{}:{}", name_, region.begin.line, region.begin.column);
  }

 private:
  static bool is_section(std::string_view path) {
    return std::ranges::any_of(all_keys(),
                               [&](const auto& key) { return section_of(key.path) == path; });
  }

  void read_key(const key_description& key, const toml::node& node,
                const toml::source_region& key_region) {
    const auto value = scalar(node);
    if (!value || value->index() != key.member.index())
      return complain(node.source(), fmt::format("{} must be {}, not {}", key.path,
                                                 expected_type(key), type_name(node)));
    if (const auto set = set_value(key, into_.values, *value); !set)
      return complain(node.source(), fmt::format("{} {}", key.path, set.error()));
    into_.origins[std::string(key.path)] = where(key_region);
  }

  void read_tokens(const toml::node& node) {
    const auto* list = node.as_array();
    if (list == nullptr || !std::ranges::all_of(*list, [](auto& n) { return n.is_table(); }))
      return complain(node.source(), "token must be a list of tables; write each as [[token]]");
    into_.origins["token"] = where(node.source());
    for (const auto& element : *list) read_token(*element.as_table());
  }

  void read_static_folders(const toml::node& node) {
    const auto* list = node.as_array();
    if (list == nullptr || !std::ranges::all_of(*list, [](auto& n) { return n.is_table(); }))
      return complain(node.source(), "static must be a list of tables; write each as [[static]]");
    into_.origins["static"] = where(node.source());
    for (const auto& element : *list) read_static_folder(*element.as_table());
  }

  void read_static_folder(const toml::table& table) {
    static_folder folder;
    const std::pair<std::string_view, std::string*> texts[] = {
        {"path", &folder.path},
        {"folder", &folder.folder},
        {"immutable", &folder.immutable},
        {"content_security_policy", &folder.content_security_policy}};
    bool complete = true;
    for (const auto& item : table) {
      const auto& key = item.first;
      const auto& node = item.second;
      const auto wrong_type = [&](std::string_view right) {
        complete = false;
        complain(node.source(),
                 fmt::format("{} must be {}, not {}", key.str(), right, type_name(node)));
      };
      const auto text = std::ranges::find(texts, key.str(), [](const auto& t) { return t.first; });
      if (text != std::end(texts)) {
        const auto* value = node.as_string();
        if (value == nullptr)
          wrong_type("a text in quotes");
        else
          *text->second = value->get();
      } else if (key.str() == "max_age_s") {
        const auto* value = node.as_integer();
        if (value == nullptr)
          wrong_type("a whole number");
        else
          folder.max_age_s = value->get();
      } else {
        complain(key.source(), fmt::format("unknown key {} in a [[static]]; it may have path, "
                                           "folder, max_age_s, immutable and "
                                           "content_security_policy",
                                           key.str()));
      }
    }
    for (const std::string_view needed : {"path", "folder"})
      if (!table.contains(needed)) {
        complete = false;
        complain(table.source(), fmt::format("this [[static]] has no {}", needed));
      }
    if (complete) add_static_folder(std::move(folder), where(table.source()), into_);
  }

  void read_token(const toml::table& token) {
    constexpr std::string_view fields[] = {"name", "role", "sha256"};
    std::string values[3];
    bool complete = true;
    for (const auto& [key, node] : token) {
      const auto field = std::ranges::find(fields, key.str());
      if (field == std::end(fields)) {
        complain(key.source(), fmt::format("unknown key {} in a [[token]]; it may have name, role "
                                           "and sha256",
                                           key.str()));
      } else if (const auto* text = node.as_string()) {
        values[field - fields] = text->get();
      } else {
        complete = false;
        complain(node.source(),
                 fmt::format("{} must be a text in quotes, not {}", key.str(), type_name(node)));
      }
    }
    for (std::size_t i = 0; i < 3; ++i) {
      if (token.contains(fields[i])) continue;
      complete = false;
      complain(token.source(), fmt::format("this [[token]] has no {}", fields[i]));
    }
    if (complete) add_token(values[0], values[1], values[2], where(token.source()), into_);
  }

  const std::string& name_;
  loaded_configuration& into_;
};

}  // namespace

void read_toml(std::string_view text, const std::string& name, loaded_configuration& into) {
  toml_reader reader(name, into);
  try {
    const auto table = toml::parse(text, name);
    const auto first = into.problems.size();
    reader.read(table, "");
    // The parser's tables are sorted by name; people read from the top.
    const auto position = [](const configuration_problem& p) {
      const auto column = p.where.rfind(':');
      const auto line = p.where.rfind(':', column - 1);
      return std::pair{std::stoul(p.where.substr(line + 1)),
                       std::stoul(p.where.substr(column + 1))};
    };
    std::stable_sort(into.problems.begin() + static_cast<std::ptrdiff_t>(first),
                     into.problems.end(),
                     [&](const auto& a, const auto& b) { return position(a) < position(b); });
  } catch (const toml::parse_error& error) {
    reader.complain(error.source(), fmt::format("this is not TOML: {}", error.description()));
  }
}

}  // namespace watchkeeper::server
