#include "server/cli/help_format.hpp"

#include <sstream>

namespace watchkeeper::server {
namespace {

constexpr std::size_t name_columns = 34;
constexpr std::size_t text_columns = 66;

// CLI11 indents what follows a line's end.
std::string wrapped(const std::string& text) {
  std::istringstream words(text);
  std::string out;
  std::size_t column = 0;
  for (std::string word; words >> word; column += word.size()) {
    if (column > 0 && column + 1 + word.size() > text_columns) {
      out += '\n';
      column = 0;
    } else if (column > 0) {
      out += ' ';
      ++column;
    }
    out += word;
  }
  return out;
}

}  // namespace

help_format::help_format() {
  column_width(name_columns);
}

std::string help_format::make_option_opts(const CLI::Option* option) const {
  std::string out;
  if (option->get_type_size() != 0) {
    // The checks that were added to an option appear in its type's name after a colon.
    const auto type = option->get_type_name();
    out = " " + type.substr(0, type.find(':'));
  }
  return out;
}

std::string help_format::make_option_desc(const CLI::Option* option) const {
  auto text = option->get_description();
  auto initial = option->get_default_str();
  if (initial.size() > 2 && initial.front() == '[') initial = initial.substr(1, initial.size() - 2);
  if (option->get_required()) text += " (required)";
  if (!initial.empty() && option->get_type_size() != 0) text += " (default " + initial + ")";
  if (!option->get_envname().empty()) text += "; or the variable " + option->get_envname();
  return wrapped(text);
}

std::string help_format::make_subcommand(const CLI::App* command) const {
  std::ostringstream out;
  CLI::detail::format_help(out, command->get_name(), wrapped(command->get_description()),
                           column_width_);
  return out.str();
}

std::string tidy_help(const std::string& text) {
  std::string out;
  for (const char c : text)
    if (c != '\n' || !out.ends_with("\n\n")) out += c;
  return out;
}

}  // namespace watchkeeper::server
