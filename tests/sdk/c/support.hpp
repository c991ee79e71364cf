#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "sdk/c/defaults.hpp"
#include "sdk/c/engine.hpp"

/// The ports of an engine, played by the test.
namespace watchkeeper::sdk::testing {

struct manual_clock final : device_clock {
  instant at{wall_ms{1'763'812'345'000}, mono_ms{500'000}};
  instant now() override { return at; }
  void pass(std::int64_t ms) {
    at.wall += ms;
    at.monotonic += ms;
  }
};

struct test_signer final : signer {
  software_key key = software_key::generate();
  bool fails = false;
  std::function<void()> within;  // what a host does while it signs
  std::optional<std::array<std::uint8_t, 64>> sign(std::string_view input) override {
    if (within) within();
    if (fails) return std::nullopt;
    return key.sign(input);
  }
};

struct test_agreement final : key_agreement {
  software_agreement of;
  std::function<void()> within;  // what a host does while it agrees on a key
  bool agree(std::span<const std::uint8_t, 64> peer, std::span<std::uint8_t, 64> own_point,
             shared_secret& z) override {
    if (within) within();
    return of.agree(peer, own_point, z);
  }
};

struct test_storage final : buffer_storage {
  std::string content;
  bool load_fails = false;
  bool save_fails = false;
  int saves = 0;
  std::function<void()> within_load, within_save;
  std::optional<std::string> load() override {
    if (within_load) within_load();
    if (load_fails) return std::nullopt;
    return content;
  }
  bool save(std::string_view text) override {
    if (within_save) within_save();
    if (save_fails) return false;
    ++saves;
    content = text;
    return true;
  }
};

/// Collects the requests; responds when the test says so.
struct test_transport final : transport {
  struct sent {
    std::uint64_t id;
    std::string path, body, prefer, cache_control;
  };
  std::deque<sent> requests;
  std::vector<std::uint64_t> cancelled;
  bool refuses = false;
  /// Answers within `send`, where it is set.
  std::function<void(const sent&, transport_events&)> at_once;

  bool send(const transport_request& request, transport_events& events) override {
    if (refuses) return false;
    requests.push_back({request.id, request.path, std::string{request.body},
                        request.prefer == nullptr ? "" : request.prefer,
                        request.cache_control == nullptr ? "" : request.cache_control});
    if (at_once) at_once(sent{requests.back()}, events);
    return true;
  }
  void cancel(std::uint64_t id) override { cancelled.push_back(id); }
};

inline std::vector<std::string> lines_of(const std::string& body) {
  std::vector<std::string> lines;
  for (std::size_t at = 0; at <= body.size();) {
    const auto end = std::min(body.find('\n', at), body.size());
    lines.push_back(body.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

/// A device that plays.
struct device {
  manual_clock clock;
  test_signer key;
  test_agreement agreement;
  test_storage storage;
  test_transport network;
  std::uint64_t random = 0;  // no jitter, unless set
  engine_options options;
  std::optional<engine> on;
  media_ms at = 0;

  device() {
    options.student = *student_id::parse("ada");
    options.identity = key.key.identity();
    options.session_keys = false;
  }
  void start(const char* session = "s1", std::function<std::uint64_t()> random_numbers = {}) {
    engine_ports ports;
    ports.clock = &clock;
    ports.key = &key;
    ports.agreement = &agreement;
    ports.storage = &storage;
    ports.network = &network;
    ports.random = [this] { return random; };
    if (random_numbers) ports.random = std::move(random_numbers);
    on.emplace(options, std::move(ports));
    open(session);
  }
  void open(const char* session) {
    on->open(*module_id::parse("m1"), *session_id::parse(session));
    on->player()->play(at, clock.at.monotonic);
  }
  /// Plays on for so long, then reports where it is.
  void play(media_ms ms = 10'000) {
    clock.pass(ms);
    at += ms;
    on->player()->position(at, clock.at.monotonic);
    on->collect();
  }
  /// Nothing, when no request was made.
  std::optional<test_transport::sent> request() {
    if (network.requests.empty()) return std::nullopt;
    auto first = network.requests.front();
    network.requests.pop_front();
    return first;
  }
  std::vector<std::string> tokens() {
    const auto made = request();
    last_id = made ? made->id : 0;
    return made ? lines_of(made->body) : std::vector<std::string>{};
  }
  void respond(int status, std::string body, std::optional<std::int64_t> retry_after_ms = {}) {
    http_response made;
    made.status = status;
    made.body = std::move(body);
    made.retry_after_ms = retry_after_ms;
    on->on_response(last_id, std::move(made));
  }
  std::vector<event> events() {
    std::vector<event> made;
    while (auto each = on->take_event()) made.push_back(std::move(*each));
    return made;
  }
  /// Of all events so far.
  std::vector<dropped_heartbeat> drops() {
    std::vector<dropped_heartbeat> made;
    for (auto& each : events()) made.insert(made.end(), each.dropped.begin(), each.dropped.end());
    return made;
  }
  std::uint64_t last_id = 0;
};

inline token_claims claims_of(const std::string& token) {
  const auto parsed = parse_engagement_token(token);
  return parsed ? parsed->claims : token_claims{};
}

inline std::string result_of(const std::string& token, const std::string& rest) {
  const auto claims = claims_of(token);
  return R"({"sid":")" + std::string{claims.session.view()} + R"(","sn":)" +
         std::to_string(claims.sequence) + "," + rest + "}";
}

/// A 200 with one result a token.
inline std::string response_to(const std::vector<std::string>& tokens, const std::string& rest,
                               wall_ms server_ms = {}) {
  std::string text = "{";
  if (server_ms != never)
    text += R"("server_time":)" + std::to_string(to_unix_s(server_ms)) + "." +
            std::to_string(1000 + server_ms.value() % 1000).substr(1) + ",";
  text += R"("results":[)";
  for (std::size_t i = 0; i < tokens.size(); ++i)
    text += (i == 0 ? "" : ",") + result_of(tokens[i], rest);
  return text + "]}";
}
inline const std::string credited =
    R"("status":"credited","credited_ms":10000,"seconds_watched":10,"completion_percentage":1.66,)"
    R"("state":"IN_PROGRESS","resume_ms":10000)";
/// Only the beginning of the interval counted.
inline std::string limited(int credited_ms) {
  return R"("status":"limited","credited_ms":)" + std::to_string(credited_ms) +
         R"(,"seconds_watched":10,"completion_percentage":1.66,"state":"IN_PROGRESS","resume_ms":10000)";
}

/// The problem document of an error response.
inline std::string problem_text(const std::string& name, wall_ms server_ms = {}) {
  return R"({"type":"urn:watchkeeper:problem:)" + name + R"(","status":401)" +
         (server_ms == never ? "" : R"(,"server_time":)" + std::to_string(to_unix_s(server_ms))) +
         "}";
}

}  // namespace watchkeeper::sdk::testing
