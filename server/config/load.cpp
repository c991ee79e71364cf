#include "server/config/load.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "server/config/keys.hpp"
#include "server/config/load_steps.hpp"
#include "server/config/text_checks.hpp"

namespace watchkeeper::server {

namespace {

void read_file(loaded_configuration& into) {
  const auto& name = into.sources.file;
  if (name.empty()) return;
  errno = 0;
  std::ifstream file(name, std::ios::binary);
  if (!file) {
    const int why = errno;
    if (why == ENOENT && !into.sources.file_must_exist) return;
    into.problems.push_back({name, fmt::format("cannot be read: {}", std::strerror(why))});
    return;
  }
  std::string text(configuration_file_bytes_max + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (file.bad()) {
    into.problems.push_back({name, "cannot be read; it must be a file, not a directory"});
  } else if (text.size() > configuration_file_bytes_max) {
    into.problems.push_back({name, "is larger than 1 MiB; a configuration must be smaller"});
  } else {
    read_toml(text, name, into);
  }
}

}  // namespace

std::string suggestion(std::string_view unknown) {
  std::string_view best;
  std::size_t best_distance = 3;  // with more than two mistakes it is another word
  for (const auto& key : all_keys()) {
    const auto distance = edit_distance(unknown, key.path);
    // Not "x for y": most of the word must have been right.
    if (distance < best_distance && distance * 2 < key.path.size()) {
      best = key.path;
      best_distance = distance;
    }
  }
  if (best.empty()) {
    // A key that was written into the wrong section, or a section misspelt.
    const auto last_dot = unknown.rfind('.');
    const auto name = last_dot == std::string_view::npos ? unknown : unknown.substr(last_dot + 1);
    for (const auto& key : all_keys()) {
      const auto section = section_of(key.path);
      const auto own = section.empty() ? key.path : key.path.substr(section.size() + 1);
      if (own == name || (edit_distance(unknown, section) <= 2 && section.size() > 2)) {
        if (own == name) return fmt::format("; did you mean {}?", key.path);
        return fmt::format("; did you mean the section [{}]?", section);
      }
    }
    return {};
  }
  return fmt::format("; did you mean {}?", best);
}

void add_token(std::string_view name, std::string_view role, std::string_view sha256,
               const std::string& where, loaded_configuration& into) {
  const auto before = into.problems.size();
  const auto complain = [&](std::string what) {
    into.problems.push_back({where, std::move(what)});
  };
  configured_token token{std::string(name), token_role::viewer, std::string(sha256)};
  if (const auto good = check_token_name(name); !good) complain(good.error());
  bool role_is_valid = false;
  for (const auto each : {token_role::viewer, token_role::admin, token_role::operator_}) {
    if (name_of(each) != role) continue;
    token.role = each;
    role_is_valid = true;
  }
  if (!role_is_valid)
    complain(fmt::format("role must be viewer, admin or operator, not {}", toml_quote(role)));
  if (const auto good = check_sha256(sha256); !good) complain("sha256 " + good.error());
  if (into.values.tokens.size() >= configured_tokens_max)
    complain(fmt::format("there are more than {} tokens", configured_tokens_max));
  for (const auto& other : into.values.tokens) {
    if (other.name == token.name)
      complain(fmt::format("two tokens are named {}; give each a name of its own", token.name));
    if (other.sha256 == token.sha256)
      complain(
          fmt::format("tokens {} and {} have the same secret; replace one with "
                      "`watchkeeper token`",
                      other.name, token.name));
  }
  if (into.problems.size() != before) return;
  into.origins["token " + token.name] = where;
  into.values.tokens.push_back(std::move(token));
}

void add_static_folder(static_folder folder, const std::string& where, loaded_configuration& into) {
  const auto before = into.problems.size();
  const auto complain = [&](std::string what) {
    into.problems.push_back({where, std::move(what)});
  };
  if (const auto good = check_static_path(folder.path); !good) complain("path " + good.error());
  if (folder.folder.empty()) complain("folder must not be empty");
  if (folder.max_age_s < 0 || folder.max_age_s > 31'536'000)
    complain(fmt::format("max_age_s must be 0 to 31536000, not {}", folder.max_age_s));
  if (!folder.immutable.empty() &&
      (folder.immutable.front() == '/' || folder.immutable.back() != '/'))
    complain(fmt::format("immutable must be a folder in this one, such as assets/, not {}",
                         toml_quote(folder.immutable)));
  if (const auto good = check_header_value(folder.content_security_policy); !good)
    complain("content_security_policy " + good.error());
  if (into.values.static_folders.size() >= static_folders_max)
    complain(fmt::format("there are more than {} [[static]] folders", static_folders_max));
  for (const auto& other : into.values.static_folders)
    if (other.path == folder.path)
      complain(fmt::format("two folders are at {}; give each a path of its own", folder.path));
  if (into.problems.size() == before) into.values.static_folders.push_back(std::move(folder));
}

loaded_configuration load_configuration(configuration_sources sources) {
  loaded_configuration loaded;
  loaded.sources = std::move(sources);
  for (const auto& key : all_keys()) loaded.origins[std::string(key.path)] = "default";
  loaded.origins["token"] = "default";
  loaded.origins["static"] = "default";
  read_file(loaded);
  read_environment(loaded);
  read_flags(loaded);
  check_together(loaded);
  return loaded;
}

std::string describe(const configuration_problem& problem) {
  if (problem.where == "default") return problem.what;
  return fmt::format("{}: {}", problem.where, problem.what);
}

std::string describe(const std::vector<configuration_problem>& problems) {
  std::string out;
  for (const auto& problem : problems) out += describe(problem) + '\n';
  return out;
}

std::vector<std::string> watchkeeper_environment() {
  std::vector<std::string> out;
  for (char** each = environ; each != nullptr && *each != nullptr; ++each)
    if (std::string_view(*each).starts_with("WATCHKEEPER_")) out.emplace_back(*each);
  return out;
}

}  // namespace watchkeeper::server
