#include "tools/fleet/fleet.hpp"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <condition_variable>
#include <fstream>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "tests/tools/fleet/node_gateway.hpp"

using namespace watchkeeper::fleet;
using namespace watchkeeper::fleet::testing;
using nlohmann::json;

namespace {

std::uint64_t number(const json& document, const char* member) {
  return document.at(member).get<std::uint64_t>();
}

/// Every heartbeat is in exactly one of the places that the summary knows.
void check_sum(const json& s) {
  BOOST_CHECK_EQUAL(number(s, "generated"), number(s, "acknowledged") + number(s, "rejected") +
                                                number(s, "dropped") + number(s, "unanswered"));
  BOOST_CHECK_EQUAL(number(s, "acknowledged"), number(s, "credited") + number(s, "limited") +
                                                   number(s, "duplicate") + number(s, "accepted"));
  BOOST_CHECK_EQUAL(s["latency_us"]["count"].get<std::uint64_t>(),
                    number(s, "acknowledged") + number(s, "rejected"));
}

std::string name_of_beat(const json& line) {
  return line["kid"].get<std::string>() + "/" + line["sid"].get<std::string>() + "/" +
         std::to_string(line["sn"].get<int>());
}

struct record {
  std::set<std::string> sent, acknowledged;
  std::int64_t credited_ms = 0;
};
/// Reads the log and checks that nothing is answered before it is sent, and that at most one
/// request of a device is on its way.
record read_record(const std::string& path) {
  record made;
  std::map<std::string, std::set<std::string>> on_the_way;
  for (const auto& line : read_json_lines(path)) {
    const auto beat = name_of_beat(line);
    const auto kid = line["kid"].get<std::string>();
    if (line["event"] == "sent") {
      made.sent.insert(beat);
      BOOST_CHECK(on_the_way[kid].insert(beat).second);
      continue;
    }
    BOOST_REQUIRE_EQUAL(line["event"], "answered");
    BOOST_CHECK_EQUAL(on_the_way[kid].erase(beat), 1);
    if (line["status"] == "retry" || line["status"] == "rejected") continue;
    BOOST_CHECK(made.acknowledged.insert(beat).second);  // once
    if (line["status"] != "duplicate") made.credited_ms += line["credited_ms"].get<std::int64_t>();
  }
  return made;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(fleet_suite)

BOOST_AUTO_TEST_CASE(two_hundred_devices_play_over_tls) {
  node_gateway gateway{transport::tls};
  auto options = gateway.options();
  options.devices = 200;
  options.interval_s = 0.5;
  options.playback_rate = 4;  // 2 s of media a heartbeat
  options.duration_s = 2;
  options.module_duration_s = 6;  // mastered with the third heartbeat
  options.ack_log = gateway.directory().file("ack.log");
  const auto run = run_and_read(options);
  BOOST_CHECK_EQUAL(run.exit_code, 0);
  const auto& s = run.summary;
  check_sum(s);
  BOOST_CHECK_EQUAL(number(s, "generated"), 800);
  BOOST_CHECK_EQUAL(number(s, "students_mastered"), 200);
  BOOST_CHECK_EQUAL(number(s, "connections"), 200);
  const auto counts = gateway.counts();
  BOOST_CHECK_EQUAL(number(counts, "enrolled"), 200);
  BOOST_CHECK_EQUAL(number(counts, "credited"), number(s, "credited"));
  BOOST_CHECK_EQUAL(number(counts, "credited_ms"), number(s, "credited_ms"));
  BOOST_CHECK_EQUAL(number(counts, "requests"), number(s, "requests"));
  const auto log = read_record(options.ack_log);
  BOOST_CHECK_EQUAL(log.sent.size(), 800);
  BOOST_CHECK_EQUAL(log.acknowledged.size(), 800);
  BOOST_CHECK_EQUAL(log.credited_ms, s["credited_ms"].get<std::int64_t>());
  // The token is 430 bytes or so; a warm connection adds frames, a TLS record and indexed fields.
  BOOST_CHECK_EQUAL(s["bytes_per_heartbeat"]["heartbeats"].get<std::uint64_t>(), 600);
  BOOST_CHECK_GT(s["bytes_per_heartbeat"]["up"].get<double>(), 400);
  BOOST_CHECK_LT(s["bytes_per_heartbeat"]["up"].get<double>(), 600);
}

BOOST_AUTO_TEST_CASE(a_burst_over_cleartext) {
  node_gateway gateway{transport::cleartext};
  auto options = gateway.options();
  options.devices = 200;
  options.connections = 10;
  options.burst = true;
  options.burst_rounds = 3;
  const auto run = run_and_read(options);
  BOOST_CHECK_EQUAL(run.exit_code, 0);
  check_sum(run.summary);
  BOOST_CHECK_EQUAL(number(run.summary, "credited"), 600);
  const auto counts = gateway.counts();
  BOOST_CHECK_EQUAL(number(counts, "credited"), 600);
  BOOST_CHECK_GE(number(counts, "connections"), 10);
}

BOOST_AUTO_TEST_CASE(presigned_tokens_in_batches) {
  node_gateway gateway{transport::tls};
  auto options = gateway.options();
  options.devices = 100;
  options.connections = 4;
  options.presign = true;
  options.heartbeats_per_device = 6;
  options.batch = 4;
  options.sessions_per_device = 2;
  options.tls_resume = true;
  const auto run = run_and_read(options);
  BOOST_CHECK_EQUAL(run.exit_code, 0);
  check_sum(run.summary);
  BOOST_CHECK_EQUAL(number(run.summary, "credited"), 600);
  BOOST_CHECK_EQUAL(number(run.summary, "requests"), 200);
  const auto counts = gateway.counts();
  BOOST_CHECK((counts["batches"] == json{{"2", 100}, {"4", 100}}));
}

BOOST_AUTO_TEST_CASE(the_warm_up_is_not_counted_and_waited_after) {
  node_gateway gateway{transport::tls};
  auto options = gateway.options();
  options.devices = 50;
  options.connections = 4;
  options.presign = true;
  options.heartbeats_per_device = 3;
  int asked = 0;
  std::uint64_t credited_when_asked = 0;
  options.warm = [&] {
    if (asked++ == 0) credited_when_asked = number(gateway.counts(), "credited");
    return asked == 3;
  };
  const auto run = run_and_read(options);
  BOOST_CHECK_EQUAL(run.exit_code, 0);
  check_sum(run.summary);
  BOOST_CHECK_EQUAL(asked, 3);
  BOOST_CHECK_EQUAL(credited_when_asked, 50);
  BOOST_CHECK_EQUAL(number(run.summary, "credited"), 100);
  BOOST_CHECK_EQUAL(number(gateway.counts(), "credited"), 150);
}

BOOST_AUTO_TEST_CASE(minimal_responses) {
  node_gateway gateway{transport::cleartext};
  auto options = gateway.options();
  options.presign = true;
  options.minimal = true;
  const auto run = run_and_read(options);
  BOOST_CHECK_EQUAL(run.exit_code, 0);
  BOOST_CHECK_EQUAL(number(run.summary, "accepted"), 100);
  BOOST_CHECK_EQUAL(number(gateway.counts(), "credited"), 100);
}

BOOST_AUTO_TEST_CASE(refusals_lost_connections_and_goaway_lose_nothing) {
  for (const auto kind : {transport::tls, transport::cleartext}) {
    node_gateway gateway{kind, {{"refuse_every", 7}, {"drop_every", 31}, {"goaway_every", 23}}};
    auto options = gateway.options();
    options.devices = 60;
    options.connections = 20;
    options.presign = true;
    options.heartbeats_per_device = 5;
    options.ack_log = gateway.directory().file("ack.log");
    const auto run = run_and_read(options);
    BOOST_CHECK_EQUAL(run.exit_code, 0);
    const auto& s = run.summary;
    check_sum(s);
    BOOST_CHECK_EQUAL(number(s, "acknowledged"), 300);
    const auto counts = gateway.counts();
    BOOST_CHECK_EQUAL(number(counts, "credited"), 300);  // each once
    BOOST_CHECK_EQUAL(number(s, "credited") + number(s, "duplicate"), 300);
    BOOST_CHECK_GT(number(counts, "dropped"), 0);
    BOOST_CHECK_GT(number(counts, "goaways"), 0);
    // A response may be lost with its connection, whatever it says, and is then counted as that.
    BOOST_CHECK_LE(number(s, "duplicate"), number(counts, "duplicate"));
    const auto refusals = s["retries"]["storage-unavailable"].get<std::uint64_t>();
    BOOST_CHECK_GT(refusals, 0);
    BOOST_CHECK_LE(refusals, number(counts, "refused"));
    BOOST_CHECK_GT(number(s, "connections_lost"), 0);
    const auto log = read_record(options.ack_log);
    BOOST_CHECK_EQUAL(log.sent.size(), 300);
    BOOST_CHECK_EQUAL(log.acknowledged.size(), 300);
  }
}

BOOST_AUTO_TEST_CASE(while_the_gateway_is_away_the_five_newest_are_kept) {
  node_gateway gateway{transport::tls};
  auto options = gateway.options();
  options.devices = 40;
  options.interval_s = 0.2;
  options.duration_s = 6;
  options.ack_log = gateway.directory().file("ack.log");
  std::mutex mutex;
  std::condition_variable changed;
  bool over = false;
  // The outage begins when all devices have played, and lasts ten intervals: five too many to keep.
  std::thread outage{[&] {
    std::unique_lock lock{mutex};
    while (!over) {
      changed.wait_for(lock, std::chrono::milliseconds(50));
      std::ifstream log{options.ack_log};
      if (std::count(std::istreambuf_iterator<char>(log), {}, '\n') > 200) break;
    }
    if (over) return;
    gateway.stop();
    changed.wait_for(lock, std::chrono::milliseconds(2000), [&] { return over; });
    gateway.start();
  }};
  const auto run = run_and_read(options);
  {
    const std::lock_guard lock{mutex};
    over = true;
  }
  changed.notify_all();
  outage.join();
  BOOST_CHECK_EQUAL(run.exit_code, 1);
  const auto& s = run.summary;
  check_sum(s);
  BOOST_CHECK_EQUAL(number(s, "generated"), 1200);
  BOOST_CHECK_EQUAL(number(s, "unanswered"), 0);
  BOOST_CHECK_GT(number(s, "dropped"), 0);
  BOOST_CHECK_GE(number(s, "connections_lost"), 40);
  const auto counts = gateway.counts();
  BOOST_CHECK_GE(counts["batches"].value("5", 0), 20);  // the buffer arrived as one request
  gateway.stop();
  std::set<std::string> credited;
  const auto state = gateway.state();
  for (const auto& entry : state["seen"]) credited.insert(entry[0].get<std::string>());
  const auto log = read_record(options.ack_log);
  for (const auto& beat : log.acknowledged) BOOST_CHECK_EQUAL(credited.count(beat), 1);
  for (const auto& beat : credited) BOOST_CHECK_EQUAL(log.sent.count(beat), 1);
  BOOST_CHECK_EQUAL(log.acknowledged.size(), number(s, "acknowledged"));
}

BOOST_AUTO_TEST_CASE(rejected_heartbeats_are_counted_by_problem_and_not_repeated) {
  node_gateway gateway{transport::cleartext, {{"reject_module", "forbidden"}}};
  auto options = gateway.options();
  options.modules = {"forbidden", "open"};
  options.presign = true;
  options.heartbeats_per_device = 2;
  const auto run = run_and_read(options);
  BOOST_CHECK_EQUAL(run.exit_code, 1);
  check_sum(run.summary);
  BOOST_CHECK_EQUAL(number(run.summary, "credited"), 20);
  BOOST_CHECK_EQUAL(run.summary["rejections"]["not-assigned"].get<int>(), 20);
  BOOST_CHECK_EQUAL(number(run.summary, "resent"), 0);
}

BOOST_AUTO_TEST_CASE(saved_keys_make_the_same_devices) {
  node_gateway gateway{transport::cleartext};
  auto options = gateway.options();
  options.burst = true;
  options.keys_file = gateway.directory().file("keys");
  BOOST_CHECK_EQUAL(run_and_read(options).exit_code, 0);
  options.admin_token.clear();  // enrolled they are
  options.create_modules = false;
  BOOST_CHECK_EQUAL(run_and_read(options).exit_code, 0);
  BOOST_CHECK_EQUAL(number(gateway.counts(), "enrolled"), 20);
  BOOST_CHECK_EQUAL(number(gateway.counts(), "credited"), 40);
  options.devices = 21;
  BOOST_CHECK_EQUAL(run_and_read(options).exit_code, 2);
}

BOOST_AUTO_TEST_CASE(the_uri_file_holds_every_token_once) {
  node_gateway gateway{transport::tls};
  auto options = gateway.options();
  options.heartbeats_per_device = 3;
  options.uri_file = gateway.directory().file("uris");
  BOOST_CHECK_EQUAL(run_fleet(options), 0);
  std::ifstream file{options.uri_file};
  std::set<std::string> lines;
  for (std::string line; std::getline(file, line);) {
    BOOST_CHECK(line.starts_with("/v1/heartbeats?token=eyJ"));
    BOOST_CHECK_EQUAL(std::count(line.begin(), line.end(), '.'), 2);
    lines.insert(line);
  }
  BOOST_CHECK_EQUAL(lines.size(), 60);
  BOOST_CHECK_EQUAL(number(gateway.counts(), "requests"), 0);
  BOOST_CHECK_EQUAL(number(gateway.counts(), "enrolled"), 20);
}

BOOST_AUTO_TEST_CASE(what_is_wrong_is_said_in_a_sentence) {
  node_gateway gateway{transport::tls};
  const auto complaint = [&](const std::function<void(fleet_options&)>& change) {
    auto options = gateway.options();
    change(options);
    int code = 0;
    auto text = caught_output(2, [&] { code = run_fleet(options); });
    BOOST_CHECK_EQUAL(code, 2);
    BOOST_CHECK_EQUAL(std::count(text.begin(), text.end(), '\n'), 1);
    return text;
  };
  const auto says = [](const std::string& text, const char* part) {
    BOOST_CHECK_MESSAGE(text.find(part) != std::string::npos, text << " lacks: " << part);
  };
  says(complaint([](auto& o) { o.ca_file.clear(); }), "--insecure");
  says(complaint([](auto& o) { o.ca_file = "/nowhere.pem"; }), "/nowhere.pem");
  says(complaint([](auto& o) { o.admin_token = "wrong"; }), "does not take the admin token");
  says(complaint([](auto& o) { o.admin_token.clear(); }), "admin");
  says(complaint([](auto& o) { o.url.replace(0, 5, "http"); }), "https://");
  says(complaint([](auto& o) { o.url = "https://127.0.0.1:1"; }), "Connection refused");
  says(complaint([](auto& o) { o.url = "127.0.0.1:8443"; }), "https://127.0.0.1:8443");
  says(complaint([](auto& o) { o.modules = {"no spaces"}; }), "no spaces");
  says(complaint([](auto& o) { o.create_modules = false; }), "catalogue");
  says(complaint([](auto& o) { o.burst = o.presign = true; }), "exclude");
  says(complaint([](auto& o) { o.batch = 17; }), "16");
  says(complaint([](auto& o) { o.connections = 21; }), "more connections than devices");
  says(complaint([](auto& o) { o.ack_log = "/nowhere/log"; }), "/nowhere/log");
}

BOOST_AUTO_TEST_CASE(a_signal_ends_the_run_with_a_summary) {
  node_gateway gateway{transport::cleartext};
  auto options = gateway.options();
  options.interval_s = 0.1;
  options.duration_s = 600;
  options.ack_log = gateway.directory().file("ack.log");
  std::thread sender{[&] {
    for (int i = 0; i < 2000; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
      std::ifstream log{options.ack_log};
      if (std::count(std::istreambuf_iterator<char>(log), {}, '\n') > 20) break;
    }
    kill(getpid(), SIGINT);
  }};
  const auto run = run_and_read(options);
  sender.join();
  BOOST_CHECK_EQUAL(run.exit_code, 0);
  check_sum(run.summary);
  BOOST_CHECK_LT(run.summary["elapsed_s"].get<double>(), 60);
}

BOOST_AUTO_TEST_SUITE_END()
