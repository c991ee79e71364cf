#include <boost/test/unit_test.hpp>

#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <regex>
#include <sstream>

#include "crypto/digest.hpp"
#include "server/cli/cli.hpp"
#include "tests/base/manual_clock.hpp"
#include "tests/server/scratch.hpp"

namespace {

using namespace watchkeeper;
using namespace watchkeeper::server;
using namespace watchkeeper::server::testing;

// One run of the program, with a directory of its own for its files.
struct program {
  std::filesystem::path directory =
      std::filesystem::temp_directory_path() /
      ("watchkeeper-cli-test-" + std::to_string(std::random_device{}()));
  std::ostringstream out;
  std::ostringstream err;
  std::vector<std::string> environment;
  std::optional<loaded_configuration> served;
  std::optional<fleet::fleet_options> fleet_run;
  std::optional<top::top_options> top_run;

  program() { std::filesystem::create_directories(directory); }
  ~program() { std::filesystem::remove_all(directory); }
  program(const program&) = delete;
  program& operator=(const program&) = delete;

  int run(const std::vector<std::string>& arguments) {
    out.str("");
    err.str("");
    const test::manual_clock clock{wall_ms(moment_ms)};
    command_handlers handlers{.serve =
                                  [this](const auto& loaded) {
                                    served = loaded;
                                    return 0;
                                  },
                              .fleet =
                                  [this](const auto& options) {
                                    fleet_run = options;
                                    return 1;
                                  },
                              .top =
                                  [this](const auto& options) {
                                    top_run = options;
                                    return 0;
                                  },
                              .time = clock,
                              .environment = environment,
                              .out = out,
                              .err = err};
    std::vector<const char*> argv = {"watchkeeper"};
    for (const auto& argument : arguments) argv.push_back(argument.c_str());
    return run_command_line(static_cast<int>(argv.size()), argv.data(), handlers);
  }
  [[nodiscard]] std::string file(const std::string& name) const {
    return (directory / name).string();
  }
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(file(name)) << text;
    return file(name);
  }
  [[nodiscard]] bool said(const std::string& text) const {
    return out.str().find(text) != std::string::npos;
  }
  [[nodiscard]] bool complained(const std::string& text) const {
    return err.str().find(text) != std::string::npos;
  }
};

std::string content_of(const std::string& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string secret_in(const std::string& text) {
  std::smatch found;
  const std::regex form("\\n  (wk_[a-z]+_[A-Za-z0-9_-]{43})\\n");
  return std::regex_search(text, found, form) ? found[1].str() : "";
}

}  // namespace

BOOST_AUTO_TEST_SUITE(cli)

BOOST_AUTO_TEST_CASE(no_command_serves_and_run_does_too) {
  program p;
  const auto file = p.write("w.toml", "shards = 3\n");
  BOOST_TEST(p.run({"--config", file}) == exit_ok);
  BOOST_REQUIRE(p.served.has_value());
  BOOST_TEST(p.served->values.shards == 3);
  BOOST_TEST(p.served->sources.file == file);  // to load it again
  p.served.reset();
  BOOST_TEST(p.run({"run", "--config", file, "--shards", "5"}) == exit_ok);
  BOOST_REQUIRE(p.served.has_value());
  BOOST_TEST(p.served->values.shards == 5);
}

BOOST_AUTO_TEST_CASE(flags_stand_before_or_after_the_command_in_either_spelling) {
  program p;
  const auto file = p.write("w.toml", "");
  const std::vector<std::vector<std::string>> spellings = {
      {"--config", file, "--store.checkpoint-interval-s", "7", "run"},
      {"run", "-c", file, "--store.checkpoint_interval_s", "7"},
      {"run", "--config=" + file, "--store.checkpoint_interval_s=7"},
  };
  for (const auto& arguments : spellings) {
    p.served.reset();
    BOOST_TEST(p.run(arguments) == exit_ok);
    BOOST_REQUIRE(p.served.has_value());
    BOOST_TEST(p.served->values.store.checkpoint_interval_s == 7);
    BOOST_TEST(p.served->origins.at("store.checkpoint_interval_s") ==
               "flag --store.checkpoint-interval-s");
  }
  BOOST_TEST(p.run({"-c", file, "--h2c-listen", "[::1]:80", "--listen", ""}) == exit_ok);
  BOOST_TEST(p.served->values.listen == "");
}

BOOST_AUTO_TEST_CASE(a_bad_configuration_is_not_served) {
  program p;
  const auto file = p.write("w.toml", "shards = 300\nx = 1\n");
  BOOST_TEST(p.run({"--config", file}) == exit_problem);
  BOOST_TEST(!p.served.has_value());
  BOOST_TEST(p.complained(file + ":1:10: shards must be 0 to 256, not 300\n"));
  BOOST_TEST(p.complained(file + ":2:1: unknown key x\n"));
  BOOST_TEST(p.complained("2 problems"));
  BOOST_TEST(p.run({"--config", p.file("none.toml")}) == exit_problem);
}

BOOST_AUTO_TEST_CASE(wrong_usage_is_reported_and_exits_with_2) {
  program p;
  BOOST_TEST(p.run({"--store.hott", "x"}) == exit_usage);
  BOOST_TEST(p.complained("unknown option --store.hott; did you mean --store.hot?"));
  BOOST_TEST(p.run({"serv"}) == exit_usage);
  BOOST_TEST(p.run({"token", "--role", "admin"}) == exit_usage);
  BOOST_TEST(p.complained("--name"));
  BOOST_TEST(p.run({"token", "--role", "root", "--name", "a"}) == exit_usage);
  BOOST_TEST(p.run({"token", "--role", "admin", "--name", "a b"}) == exit_usage);
  BOOST_TEST(p.run({"fleet", "--devices", "0"}) == exit_usage);
  BOOST_TEST(p.run({"check", "migrate"}) == exit_usage);
  BOOST_TEST(!p.served.has_value());
  BOOST_TEST(!p.fleet_run.has_value());
}

BOOST_AUTO_TEST_CASE(help_and_version_go_to_standard_output) {
  program p;
  for (const auto* command : {"run", "check", "config", "migrate", "token", "top", "fleet"}) {
    BOOST_TEST(p.run({"--help"}) == exit_ok);
    BOOST_TEST(p.said(command));
    BOOST_TEST(p.run({command, "--help"}) == exit_ok);
    BOOST_TEST(p.out.str().size() > 50U);
    BOOST_TEST(p.err.str() == "");
  }
  BOOST_TEST(p.run({"config", "--help"}) == exit_ok);
  BOOST_TEST(p.said("--store.require-durability (WATCHKEEPER_STORE_REQUIRE_DURABILITY)"));
  BOOST_TEST(p.run({"--version"}) == exit_ok);
  const auto version = p.out.str();
  BOOST_TEST(version.starts_with("watchkeeper "));
  BOOST_TEST(p.run({"version"}) == exit_ok);
  BOOST_TEST(p.out.str() == version);
  BOOST_TEST(!p.served.has_value());
}

BOOST_AUTO_TEST_CASE(config_prints_what_was_merged) {
  program p;
  p.environment = {"WATCHKEEPER_SHARDS=4"};
  const auto file = p.write("w.toml", "[store]\nhot = \"redis://u:hunter2@h\"\n");
  BOOST_TEST(p.run({"config", "--config", file, "--log.level", "debug"}) == exit_ok);
  BOOST_TEST(p.said("hot = \"redis://u:***@h\"  # " + file + ":2:1\n"));
  BOOST_TEST(p.said("shards = 4  # environment WATCHKEEPER_SHARDS\n"));
  BOOST_TEST(p.said("level = \"debug\"  # flag --log.level\n"));
  BOOST_TEST(p.run({"config", "--markdown"}) == exit_ok);
  BOOST_TEST(p.said("| `listen` | `\"127.0.0.1:8443\"` |"));
}

BOOST_AUTO_TEST_CASE(a_token_is_made_and_its_digest_fits) {
  program p;
  BOOST_TEST(p.run({"token", "--role", "operator", "--name", "grafana"}) == exit_ok);
  const auto secret = secret_in(p.out.str());
  BOOST_TEST(secret.starts_with("wk_operator_"));
  BOOST_TEST(p.said("\n[[token]]\nname = \"grafana\"\nrole = \"operator\"\nsha256 = \"" +
                    crypto::hex(crypto::sha256(secret)) + "\"\n"));
  BOOST_TEST(p.run({"token", "--role", "operator", "--name", "grafana"}) == exit_ok);
  BOOST_TEST(secret_in(p.out.str()) != secret);
}

BOOST_AUTO_TEST_CASE(a_token_is_appended_to_a_good_file_only) {
  program p;
  const auto file = p.write("w.toml", "shards = 3  # the last line has no end");
  BOOST_TEST(p.run({"token", "--role", "admin", "--name", "a", "--append", file}) == exit_ok);
  const auto secret = secret_in(p.out.str());
  BOOST_TEST(p.run({"token", "--role", "viewer", "--name", "v", "--append", file}) == exit_ok);
  BOOST_TEST(p.run({"--config", file}) == exit_ok);
  BOOST_REQUIRE(p.served.has_value());
  BOOST_TEST(p.served->values.shards == 3);
  BOOST_REQUIRE(p.served->values.tokens.size() == 2U);
  BOOST_TEST(p.served->values.tokens[0].sha256 == crypto::hex(crypto::sha256(secret)));
  BOOST_TEST(p.served->values.tokens[1].role == token_role::viewer);
  BOOST_TEST(content_of(file).find(secret) == std::string::npos);

  const auto before = content_of(file);
  BOOST_TEST(p.run({"token", "--role", "viewer", "--name", "v", "--append", file}) == exit_problem);
  BOOST_TEST(p.complained("has a token named v already"));
  BOOST_TEST(content_of(file) == before);
  BOOST_TEST(secret_in(p.out.str()) == "");

  const auto bad = p.write("bad.toml", "shards = \"\n");
  BOOST_TEST(p.run({"token", "--role", "viewer", "--name", "v", "--append", bad}) == exit_problem);
  BOOST_TEST(content_of(bad) == "shards = \"\n");

  const auto fresh = p.file("fresh.toml");
  BOOST_TEST(p.run({"token", "--role", "viewer", "--name", "v", "--append", fresh}) == exit_ok);
  struct stat status {};
  BOOST_REQUIRE(::stat(fresh.c_str(), &status) == 0);
  BOOST_TEST((status.st_mode & 0077) == 0U);
}

BOOST_AUTO_TEST_CASE(check_before_the_first_start_leaves_nothing_behind) {
  program p;
  const auto data = p.file("data");
  BOOST_TEST(p.run({"check", "--config", p.write("w.toml", ""), "--data-dir", data}) == exit_ok);
  BOOST_TEST(p.said("✓ configuration"));
  BOOST_TEST(p.said("is created at the first start"));
  BOOST_TEST(p.said("Ready to start."));
  BOOST_TEST(!std::filesystem::exists(data));
}

BOOST_AUTO_TEST_CASE(migrate_makes_the_ledger_and_check_then_finds_it) {
  program p;
  const auto file = p.write("w.toml", "data_dir = \"" + p.file("data") + "\"\n");
  BOOST_TEST(p.run({"migrate", "--config", file}) == exit_ok);
  BOOST_TEST(p.said("Migrated the ledger from schema 0 to "));
  BOOST_TEST(p.run({"migrate", "--config", file}) == exit_ok);
  BOOST_TEST(p.said("nothing to do"));
  BOOST_TEST(p.run({"check", "--config", file}) == exit_ok);
  BOOST_TEST(p.said("✓ store.ledger"));
}

BOOST_AUTO_TEST_CASE(check_reports_every_problem_and_its_remedy) {
  program p;
  const auto file =
      p.write("w.toml", "data_dir = \"" + p.write("file", "") +
                            "\"\n[store]\nhot = \"redis+unix:///nonexistent/redis\"\n[tls]\n"
                            "certificate = \"/nonexistent/c\"\nkey = \"/nonexistent/k\"\n");
  BOOST_TEST(p.run({"check", "--config", file}) == exit_problem);
  BOOST_TEST(p.said("✗ data_dir"));
  BOOST_TEST(p.said("is not a directory"));
  BOOST_TEST(p.said("✗ tls"));
  BOOST_TEST(p.said("✗ store.hot"));
  BOOST_TEST(p.said("→ check that Redis is running"));
  BOOST_TEST(p.said("problems found."));
  BOOST_TEST(p.run({"check", "--config", p.write("bad.toml", "x = 1\ny = 2\n")}) == exit_problem);
  BOOST_TEST(p.said(":1:1: unknown key x"));
  BOOST_TEST(p.said("2 problems found."));
}

BOOST_AUTO_TEST_CASE(fleet_gets_its_flags_and_gives_its_exit_code) {
  program p;
  BOOST_TEST(p.run({"fleet", "--devices", "20", "--playback-rate", "2", "--module", "a", "--module",
                    "b", "--no-create-modules", "--ca", "c.pem", "--quiet"}) == 1);
  BOOST_REQUIRE(p.fleet_run.has_value());
  BOOST_TEST(p.fleet_run->devices == 20U);
  BOOST_TEST(p.fleet_run->playback_rate == 2.0);
  BOOST_TEST(p.fleet_run->modules.size() == 2U);
  BOOST_TEST(!p.fleet_run->create_modules);
  BOOST_TEST(p.fleet_run->ca_file == "c.pem");
  BOOST_TEST(p.fleet_run->quiet);
  BOOST_TEST(p.run({"fleet", "--burst", "--presign"}) == exit_usage);
}

BOOST_AUTO_TEST_CASE(top_gets_its_flags) {
  program p;
  BOOST_TEST(p.run({"top", "--url", "https://h:1", "--ca", "c.pem", "--token", "t", "--interval",
                    "0.5", "--once"}) == exit_ok);
  BOOST_REQUIRE(p.top_run.has_value());
  BOOST_TEST(p.top_run->url == "https://h:1");
  BOOST_TEST(p.top_run->ca_file == "c.pem");
  BOOST_TEST(p.top_run->token == "t");
  BOOST_TEST(p.top_run->interval_s == 0.5);
  BOOST_TEST(p.top_run->once);
  BOOST_TEST(!p.top_run->insecure);
  BOOST_TEST(p.run({"top", "--interval", "0"}) == exit_usage);
}

BOOST_AUTO_TEST_SUITE_END()
