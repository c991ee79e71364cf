#include <boost/test/unit_test.hpp>

#include <fcntl.h>
#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>
#include <thread>
#include <vector>

#include "server/log/log.hpp"
#include "server/log/redaction.hpp"
#include "tests/server/scratch.hpp"

namespace {

using namespace watchkeeper;
using namespace watchkeeper::server;
using namespace watchkeeper::server::testing;

const std::string secret = "wk_admin_AbCdEfGhIjKlMnOpQrStUvWxYz0123456789_-AbCdE";
const std::string jws =
    "eyJhbGciOiJFUzI1NiIsImtpZCI6ImEifQ.eyJzdWIiOiJzMSIsImNpZCI6Im0xIn0.c2lnbmF0dXJlLWJ5dGVz";

nlohmann::json parse(const std::string& line) {
  return nlohmann::json::parse(line);
}

std::vector<std::string> lines_of(const std::string& file) {
  std::ifstream in(file);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(log_lines)

BOOST_AUTO_TEST_CASE(a_line_has_the_documented_members) {
  const auto line = format_log_line(moment_ms, log_level::warning, "store", "slow \"disk\"\n",
                                    {{"ms", 12},
                                     {"share", 0.5},
                                     {"ok", false},
                                     {"file", std::string("a\\b")},
                                     {"bytes", std::size_t{7}},
                                     {"nan", std::numeric_limits<double>::quiet_NaN()}});
  BOOST_TEST(line == R"({"time":"2025-11-22T11:52:25.123Z","level":"warning","component":"store",)"
                     R"("message":"slow \"disk\"\n","ms":12,"share":0.5,"ok":false,"file":"a\\b",)"
                     R"("bytes":7,"nan":null})");
  BOOST_TEST(parse(line)["file"] == "a\\b");
}

BOOST_AUTO_TEST_CASE(any_bytes_make_one_line_of_valid_json) {
  const char* seed_text = std::getenv("WATCHKEEPER_SEED");
  const auto seed = seed_text != nullptr ? std::stoul(seed_text) : 4711UL;
  BOOST_TEST_INFO_SCOPE("replay with WATCHKEEPER_SEED=" << seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < 2000; ++round) {
    std::string text(random() % 80, '\0');
    for (auto& c : text) c = static_cast<char>(random() % 256);
    const auto line = format_log_line(moment_ms, log_level::info, text, text, {{text, text}});
    BOOST_REQUIRE(line.find('\n') == std::string::npos);
    BOOST_REQUIRE_NO_THROW(parse(line));
  }
  const auto line =
      format_log_line(moment_ms, log_level::info, "a", "\xff\xc3\x28\xed\xa0\x80", {});
  BOOST_TEST(parse(line)["message"].get<std::string>().find("\xef\xbf\xbd") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(long_texts_are_cut_and_stay_valid) {
  for (std::size_t shift = 0; shift < 4; ++shift) {
    const auto text = std::string(log_text_bytes_max - shift, 'x') + "€€€€";
    const auto line = format_log_line(moment_ms, log_level::info, "a", text, {});
    const auto message = parse(line)["message"].get<std::string>();
    BOOST_TEST(message.ends_with("…"));
    BOOST_TEST(message.size() <= log_text_bytes_max + 8);
  }
  BOOST_TEST(
      format_log_line(moment_ms, log_level::info, "a", std::string(1 << 20, '.'), {}).size() <
      3 * log_text_bytes_max);
}

BOOST_AUTO_TEST_CASE(secrets_never_reach_a_line) {
  const auto message = "authorization: Bearer " + secret + " token=" + jws + " redis://u:pw9@h";
  const auto line =
      format_log_line(moment_ms, log_level::error, "api", message, {{"token", jws}, {"s", secret}});
  for (const auto* hidden : {"AbCdEfGh", "eyJ", "c2lnbmF0", "pw9"})
    BOOST_TEST(line.find(hidden) == std::string::npos, hidden);
  BOOST_TEST(parse(line)["s"] == "wk_admin_***");
}

BOOST_AUTO_TEST_CASE(masking_is_exact) {
  const auto unchanged = [](const std::string& text) {
    BOOST_TEST(mask_secrets(text) == text);
    BOOST_TEST(!holds_secret(text));
  };
  unchanged("");
  unchanged("listening on 127.0.0.1:8443, version 1.2.3");
  unchanged("www.example.org and lib.watch.keeper.so");
  unchanged("wk_admin_");
  unchanged("wk_: wk__x wk_ADMIN_abcdefghijkl");
  unchanged("https://example.org:8443/v1/keys");
  unchanged("mail to user@example.org");

  const auto becomes = [](const std::string& text, const std::string& expected) {
    BOOST_TEST(mask_secrets(text) == expected);
    BOOST_TEST(holds_secret(text));
    BOOST_TEST(mask_secrets(expected) == expected);
  };
  becomes(secret, "wk_admin_***");
  becomes("x" + secret + ".", "xwk_admin_***.");
  becomes("a_" + secret, "a_wk_admin_***");
  becomes("<" + jws + ">", "<[token]>");
  becomes("a." + jws, "a.[token]");
  becomes("token=" + jws + "\n" + jws, "token=[token]\n[token]");
  becomes("eyJhIjoxfQ.e30.AAA", "[token]");  // a token need not be long to be one
  becomes("redis://:pw@h:1/0", "redis://:***@h:1/0");
  becomes("postgresql://u:p@ss/w@h/d", "postgresql://u:***@h/d");
  becomes("x://h/d?password=abc&y=1", "x://h/d?password=***&y=1");
  becomes("at a://u:p@h and b://u:q@h", "at a://u:***@h and b://u:***@h");
}

BOOST_AUTO_TEST_CASE(levels_have_names) {
  for (const auto level : {log_level::debug, log_level::info, log_level::warning, log_level::error})
    BOOST_TEST(log_level_from_name(name_of(level)) == level);
  BOOST_TEST(!log_level_from_name("warn").has_value());
}

BOOST_AUTO_TEST_CASE(lines_are_appended_to_the_file_from_many_threads) {
  const scratch_directory scratch;
  const auto file = scratch.file("log");
  std::ofstream(file) << "{\"before\":1}\n";
  constexpr int threads = 4;
  constexpr int each = 500;
  {
    event_log log({log_level::info, file});
    std::vector<std::thread> writers;
    for (int t = 0; t < threads; ++t)
      writers.emplace_back([&log, t] {
        for (int i = 0; i < each; ++i)
          log.write(log_level::info, "test", "line", {{"thread", t}, {"number", i}});
      });
    for (auto& writer : writers) writer.join();
    log.write(log_level::debug, "test", "below the level");
  }
  const auto lines = lines_of(file);
  BOOST_TEST(lines.size() == 1U + threads * each);
  for (const auto& line : lines) BOOST_REQUIRE_NO_THROW(parse(line));
  BOOST_TEST(lines.back().find("below the level") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_line_that_is_written_through_is_there_at_once) {
  const scratch_directory scratch;
  const auto file = scratch.file("log");
  event_log log({log_level::warning, file});
  log.write_through(log_level::info, "gateway", "not at this level");
  log.write_through(log_level::error, "gateway", "the process ends", {{"shard", 3}});
  const auto lines = lines_of(file);
  BOOST_REQUIRE_EQUAL(lines.size(), 1u);
  const auto line = parse(lines[0]);
  BOOST_TEST(line["level"] == "error");
  BOOST_TEST(line["message"] == "the process ends");
  BOOST_TEST(line["shard"] == 3);
}

BOOST_AUTO_TEST_CASE(reopening_follows_a_rotation_and_sets_the_level) {
  const scratch_directory scratch;
  const auto file = scratch.file("log");
  const auto rotated = scratch.file("log.1");
  {
    event_log first({log_level::info, file});
    install_log(&first);
    log_event(log_level::info, "a", "one");
  }
  BOOST_TEST(installed_log() == nullptr);  // a log that ends takes itself out
  log_event(log_level::error, "a", "nobody listens");
  std::filesystem::rename(file, rotated);
  {
    event_log log({log_level::info, rotated});
    BOOST_TEST(log.reopen({log_level::error, file}).has_value());
    log.write(log_level::info, "a", "too small");
    log.write(log_level::error, "a", "two");
    BOOST_TEST(log.reopen({log_level::info, scratch.file("none/log")}).error().find("none/log") !=
               std::string::npos);
    BOOST_TEST(!log.enabled(log_level::info));  // nothing changed
    log.write(log_level::error, "a", "three");
  }
  BOOST_TEST(lines_of(rotated).size() == 1U);
  const auto lines = lines_of(file);
  BOOST_REQUIRE(lines.size() == 2U);
  BOOST_TEST(parse(lines[0])["message"] == "two");
  BOOST_TEST(parse(lines[1])["message"] == "three");
}

BOOST_AUTO_TEST_CASE(a_writer_that_is_stuck_costs_lines_and_never_blocks) {
  const scratch_directory scratch;
  const auto pipe = scratch.file("pipe");
  BOOST_REQUIRE(mkfifo(pipe.c_str(), 0600) == 0);
  // Both ends: opening does not wait, and nobody reads until the flood is over.
  const int reader = ::open(pipe.c_str(), O_RDWR | O_NONBLOCK);
  BOOST_REQUIRE(reader >= 0);
  std::atomic<bool> ended = false;
  std::thread drain;
  {
    event_log log({log_level::info, pipe});
    for (std::size_t i = 0; i < 3 * log_queue_lines_max; ++i)
      log.write(log_level::info, "flood", std::string(100, 'x'));
    BOOST_TEST(log.dropped() > 0U);
    drain = std::thread([&] {
      std::vector<char> buffer(1 << 16);
      while (!ended)
        if (::read(reader, buffer.data(), buffer.size()) < 0) std::this_thread::yield();
    });
  }
  ended = true;
  drain.join();
  ::close(reader);
}

BOOST_AUTO_TEST_CASE(a_file_that_cannot_be_opened_is_named) {
  BOOST_CHECK_EXCEPTION(
      event_log({log_level::info, "/nonexistent/log"}), std::runtime_error, [](const auto& e) {
        return std::string(e.what()).find("/nonexistent/log") != std::string::npos;
      });
}

BOOST_AUTO_TEST_SUITE_END()
