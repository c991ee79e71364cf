#pragma once

#include <CLI/CLI.hpp>

/// How --help looks: one clean line an option, wrapped at 100 columns. Internal to server/cli.
namespace watchkeeper::server {

class help_format : public CLI::Formatter {
 public:
  help_format();

 protected:
  // "--interval SECONDS", without ranges, types and what else CLI11 would add.
  [[nodiscard]] std::string make_option_opts(const CLI::Option* option) const override;
  // The description with its default, wrapped.
  [[nodiscard]] std::string make_option_desc(const CLI::Option* option) const override;
  [[nodiscard]] std::string make_subcommand(const CLI::App* command) const override;
};

/// CLI11's text with at most one blank line at a time.
std::string tidy_help(const std::string& text);

}  // namespace watchkeeper::server
