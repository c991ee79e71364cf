#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

#include "server/config/keys.hpp"
#include "server/config/load.hpp"
#include "server/config/load_steps.hpp"
#include "server/config/print.hpp"
#include "server/config/text_checks.hpp"
#include "storage/limits.hpp"

namespace {

using namespace watchkeeper;
using namespace watchkeeper::server;

const std::string digest_a(64, 'a');
const std::string digest_b(64, 'b');

loaded_configuration load_text(const std::string& text, std::vector<std::string> environment = {},
                               std::vector<std::pair<std::string, std::string>> flags = {}) {
  const auto path = std::filesystem::temp_directory_path() /
                    ("watchkeeper-config-test-" + std::to_string(std::random_device{}()) + ".toml");
  std::ofstream(path) << text;
  auto loaded = load_configuration({path.string(), true, std::move(environment), std::move(flags)});
  std::filesystem::remove(path);
  // The name of the temporary file is of no interest below.
  for (auto* list : {&loaded.problems, &loaded.warnings})
    for (auto& problem : *list)
      if (problem.where.starts_with(path.string()))
        problem.where.replace(0, path.string().size(), "f");
  return loaded;
}

std::string problems_of(const std::string& text) {
  return describe(load_text(text).problems);
}

std::string token_text(const std::string& name, const std::string& role, const std::string& sha) {
  return "[[token]]\nname = \"" + name + "\"\nrole = \"" + role + "\"\nsha256 = \"" + sha + "\"\n";
}

}  // namespace

BOOST_AUTO_TEST_SUITE(config)

BOOST_AUTO_TEST_CASE(the_defaults_are_a_good_configuration) {
  const auto loaded = load_configuration({});
  BOOST_TEST(describe(loaded.problems) == "");
  BOOST_TEST(loaded.values.listen == "127.0.0.1:8443");
  BOOST_TEST(loaded.values.store.hot == "embedded");
  BOOST_TEST(loaded.origins.at("store.hot") == "default");
  BOOST_TEST(sqlite_ledger_path(loaded.values) == "var/watchkeeper.db");
  BOOST_TEST(embedded_store_path(loaded.values) == "var/hot.db");
  // Nobody can use it without a token, which is worth a warning and no more.
  BOOST_REQUIRE(loaded.warnings.size() == 1);
  BOOST_TEST(loaded.warnings[0].what.find("[[token]]") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(every_default_passes_its_own_check) {
  for (const auto& key : all_keys()) {
    configuration settings;
    BOOST_TEST(set_value(key, settings, value_of(key, settings)).has_value(), key.path);
    BOOST_TEST(!key.help.empty(), key.path);
    BOOST_TEST(!allowed_values(key).empty(), key.path);
    BOOST_TEST(find_key(key.path) == &key);
  }
}

BOOST_AUTO_TEST_CASE(every_key_is_a_member_of_its_own) {
  // A line of the table that was copied and points to its model's member would show up here.
  for (const auto& key : all_keys()) {
    configuration changed;
    std::visit(
        [&](auto member) {
          auto& value = member(changed);
          using kind = std::remove_reference_t<decltype(value)>;
          if constexpr (std::is_same_v<kind, std::string>)
            value += "x";
          else if constexpr (std::is_same_v<kind, bool>)
            value = !value;
          else if constexpr (std::is_same_v<kind, std::vector<std::string>>)
            value.push_back("x");
          else
            value += 1;
        },
        key.member);
    const configuration defaults;
    for (const auto& other : all_keys())
      BOOST_TEST((value_of(other, changed) != value_of(other, defaults)) == (&other == &key),
                 key.path << " and " << other.path);
  }
}

BOOST_AUTO_TEST_CASE(a_list_of_texts_comes_from_file_environment_and_flag) {
  using texts = std::vector<std::string>;
  auto loaded = load_text("[cors]\norigins = [\"https://a.example\", \"http://localhost:5173\"]\n");
  BOOST_TEST(describe(loaded.problems) == "");
  BOOST_TEST((loaded.values.cors.origins == texts{"https://a.example", "http://localhost:5173"}));
  BOOST_TEST(print_configuration(loaded).find(
                 "origins = [\"https://a.example\", \"http://localhost:5173\"]  # ") !=
             std::string::npos);
  loaded = load_text("[cors]\norigins = [\"*\"]\n",
                     {"WATCHKEEPER_CORS_ORIGINS=https://b.example,https://c.example"});
  BOOST_TEST((loaded.values.cors.origins == texts{"https://b.example", "https://c.example"}));
  loaded = load_text("", {}, {{"cors.origins", "*"}});
  BOOST_TEST((loaded.values.cors.origins == texts{"*"}));
  BOOST_TEST(load_text("[cors]\norigins = []\n").values.cors.origins.empty());
  BOOST_TEST(problems_of("[cors]\norigins = \"*\"\n") ==
             "f:2:11: cors.origins must be a list of texts, not a text\n");
  BOOST_TEST(problems_of("[cors]\norigins = [1]\n") ==
             "f:2:11: cors.origins must be a list of texts, not an array\n");
  std::string many = "[cors]\norigins = [";
  for (int i = 0; i < 65; ++i) many += "\"https://h" + std::to_string(i) + "\",";
  BOOST_TEST(problems_of(many + "]\n") ==
             "f:2:11: cors.origins must have at most 64 texts, not 65\n");
  BOOST_TEST(problems_of("[cors]\norigins = [\"*\", \"https://a.example\"]\n")
                 .find("* alone permits every origin") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(folders_to_serve_are_a_list_of_tables) {
  const auto loaded = load_text(
      "[[static]]\npath = \"/player/\"\nfolder = \"/srv/player\"\nimmutable = \"assets/\"\n"
      "[[static]]\npath = \"/\"\nfolder = \"web\"\nmax_age_s = 0\n"
      "content_security_policy = \"default-src 'none'\"\n");
  BOOST_TEST(describe(loaded.problems) == "");
  BOOST_REQUIRE(loaded.values.static_folders.size() == 2u);
  BOOST_TEST(loaded.values.static_folders[0].immutable == "assets/");
  BOOST_TEST(loaded.values.static_folders[0].max_age_s == 300);
  BOOST_TEST(loaded.values.static_folders[1].content_security_policy == "default-src 'none'");
  const auto printed = print_configuration(loaded);
  BOOST_TEST(printed.find("path = \"/player/\"\nfolder = \"/srv/player\"") != std::string::npos);
  const auto rejected = [](const std::string& text, const std::string& why) {
    const auto problems = problems_of("[[static]]\n" + text);
    BOOST_TEST(problems.find(why) != std::string::npos, problems);
  };
  rejected("path = \"/a/\"\n", "has no folder");
  rejected("folder = \"x\"\n", "has no path");
  rejected("path = \"/a/\"\nfolder = \"\"\n", "must not be empty");
  rejected("path = 1\nfolder = \"x\"\n", "path must be a text in quotes");
  rejected("path = \"/a/\"\nfolder = \"x\"\nmax_age_s = -1\n", "0 to 31536000");
  rejected("path = \"/a/\"\nfolder = \"x\"\nmax_age_s = \"1\"\n", "a whole number");
  rejected("path = \"/a/\"\nfolder = \"x\"\nimmutable = \"/assets\"\n", "such as assets/");
  rejected("path = \"/a/\"\nfolder = \"x\"\ncontent_security_policy = \"a\\nb\"\n", "printable");
  rejected("path = \"/a/\"\nfolder = \"x\"\ncolour = 1\n", "unknown key colour");
  rejected("path = \"/a/\"\nfolder = \"x\"\n[[static]]\npath = \"/a/\"\nfolder = \"y\"\n",
           "two folders");
  BOOST_TEST(problems_of("static = 1\n").find("[[static]]") != std::string::npos);
  for (const auto* good : {"/", "/a/", "/player/v1/", "/v10/", "/A-b_c.d~/"})
    BOOST_TEST(check_static_path(good).has_value(), good);
  for (const auto* bad :
       {"", "a/", "/a", "//", "/a//b/", "/../", "/.a/", "/a b/", "/%61/", "/v1/", "/v1/x/",
        "/metrics/", "/readyz/", "/healthz/", "/console/", "/console/x/"})
    BOOST_TEST(!check_static_path(bad).has_value(), bad);
}

BOOST_AUTO_TEST_CASE(an_origin_is_what_a_browser_sends) {
  for (const auto* good : {"*", "https://player.example", "http://localhost", "https://a.b:8443",
                           "http://127.0.0.1:5173", "http://[::1]:8080", "https://[2001:db8::1]"})
    BOOST_TEST(check_origin(good).has_value(), good);
  for (const auto* bad : {"",
                          "null",
                          "player.example",
                          "ftp://a",
                          "https://",
                          "https://a/",
                          "https://a/b",
                          "https://a?x",
                          "https://u@a",
                          "https://A.example",
                          "https://a:443",
                          "http://a:80",
                          "http://[::1]:80",
                          "https://a:",
                          "https://a:0443",
                          "https://a:99999",
                          "https://*.a",
                          "https://ü.example",
                          "https://[::g]",
                          "https://a b",
                          "https://a\r\nx"})
    BOOST_TEST(!check_origin(bad).has_value(), bad);
}

BOOST_AUTO_TEST_CASE(a_whole_file_is_read) {
  const auto loaded = load_text(R"(
listen = "0.0.0.0:443"
data_dir = "/srv/watchkeeper"
io_threads = 4
[tls]
certificate = "/etc/c.pem"
key = "/etc/k.pem"
[store]
hot = "redis://:secret@10.0.0.1:6379/2"
ledger = "postgresql://watch@db/watch"
checkpoint_interval_s = 5
require_durability = "fsync"
[policy]
require_assignment = true
signature = "every"
[crypto]
p256 = "openssl"
p256_tables = 0
[limits]
connections_max = 100
connections_per_address_max = 50
[log]
level = "debug"
)" + token_text("console", "admin", digest_a) +
                                token_text("lms", "viewer", digest_b));
  BOOST_TEST(describe(loaded.problems) == "");
  BOOST_TEST(describe(loaded.warnings) == "");
  const auto& v = loaded.values;
  BOOST_TEST(v.listen == "0.0.0.0:443");
  BOOST_TEST(v.io_threads == 4);
  BOOST_TEST(v.store.hot == "redis://:secret@10.0.0.1:6379/2");
  BOOST_TEST(required_durability(v) == storage::durability_level::fsync);
  BOOST_TEST(v.policy.require_assignment);
  BOOST_TEST(v.crypto.p256 == "openssl");
  BOOST_TEST(v.crypto.p256_tables == 0);
  BOOST_TEST(v.limits.connections_max == 100);
  BOOST_TEST(sqlite_ledger_path(v) == "");
  BOOST_TEST(embedded_store_path(v) == "");
  BOOST_REQUIRE(v.tokens.size() == 2);
  BOOST_TEST((v.tokens[0] == configured_token{"console", token_role::admin, digest_a}));
  BOOST_TEST((v.tokens[1] == configured_token{"lms", token_role::viewer, digest_b}));
}

BOOST_AUTO_TEST_CASE(an_absolute_sqlite_path_stays_so) {
  const auto loaded = load_text("store.ledger = \"sqlite:/data/l.db\"\n");
  BOOST_TEST(sqlite_ledger_path(loaded.values) == "/data/l.db");
}

BOOST_AUTO_TEST_CASE(each_kind_of_error_says_where_and_what) {
  struct example {
    const char* text;
    const char* expected;
  };
  const example examples[] = {
      {"[store]\nhott = \"embedded\"\n",
       "f:2:1: unknown key store.hott; did you mean store.hot?\n"},
      {"[polcy]\nmax_age_s = 1\n",
       "f:1:2: unknown key polcy; did you mean the section [policy]?\n"},
      {"max_age_s = 1\n", "f:1:1: unknown key max_age_s; did you mean policy.max_age_s?\n"},
      {"colour = 1\n", "f:1:1: unknown key colour\n"},
      {"io_threads = \"4\"\n", "f:1:14: io_threads must be a whole number, not a text\n"},
      {"io_threads = 4.0\n",
       "f:1:14: io_threads must be a whole number, not a number with a fraction\n"},
      {"io_threads = 257\n", "f:1:14: io_threads must be 0 to 256, not 257\n"},
      {"listen = 8443\n", "f:1:10: listen must be a text in quotes, not a whole number\n"},
      {"listen = \"8443\"\n",
       "f:1:10: listen must be an address and a port, such as 127.0.0.1:8443, 0.0.0.0:8443 or "
       "[::1]:8443, not \"8443\"\n"},
      {"listen = \"::1:8443\"\n", "f:1:10: listen an IPv6 address needs brackets: [::1]:8443\n"},
      {"listen = \"1.2.3.4:70000\"\n",
       "f:1:10: listen the port of \"1.2.3.4:70000\" must be 0 to 65535 (0: any free one)\n"},
      {"listen = \"localhost:1\"\n",
       "f:1:10: listen must be a numeric address and a port, such as 127.0.0.1:8443, 0.0.0.0:8443 "
       "or [::1]:8443, not \"localhost:1\"\n"},
      {"store = 1\n", "f:1:9: store is a section; write it as [store]\n"},
      {"[policy]\nsignature = \"never\"\n",
       "f:2:13: policy.signature must be session or every, not \"never\"\n"},
      {"[crypto]\np256 = \"own\"\n", "f:2:8: crypto.p256 must be auto or openssl, not \"own\"\n"},
      {"[policy]\nrequire_assignment = \"yes\"\n",
       "f:2:22: policy.require_assignment must be true or false, not a text\n"},
      {"[store]\nhot = \"rediss://h\"\n",
       "f:2:7: store.hot is Redis over TLS, which is not supported; use redis:// through "
       "a TLS tunnel\n"},
      {"[store]\nledger = \"mysql://h\"\n",
       "f:2:10: store.ledger must be sqlite:FILE or postgresql://user@host/database\n"},
      {"[events]\nsource = \"my school\"\n",
       "f:2:10: events.source must be a URI, without spaces or quotes, such as "
       "urn:watchkeeper:deployment:north\n"},
      {"token = 1\n", "f:1:9: token must be a list of tables; write each as [[token]]\n"},
      {"[[token]]\nname = \"a\"\nrole = \"viewer\"\n", "f:1:1: this [[token]] has no sha256\n"},
      {"data_dir = \"\"\n", "f:1:12: data_dir must not be empty\n"},
  };
  for (const auto& each : examples) BOOST_TEST(problems_of(each.text) == each.expected);
}

BOOST_AUTO_TEST_CASE(text_that_is_not_toml_is_reported_with_its_place) {
  const auto said = problems_of("listen = \"a\nio_threads = 1\n");
  BOOST_TEST(said.starts_with("f:1:"));
  BOOST_TEST(said.find("this is not TOML") != std::string::npos);
  BOOST_TEST(
      problems_of("listen = \"127.0.0.1:1\"\nlisten = \"127.0.0.1:2\"\n").starts_with("f:2:"));
}

BOOST_AUTO_TEST_CASE(problems_are_reported_in_the_order_of_the_file) {
  const auto loaded = load_text("zz = 1\nio_threads = -1\n[store]\nhot = \"x\"\n[log]\nlevel = 3\n",
                                {"WATCHKEEPER_SHARDS=many"}, {{"policy.max_age_s", "0"}});
  std::vector<std::string> places;
  for (const auto& problem : loaded.problems) places.push_back(problem.where);
  const std::vector<std::string> expected = {"f:1:1",
                                             "f:2:14",
                                             "f:4:7",
                                             "f:6:9",
                                             "environment WATCHKEEPER_SHARDS",
                                             "flag --policy.max-age-s"};
  BOOST_TEST(places == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_problem_never_repeats_a_password) {
  const auto said =
      problems_of("[store]\nhot = \"redis:/u:hunter2@h\"\nledger = \"pg://u:hunter2@h\"\n");
  BOOST_TEST(!said.empty());
  BOOST_TEST(said.find("hunter2") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(tokens_are_checked) {
  const auto two = [](const std::string& a, const std::string& b) { return problems_of(a + b); };
  BOOST_TEST(two(token_text("a", "viewer", digest_a), token_text("a", "viewer", digest_b)) ==
             "f:5:1: two tokens are named a; give each a name of its own\n");
  BOOST_TEST(two(token_text("a", "viewer", digest_a), token_text("b", "admin", digest_a))
                 .find("have the same secret") != std::string::npos);
  BOOST_TEST(problems_of(token_text("a", "root", digest_a)) ==
             "f:1:1: role must be viewer, admin or operator, not \"root\"\n");
  BOOST_TEST(problems_of(token_text("a b", "admin", digest_a)).find("1 to 64 of") !=
             std::string::npos);
  BOOST_TEST(problems_of(token_text("a", "admin", std::string(64, 'A'))).find("lower-case") !=
             std::string::npos);
  BOOST_TEST(problems_of(token_text("a", "admin", digest_a.substr(1))).find("not 63 characters") !=
             std::string::npos);
  // A pasted secret is reported as such, and not repeated.
  const auto pasted = problems_of(token_text("a", "admin", "wk_admin_abcdefghijklmnop"));
  BOOST_TEST(pasted.find("not the secret") != std::string::npos);
  BOOST_TEST(pasted.find("abcdefgh") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(what_concerns_two_keys_is_checked) {
  BOOST_TEST(problems_of("tls.certificate = \"c.pem\"\n")
                 .find("tls.certificate is set, but tls.key is not") != std::string::npos);
  BOOST_TEST(
      problems_of("tls.key = \"c.pem\"\n").find("tls.key is set, but tls.certificate is not") !=
      std::string::npos);
  BOOST_TEST(problems_of("listen = \"\"\n").find("both empty") != std::string::npos);
  BOOST_TEST(problems_of("h2c_listen = \"127.0.0.1:8443\"\n").find("its own port") !=
             std::string::npos);
  BOOST_TEST(problems_of("limits.connections_max = 10\n").find("must not be greater") !=
             std::string::npos);
  BOOST_TEST(problems_of("rate.device_per_s = 65\n").find("device_burst") != std::string::npos);
  BOOST_TEST(problems_of("rate.address_punished_per_s = 21\n").find("address_punished_burst") !=
             std::string::npos);
  BOOST_TEST(problems_of("rate.address_failures_per_s = 2001\n").find("address_failures_burst") !=
             std::string::npos);
  // A replay window must outlive every token that may still be credited.
  const auto ttl_s = watchkeeper::storage_limits::session_ttl_ms / 1000;
  BOOST_TEST(problems_of("policy.max_age_s = " + std::to_string(ttl_s - 31)) == "");
  BOOST_TEST(problems_of("policy.max_age_s = " + std::to_string(ttl_s - 30))
                 .find("must be less than 3600") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(flags_beat_the_environment_beats_the_file_beats_the_default) {
  const std::string file = "shards = 2\nio_threads = 2\nworker_threads = 2\n";
  const auto loaded = load_text(
      file, {"WATCHKEEPER_SHARDS=3", "WATCHKEEPER_IO_THREADS=3", "PATH=/bin"}, {{"shards", "4"}});
  BOOST_TEST(describe(loaded.problems) == "");
  BOOST_TEST(loaded.values.shards == 4);
  BOOST_TEST(loaded.values.io_threads == 3);
  BOOST_TEST(loaded.values.worker_threads == 2);
  BOOST_TEST(loaded.values.drain_timeout_s == 10);
  BOOST_TEST(loaded.origins.at("shards") == "flag --shards");
  BOOST_TEST(loaded.origins.at("io_threads") == "environment WATCHKEEPER_IO_THREADS");
  BOOST_TEST(loaded.origins.at("worker_threads").ends_with(":3:1"));
  BOOST_TEST(loaded.origins.at("drain_timeout_s") == "default");
}

BOOST_AUTO_TEST_CASE(the_environment_speaks_every_type) {
  const auto loaded = load_text(
      "",
      {"WATCHKEEPER_POLICY_REQUIRE_ASSIGNMENT=true", "WATCHKEEPER_STORE_CHECKPOINT_INTERVAL_S=7",
       "WATCHKEEPER_H2C_LISTEN=[::1]:8080",
       "WATCHKEEPER_TOKENS=a:admin:" + digest_a + ",v:viewer:" + digest_b, "WATCHKEEPER_SEED=12"});
  BOOST_TEST(describe(loaded.problems) == "");
  BOOST_TEST(loaded.values.policy.require_assignment);
  BOOST_TEST(loaded.values.store.checkpoint_interval_s == 7);
  BOOST_TEST(loaded.values.h2c_listen == "[::1]:8080");
  BOOST_TEST(loaded.values.tokens.size() == 2);
  BOOST_TEST(loaded.values.tokens.at(1).name == "v");
}

BOOST_AUTO_TEST_CASE(tokens_of_the_environment_replace_those_of_the_file) {
  const auto loaded =
      load_text(token_text("f", "admin", digest_a), {"WATCHKEEPER_TOKENS=e:operator:" + digest_a});
  BOOST_TEST(describe(loaded.problems) == "");
  BOOST_REQUIRE(loaded.values.tokens.size() == 1);
  BOOST_TEST(loaded.values.tokens[0].name == "e");
  BOOST_TEST(describe(load_text("", {"WATCHKEEPER_TOKENS=e:operator"}).problems) ==
             "environment WATCHKEEPER_TOKENS: each token must be name:role:sha256, joined by "
             "commas\n");
}

BOOST_AUTO_TEST_CASE(a_variable_that_is_nearly_a_key_is_a_slip) {
  const auto loaded = load_text("", {"WATCHKEEPER_STORE_HOTT=embedded"});
  BOOST_TEST(describe(loaded.problems) ==
             "environment WATCHKEEPER_STORE_HOTT: unknown variable; did you mean "
             "WATCHKEEPER_STORE_HOT?\n");
}

BOOST_AUTO_TEST_CASE(names_of_variables_are_distinct) {
  std::vector<std::string> names;
  for (const auto& key : all_keys()) names.push_back(environment_name(key));
  std::ranges::sort(names);
  BOOST_TEST((std::ranges::adjacent_find(names) == names.end()));
}

BOOST_AUTO_TEST_CASE(numbers_of_flags_are_strict) {
  for (const auto* text : {"", " 1", "1 ", "1x", "0x1", "1.0", "99999999999999999999"}) {
    const auto loaded = load_text("", {}, {{"shards", text}});
    BOOST_TEST(loaded.problems.size() == 1, text);
  }
}

BOOST_AUTO_TEST_CASE(a_missing_file_is_a_problem_only_when_it_was_asked_for) {
  BOOST_TEST(load_configuration({"/nonexistent/w.toml", false, {}, {}}).usable());
  BOOST_TEST(describe(load_configuration({"/nonexistent/w.toml", true, {}, {}}).problems) ==
             "/nonexistent/w.toml: cannot be read: No such file or directory\n");
  BOOST_TEST(!load_configuration({"/tmp", true, {}, {}}).usable());
}

BOOST_AUTO_TEST_CASE(a_huge_file_is_rejected) {
  const auto loaded = load_text(std::string(configuration_file_bytes_max + 1, '#'));
  BOOST_REQUIRE(loaded.problems.size() == 1);
  BOOST_TEST(loaded.problems[0].what.find("1 MiB") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(garbage_is_never_accepted_nor_fatal) {
  const char* seed_text = std::getenv("WATCHKEEPER_SEED");
  const auto seed = seed_text != nullptr ? std::stoul(seed_text) : 20251122UL;
  BOOST_TEST_INFO_SCOPE("replay with WATCHKEEPER_SEED=" << seed);
  std::mt19937_64 random(seed);
  const std::string good = "listen = \"127.0.0.1:8443\"\n[store]\nhot = \"embedded\"\n" +
                           token_text("a", "admin", digest_a);
  for (int round = 0; round < 2000; ++round) {
    loaded_configuration loaded;
    for (const auto& key : all_keys()) loaded.origins[std::string(key.path)] = "default";
    auto text = good;
    for (int change = 0; change < 3; ++change)
      text[random() % text.size()] = static_cast<char>(random() % 256);
    read_toml(text, "f", loaded);
    // Whatever became of it: what was taken over is within its limits.
    for (const auto& key : all_keys())
      BOOST_REQUIRE(set_value(key, loaded.values, value_of(key, loaded.values)));
    for (const auto& token : loaded.values.tokens) BOOST_REQUIRE(check_sha256(token.sha256));
  }
}

BOOST_AUTO_TEST_CASE(the_printed_configuration_reads_back) {
  auto loaded = load_text("data_dir = \"a \\\"b\\\\ \\u0001\"\n[policy]\nmax_age_s = 60\n");
  BOOST_TEST(describe(loaded.problems) == "");
  const auto again = load_text(print_configuration(loaded));
  BOOST_TEST(describe(again.problems) == "");
  for (const auto& key : all_keys())
    BOOST_TEST(value_of(key, again.values) == value_of(key, loaded.values), key.path);
}

BOOST_AUTO_TEST_CASE(the_printed_configuration_hides_secrets_and_has_origins) {
  const auto loaded = load_text(
      "[store]\nhot = \"redis://u:hunter2@h\"\nledger = "
      "\"postgresql://w:hunter2@h/d?password=hunter2\"\n" +
          token_text("a", "admin", digest_a),
      {"WATCHKEEPER_SHARDS=4"});
  const auto printed = print_configuration(loaded);
  BOOST_TEST(printed.find("hunter2") == std::string::npos);
  BOOST_TEST(printed.find("redis://u:***@h") != std::string::npos);
  BOOST_TEST(printed.find(digest_a) == std::string::npos);
  BOOST_TEST(printed.find("shards = 4  # environment WATCHKEEPER_SHARDS\n") != std::string::npos);
  BOOST_TEST(printed.find(":2:1\n") != std::string::npos);
  BOOST_TEST(printed.find("io_threads = 0  # default\n") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(the_documentation_lists_every_key_with_its_default) {
  std::ifstream file(std::string(WATCHKEEPER_SOURCE_DIR) + "/docs/configuration.md");
  const std::string document{std::istreambuf_iterator<char>(file), {}};
  BOOST_TEST(document.find(markdown_tables()) != std::string::npos,
             "docs/configuration.md must hold what `watchkeeper config --markdown` prints");
  for (const auto& key : all_keys())
    BOOST_TEST(document.find("| `" + std::string(key.path) + "` | `") != std::string::npos,
               key.path);
}

BOOST_AUTO_TEST_CASE(edit_distance_counts_slips) {
  BOOST_TEST(edit_distance("", "") == 0U);
  BOOST_TEST(edit_distance("abc", "") == 3U);
  BOOST_TEST(edit_distance("listen", "lisetn") == 1U);
  BOOST_TEST(edit_distance("kitten", "sitting") == 3U);
}

BOOST_AUTO_TEST_SUITE_END()
