#pragma once

#include <stdlib.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/base64url.hpp"
#include "crypto/device_signer.hpp"
#include "crypto/digest.hpp"
#include "server/api/api.hpp"
#include "server/api/route_table.hpp"
#include "storage/sqlite/database.hpp"
#include "tests/base/manual_clock.hpp"
#include "tests/base/scratch_root.hpp"

namespace watchkeeper::server::testing {

/// Collects responses by the number of the request, which is its response_address::connection.
class collected_responses final : public net::response_port {
 public:
  void respond(const net::response_address& to, net::http_response&& response) noexcept override {
    const std::lock_guard lock(mutex_);
    ++counts_[to.connection];
    responses_[to.connection] = std::move(response);
    arrived_.notify_all();
  }
  void begin(const net::response_address&, net::http_response&&) noexcept override { ++misused; }
  void send(const net::response_address&, std::string&&, bool) noexcept override { ++misused; }
  void consumed(const net::response_address&, std::size_t) noexcept override { ++misused; }

  net::http_response wait_for(std::uint64_t number) {
    std::unique_lock lock(mutex_);
    BOOST_REQUIRE(arrived_.wait_for(lock, std::chrono::seconds(20),
                                    [&] { return responses_.contains(number); }));
    return responses_[number];
  }
  /// The number of one of these requests that has a response.
  std::uint64_t wait_for_any(const std::vector<std::uint64_t>& numbers) {
    std::unique_lock lock(mutex_);
    auto found = numbers.end();
    BOOST_REQUIRE(arrived_.wait_for(lock, std::chrono::seconds(20), [&] {
      found = std::ranges::find_if(numbers, [&](auto n) { return responses_.contains(n); });
      return found != numbers.end();
    }));
    return *found;
  }
  std::size_t count() {
    const std::lock_guard lock(mutex_);
    return responses_.size();
  }
  /// The largest number of responses to one request.
  int most() {
    const std::lock_guard lock(mutex_);
    int most = 0;
    for (const auto& [number, count] : counts_) most = std::max(most, count);
    return most;
  }
  std::atomic<int> misused{0};

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::map<std::uint64_t, net::http_response> responses_;
  std::map<std::uint64_t, int> counts_;
};

/// Stands for the actors.
class fake_gateway final : public gateway_port {
 public:
  std::future<storage::stored<std::optional<progress>>> progress_of(const pair_key& pair) override {
    const std::lock_guard lock(mutex);
    std::promise<storage::stored<std::optional<progress>>> reply;
    if (!responses)
      reply.set_value(storage::storage_failure{storage::storage_error::unavailable, "fake"});
    else if (const auto it = memory.find(pair); it != memory.end())
      reply.set_value(std::optional<progress>(it->second));
    else
      reply.set_value(std::optional<progress>());
    return reply.get_future();
  }
  storage::stored<ok_t> end_epochs_below(const student_id& student, std::uint32_t epoch) override {
    return note("end_epochs_below", std::string(student.view()) + ' ' + std::to_string(epoch));
  }
  storage::stored<ok_t> begin_attempt(const storage::pair_progress& pair) override {
    return note("begin_attempt", std::string(pair.key.student.view()) + '/' +
                                     std::string(pair.key.module.view()) + ' ' +
                                     std::to_string(pair.state.life.attempt));
  }
  storage::stored<actors::heatmap_view> heatmap_of(const module_id& module, media_ms duration_ms,
                                                   storage::ledger& ledger,
                                                   storage::hot_store& hot) override {
    if (on_heatmap) on_heatmap();
    return heat.read(module, duration_ms, ledger, hot);
  }
  void forget_heatmap_rows() override { heat.forget_rows(); }
  void judge_modules() override {
    (void)note("judge_modules", "");
    if (on_judge_modules) on_judge_modules();
  }
  void forget_module(const module_id& id) override { (void)note("forget_module", id.view()); }
  void forget_device(const thumbprint& kid) override { (void)note("forget_device", kid.text()); }
  void forget_assignment(const pair_key& pair) override {
    (void)note("forget_assignment",
               std::string(pair.student.view()) + '/' + std::string(pair.module.view()));
  }
  storage::stored<ok_t> log_erasure(const student_id& student, std::uint32_t next_epoch) override {
    return note("log_erasure", std::string(student.view()) + ' ' + std::to_string(next_epoch));
  }
  [[nodiscard]] std::uint32_t erased_below(const student_id& student) const override {
    const auto known = erased.find(student);
    return known == erased.end() ? 0 : known->second;
  }
  [[nodiscard]] std::int64_t last_sequence_seen() const override { return sequence_seen; }
  void student_has_gone(const student_id& student) override {
    (void)note("student_has_gone", student.view());
  }
  [[nodiscard]] std::vector<actors::module_activity> activity() const override { return active; }
  [[nodiscard]] std::vector<actors::refusal_entry> refusals_of(const student_id& student,
                                                               std::size_t limit) const override {
    return refusals.of(student, limit);
  }
  [[nodiscard]] actors::live_feed_statistics live_statistics() const override {
    return live_figures;
  }
  [[nodiscard]] actors::gateway_statistics statistics() const override { return figures; }
  [[nodiscard]] result<ok_t, std::string> ready() const override {
    if (!is_ready) return std::string("the ledger is away");
    return ok;
  }

  /// The calls since the last call of this.
  std::vector<std::string> take_notes() {
    const std::lock_guard lock(mutex);
    return std::exchange(notes, {});
  }

  actors::heatmap heat{2};
  mutable std::mutex mutex;
  std::map<pair_key, progress> memory;
  std::map<student_id, std::uint32_t> erased;  // the log of erasures
  std::int64_t sequence_seen = 0;
  std::vector<std::string> notes;
  std::function<void()> on_judge_modules;
  std::function<void()> on_heatmap;
  bool responses = true;
  bool fails = false;
  std::atomic<bool> is_ready{true};
  actors::gateway_statistics figures;
  actors::live_feed_statistics live_figures;
  std::vector<actors::module_activity> active;
  actors::refusal_log refusals;

 private:
  storage::stored<ok_t> note(std::string_view what, std::string_view of) {
    const std::lock_guard lock(mutex);
    notes.push_back(std::string(what) + ' ' + std::string(of));
    if (fails)
      return storage::storage_failure{storage::storage_error::unavailable, "secret of the store"};
    return ok;
  }
};

class temporary_directory {
 public:
  temporary_directory() {
    std::string pattern = (test::scratch_root() / "watchkeeper-api-XXXXXX");
    BOOST_REQUIRE(mkdtemp(pattern.data()) != nullptr);
    path = pattern;
  }
  ~temporary_directory() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  std::filesystem::path path;
};

inline configured_token token_named(const std::string& name, token_role role) {
  return {name, role, crypto::hex(crypto::sha256(name + "-secret"))};
}

/// As the dispatcher does.
inline void submit_to(api& to, net::http_request&& request) {
  const auto match = match_route(request.method, request.path);
  to.submit(std::move(request), match);
}

/// An API on a SQLite ledger and an embedded hot store in a directory of its own.
class api_fixture {
 public:
  static constexpr wall_ms start_ms{1'763'812'345'123};

  api_fixture() {
    ledger_store = make_ledger();
    BOOST_REQUIRE(ledger_store->migrate());
    hot = make_hot_store();
    made = std::make_unique<api>(dependencies());
  }

  std::unique_ptr<storage::ledger> make_ledger() {
    return storage::make_sqlite_ledger((directory.path / "ledger.db").string());
  }
  std::unique_ptr<storage::hot_store> make_hot_store() {
    return storage::make_embedded_store((directory.path / "hot.db").string(),
                                        storage::durability_level::log);
  }
  api_dependencies dependencies() {
    return {.gateway = gateway,
            .responses = responses,
            .live = live,
            .make_ledger = [this] { return make_ledger(); },
            .make_hot_store = [this] { return make_hot_store(); },
            .make_login_ledger = {},
            .tokens = {token_named("viewer", token_role::viewer),
                       token_named("admin", token_role::admin),
                       token_named("operator", token_role::operator_)},
            .session_keys = session_keys,
            .sealer = cookie_sealer(cookie_sealer::key{1, 2, 3}),
            .login_ms = 3'600'000,
            .server_statistics = [] { return net::server_statistics{}; },
            .deferred_heartbeats = [] { return deferred_statistics{}; },
            .build = {"0.1.0", "abc", "g++", "Release"},
            .event_source = "urn:test",
            .time = clock,
            .log =
                [this](log_level, const std::string&, const std::string& message) {
                  const std::lock_guard lock(log_mutex);
                  log.push_back(message);
                }};
  }

  void submit(net::http_request&& request) { submit_to(*made, std::move(request)); }
  /// `target` may have a query.
  std::uint64_t submit(net::http_method method, const std::string& target, std::string body,
                       const std::string& authorization) {
    net::http_request request;
    request.method = method;
    const auto question = target.find('?');
    request.path = target.substr(0, question);
    if (question != std::string::npos) request.query = target.substr(question + 1);
    request.body = std::move(body);
    request.authorization = authorization;
    request.respond_to.connection = ++requests;
    submit(std::move(request));
    return requests;
  }
  net::http_response call(net::http_method method, const std::string& target, std::string body = {},
                          const std::string& who = "admin") {
    const auto number =
        submit(method, target, std::move(body), who.empty() ? "" : "Bearer " + who + "-secret");
    return responses.wait_for(number);
  }
  net::http_response call(net::http_request request) {
    request.respond_to.connection = ++requests;
    submit(std::move(request));
    return responses.wait_for(requests);
  }
  net::http_response get(const std::string& target, const std::string& who = "admin") {
    return call(net::http_method::get, target, {}, who);
  }
  net::http_response put(const std::string& target, const nlohmann::json& body) {
    return call(net::http_method::put, target, body.dump());
  }
  net::http_response del(const std::string& target) { return call(net::http_method::del, target); }

  /// In epoch 1, unless others were erased before.
  void enrol(const student_id& student) {
    device_record device;
    device.student = student;
    device.kid.bytes = crypto::sha256(student.view());
    BOOST_REQUIRE(ledger_store->put_device(device, {}).value().has_value());
  }
  /// s0, s1 …, all at once.
  void enrol_many(std::size_t count) {
    storage::sqlite_database((directory.path / "ledger.db").string(), {})
        .execute(
            "INSERT INTO student WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1"
            " FROM n WHERE i + 1 < " +
            std::to_string(count) + ") SELECT 's' || i, 1, 0 FROM n");
  }

  std::string logged() {
    const std::lock_guard lock(log_mutex);
    std::string all;
    for (const auto& line : log) all += line + '\n';
    return all;
  }

  temporary_directory directory;
  test::manual_clock clock{wall_ms(start_ms)};
  crypto::agreement_key_ring session_keys;
  fake_gateway gateway;
  collected_responses responses;
  actors::live_feed feed{{.time = clock,
                          .channel = storage::make_null_live_channel(),
                          .log = [](log_level, const std::string&, const std::string&) {}}};
  live_endpoint live{feed, responses};
  std::mutex log_mutex;
  std::vector<std::string> log;
  std::unique_ptr<storage::ledger> ledger_store;
  std::unique_ptr<storage::hot_store> hot;
  std::uint64_t requests = 0;
  std::unique_ptr<api> made;
};

inline nlohmann::json json_of(const net::http_response& response) {
  return nlohmann::json::parse(response.body);
}
inline std::string header_of(const net::http_response& response, std::string_view name) {
  for (const auto& [field, value] : response.headers)
    if (field == name) return value;
  return {};
}
inline void check_problem(const net::http_response& response, int status, const std::string& name) {
  BOOST_TEST(response.status == status,
             response.status << " instead of " << status << ": " << response.body);
  BOOST_TEST(response.content_type == "application/problem+json");
  BOOST_TEST(json_of(response).value("type", "") == "urn:watchkeeper:problem:" + name);
}
inline constexpr wall_ms now = api_fixture::start_ms;

inline pair_key pair_of(std::string_view student, std::string_view module) {
  return {*student_id::parse(student), *module_id::parse(module)};
}
inline progress progress_of(media_interval seen, media_ms duration_ms, wall_ms updated_ms) {
  auto p = blank_progress({.epoch = 1, .begins_ms = never});
  p.covered.add(seen);
  p.duration_ms = duration_ms;
  p.playtime_ms = seen.length_ms();
  p.resume_ms = seen.to_ms;
  p.resume_at_ms = updated_ms;
  p.updated_ms = updated_ms;
  return p;
}

}  // namespace watchkeeper::server::testing
