#include "server/config/print.hpp"

#include <fmt/format.h>

#include "server/config/keys.hpp"

namespace watchkeeper::server {
namespace {

std::string own_name(const key_description& key) {
  const auto section = section_of(key.path);
  return std::string(section.empty() ? key.path : key.path.substr(section.size() + 1));
}

// In a Markdown table a bar ends the cell.
std::string escape_cell(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '|') out += '\\';
    out += c;
  }
  return out;
}

}  // namespace

std::string print_configuration(const loaded_configuration& loaded) {
  std::string out;
  std::string_view section;
  for (const auto& key : all_keys()) {
    if (section_of(key.path) != section) {
      section = section_of(key.path);
      out += fmt::format("\n[{}]\n", section);
    }
    out += fmt::format("{} = {}  # {}\n", own_name(key), toml_value(key, loaded.values, true),
                       loaded.origins.at(std::string(key.path)));
  }
  const auto origin_of = [&](const configured_token& token) {
    const auto own = loaded.origins.find("token " + token.name);
    return own == loaded.origins.end() ? loaded.origins.at("token") : own->second;
  };
  for (const auto& token : loaded.values.tokens)
    out += fmt::format("\n[[token]]  # {}\nname = {}\nrole = {}\nsha256 = \"{}…\"\n",
                       origin_of(token), toml_quote(token.name), toml_quote(name_of(token.role)),
                       token.sha256.substr(0, 8));
  for (const auto& folder : loaded.values.static_folders)
    out += fmt::format(
        "\n[[static]]  # {}\npath = {}\nfolder = {}\nmax_age_s = {}\nimmutable = {}\n"
        "content_security_policy = {}\n",
        loaded.origins.at("static"), toml_quote(folder.path), toml_quote(folder.folder),
        folder.max_age_s, toml_quote(folder.immutable), toml_quote(folder.content_security_policy));
  return out;
}

std::string markdown_tables() {
  const configuration defaults;
  std::string out;
  std::string_view section = "-";
  for (const auto& key : all_keys()) {
    if (section_of(key.path) != section) {
      section = section_of(key.path);
      if (section.empty())
        out += "### Top level\n\n";
      else
        out += fmt::format("\n### [{}]\n\n", section);
      out += "| key | default | allowed | meaning |\n|---|---|---|---|\n";
    }
    out += fmt::format("| `{}` | `{}` | {} | {} |\n", key.path, toml_value(key, defaults, true),
                       escape_cell(allowed_values(key)), escape_cell(key.help));
  }
  return out;
}

}  // namespace watchkeeper::server
