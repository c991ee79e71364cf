#pragma once

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "domain/engagement_token.hpp"
#include "server/heartbeats/heartbeat_endpoint.hpp"
#include "server/heartbeats/heartbeat_limits.hpp"
#include "tests/base/manual_clock.hpp"
#include "tests/fuzz/require.hpp"

/// The bodies of /v1/heartbeats and /v1/heartbeats/stream, from the HTTP/2 layer's side to that of
/// the actors, of which there are none: what is handed to them is parsed and answered here.
namespace watchkeeper::fuzz {

/// What the endpoint says to the HTTP/2 layer about one request.
class said final : public net::response_port {
 public:
  std::vector<net::http_response> answers;
  std::string lines;  // of a stream
  std::size_t begun = 0;
  std::size_t ended = 0;
  std::size_t consumed_bytes = 0;

  void respond(const net::response_address&, net::http_response&& response) noexcept override {
    answers.push_back(std::move(response));
  }
  void begin(const net::response_address&, net::http_response&& head) noexcept override {
    REQUIRE(head.status == 200);
    ++begun;
  }
  void send(const net::response_address&, std::string&& chunk, bool last) noexcept override {
    REQUIRE(begun == 1 && ended == 0);
    lines += chunk;
    if (last) ++ended;
  }
  void consumed(const net::response_address&, std::size_t bytes) noexcept override {
    consumed_bytes += bytes;
  }
};

/// Answers as a session would of which nothing is known but the token: at once, or later and in
/// the reverse order.
class pretended_actors {
 public:
  explicit pretended_actors(bool at_once) : at_once_(at_once) {}
  std::vector<std::string> tokens;

  void take(std::span<actors::heartbeat_request> all) {
    for (auto& each : all) {
      tokens.push_back(each.token);
      waiting_.push_back(std::move(each));
      if (at_once_) answer();
    }
  }
  void answer() {
    const auto request = std::move(waiting_.back());
    waiting_.pop_back();
    actors::heartbeat_result result;
    const auto token = parse_engagement_token(request.token, &result.detail);
    result.outcome.why = token ? problem::none : token.error();
    if (token) {
      result.parsed = true;
      result.session = token->claims.session;
      result.sequence = token->claims.sequence;
      result.outcome.status = static_cast<credit_status>(result.sequence % 3);
      result.outcome.credited_ms = token->claims.interval.length_ms();
      result.outcome.now.duration_ms = token->claims.interval.to_ms;
      result.outcome.now.covered_ms = result.outcome.credited_ms;
    }
    request.listener->on_result(request.index, result);
  }
  [[nodiscard]] bool waits() const { return !waiting_.empty(); }

 private:
  bool at_once_;
  std::vector<actors::heartbeat_request> waiting_;
};

inline net::http_request heartbeats_of(std::string body) {
  net::http_request request;
  request.method = net::http_method::post;
  request.content_type = "application/jose";
  request.body = std::move(body);
  request.respond_to = {1, 0, 1};
  return request;
}

inline void check_results(const nlohmann::json& results, const std::vector<std::string>& tokens) {
  REQUIRE(results.size() == tokens.size());
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const auto token = parse_engagement_token(tokens[i]);
    REQUIRE((results[i]["status"] == "rejected") == !token);
    REQUIRE(results[i].contains("sid") == static_cast<bool>(token));
    if (token) REQUIRE(results[i]["sid"] == std::string(token->claims.session.view()));
  }
}

/// The first byte: whether in the query or the body, and whether answers come at once; the second
/// what is preferred.
inline void check_heartbeats(std::string_view input) {
  if (input.size() < 2) return;
  const auto how = static_cast<std::uint8_t>(input[0]);
  std::string body(input.substr(2));
  pretended_actors actors((how & 1) != 0);
  said responses;
  const test::manual_clock clock;
  {
    server::heartbeat_endpoint endpoint([&](auto all) { actors.take(all); }, responses, clock, 1);
    auto request = heartbeats_of(body);
    if ((how & 2) != 0) request.query = std::exchange(request.body, {});
    if ((how & 4) != 0) request.respond_to.io_thread = 1;  // one that is not collected for
    if ((input[1] & 1) != 0) request.prefer = "return=minimal";
    endpoint.on_request(std::move(request));
    endpoint.on_round_end(0);
    while (actors.waits()) actors.answer();
  }
  REQUIRE(responses.answers.size() == 1 && responses.begun == 0);
  REQUIRE(actors.tokens.size() <= limits::tokens_per_request_max);
  const auto& answer = responses.answers.front();
  const auto document = answer.body.empty() ? nlohmann::json() : nlohmann::json::parse(answer.body);
  REQUIRE(answer.status == 204 || document.is_object());
  if (answer.status == 200) check_results(document["results"], actors.tokens);
  if (actors.tokens.empty()) {
    REQUIRE(answer.status >= 400 && answer.status < 500);
  } else if ((how & 2) == 0) {
    // Nothing of the body is lost on the way, and nothing added.
    std::string joined;
    for (const auto& token : actors.tokens) joined += token + '\n';
    if (!body.ends_with('\n')) joined.pop_back();
    REQUIRE(joined == body);
  }
}

/// The first byte: whether answers come at once; the second: how long the pieces are.
inline void check_stream(std::string_view input) {
  if (input.size() < 2) return;
  const auto how = static_cast<std::uint8_t>(input[0]);
  const bool drained = (how & 4) != 0;
  const auto piece = std::size_t{static_cast<std::uint8_t>(input[1])} + 1;
  const auto body = input.substr(2);
  const auto line_ends = static_cast<std::size_t>(std::count(body.begin(), body.end(), '\n'));
  if (line_ends > 4 * server::heartbeat_limits::stream_tokens_in_flight_max)
    return;  // more only take longer
  pretended_actors actors((how & 1) != 0);
  said responses;
  const test::manual_clock clock;
  const net::response_address to{1, 0, 1};
  {
    server::heartbeat_endpoint endpoint([&](auto all) { actors.take(all); }, responses, clock, 1);
    endpoint.on_stream_opened(heartbeats_of({}));
    std::size_t at = 0;
    do {
      const auto length = std::min(piece, body.size() - at);
      at += length;
      endpoint.on_stream_data(to, body.substr(at - length, length), at == body.size());
      if ((how & 2) != 0 && actors.waits()) actors.answer();
    } while (at < body.size());
    if (drained) endpoint.begin_drain();
    while (actors.waits()) actors.answer();
    REQUIRE(responses.begun == 1 && responses.ended == 1);
    // When it is drained, the last token may go without a result; the device sends it again.
    REQUIRE(drained ? responses.consumed_bytes <= body.size()
                    : responses.consumed_bytes == body.size());
    endpoint.on_stream_gone(to);
  }
  REQUIRE(responses.answers.empty());
  auto results = nlohmann::json::array();
  for (std::string_view rest = responses.lines; !rest.empty();) {
    const auto end = rest.find('\n');
    REQUIRE(end != std::string_view::npos);
    results.push_back(nlohmann::json::parse(rest.substr(0, end)));
    rest.remove_prefix(end + 1);
  }
  const auto lines = line_ends + (body.empty() || body.ends_with('\n') ? 0 : 1);
  REQUIRE(results.size() == lines || (drained && results.size() == line_ends));
  check_results(results, actors.tokens);
}

}  // namespace watchkeeper::fuzz
