#include "server/heartbeats/heartbeat_endpoint.hpp"

#include <algorithm>
#include <iterator>
#include <string_view>
#include <vector>

#include "domain/limits.hpp"
#include "net/shared/media_type.hpp"
#include "net/shared/problem_response.hpp"
#include "server/heartbeats/heartbeat_limits.hpp"
#include "server/heartbeats/pending_response.hpp"

namespace watchkeeper::server {

namespace {

/// The value of `token=` in the query; a JWS needs no percent-encoding.
std::string_view token_of_query(std::string_view query) {
  while (!query.empty()) {
    const auto end = query.find('&');
    const auto item = query.substr(0, end);
    if (item.starts_with("token=")) return item.substr(6);
    if (end == std::string_view::npos) break;
    query.remove_prefix(end + 1);
  }
  return {};
}

bool asks_for_minimal(std::string_view prefer) {
  return prefer.find("return=minimal") != std::string_view::npos;
}

/// `application/jose`, with or without parameters; nothing said passes as well.
bool is_jose(std::string_view content_type) {
  return content_type.empty() || content_type.starts_with(';') ||
         net::is_media_type(content_type, "application/jose");
}

}  // namespace

heartbeat_endpoint::heartbeat_endpoint(submit_function submit, net::response_port& responses,
                                       const time_source& time, std::size_t io_threads)
    : submit_(std::move(submit)), responses_(responses), time_(time), rounds_(io_threads) {
  for (auto& each : rounds_) each.gathered.reserve(gathered_max + limits::tokens_per_request_max);
}
heartbeat_endpoint::~heartbeat_endpoint() = default;

bool heartbeat_endpoint::has_right_type(const net::http_request& request) {
  if (!is_jose(request.content_type)) {
    responses_.respond(request.respond_to,
                       net::make_problem(problem::unsupported_media_type,
                                         "The content-type of heartbeats must be application/jose",
                                         time_.wall_now()));
    return false;
  }
  return true;
}

void heartbeat_endpoint::on_request(net::http_request&& request) noexcept {
  if (!has_right_type(request)) return;
  auto respond_problem = [&](problem why, std::string_view detail) {
    responses_.respond(request.respond_to, net::make_problem(why, detail, time_.wall_now()));
  };
  std::string_view text = request.body;
  const auto from_query = token_of_query(request.query);
  if (!from_query.empty()) {
    if (!text.empty())
      return respond_problem(
          problem::malformed_request,
          "The request has a token in the query and another in the body; send only one of them");
    text = from_query;
  }
  if (text.ends_with('\n')) text.remove_suffix(1);
  if (text.empty())
    return respond_problem(
        problem::malformed_token,
        "The body must have a token, or up to 16 tokens separated by line ends; it is empty");

  std::array<std::string_view, limits::tokens_per_request_max> tokens;
  std::size_t count = 0;
  for (std::string_view rest = text;;) {
    const auto end = rest.find('\n');
    if (count == tokens.size())
      return respond_problem(
          problem::too_many_tokens,
          "A request may have at most 16 tokens; send the others in another request");
    tokens[count++] = rest.substr(0, end);
    if (end == std::string_view::npos) break;
    rest.remove_prefix(end + 1);
  }
  auto listener = std::make_shared<pending_response>(responses_, request.respond_to, count,
                                                     asks_for_minimal(request.prefer), time_);
  if (count == 1 && text.size() == request.body.size()) {  // the usual case: no copy
    actors::heartbeat_request one{std::move(request.body), std::move(listener), 0,
                                  request.peer.bytes};
    return pass_on({&one, 1}, request.respond_to.io_thread);
  }
  std::vector<actors::heartbeat_request> all;
  all.reserve(count);
  for (std::size_t i = 0; i < count; ++i)
    all.push_back({std::string(tokens[i]), listener, i, request.peer.bytes});
  if (count == 1 || request.respond_to.io_thread >= rounds_.size())
    return pass_on(all, request.respond_to.io_thread);
  listener->count_down(rounds_[request.respond_to.io_thread].in_flight);
  pass_on_or_defer(std::move(all), request.respond_to);
}

void heartbeat_endpoint::pass_on_or_defer(std::vector<actors::heartbeat_request>&& of_one_request,
                                          const net::response_address& respond_to) {
  auto& at = rounds_[respond_to.io_thread];
  const auto tokens = of_one_request.size();
  if (at.deferred.empty() && at.has_room(tokens)) {
    at.in_flight.fetch_add(tokens, std::memory_order_relaxed);
    return pass_on(of_one_request, respond_to.io_thread);
  }
  // No request overtakes those that wait, or takes the actors' room from single heartbeats.
  const auto deferred = at.deferred_tokens.load(std::memory_order_relaxed) + tokens;
  if (deferred > heartbeat_limits::deferred_heartbeats_max) return shed(tokens, respond_to);
  at.deferred_tokens.store(deferred, std::memory_order_relaxed);
  at.deferred.push_back({std::move(of_one_request), respond_to, time_.monotonic_now()});
}

/// None of the request has been handed over. `retry-after` spreads shed requests over eight
/// seconds, in which the deferred ones are worked off.
void heartbeat_endpoint::shed(std::size_t tokens, const net::response_address& respond_to) {
  rounds_[respond_to.io_thread].shed_tokens.fetch_add(tokens, std::memory_order_relaxed);
  const auto spread = respond_to.connection + static_cast<std::size_t>(respond_to.stream) / 2;
  const auto retry_after_s = 2 + static_cast<int>(spread % 8);
  responses_.respond(
      respond_to, net::make_problem(problem::overloaded,
                                    "Too many requests with several heartbeats wait. None of this "
                                    "request was taken; send it again",
                                    time_.wall_now(), retry_after_s));
}

void heartbeat_endpoint::pass_on(std::span<actors::heartbeat_request> of_one_request,
                                 std::uint32_t io_thread) {
  if (io_thread >= rounds_.size()) return submit_(of_one_request);
  auto& gathered = rounds_[io_thread].gathered;  // has room: it is emptied before it is full
  std::move(of_one_request.begin(), of_one_request.end(), std::back_inserter(gathered));
  if (gathered.size() >= gathered_max) on_round_end(io_thread);
}

void heartbeat_endpoint::on_round_end(std::uint32_t io_thread) noexcept {
  if (io_thread >= rounds_.size()) return;
  auto& at = rounds_[io_thread];
  if (!at.gathered.empty()) {
    submit_(at.gathered);
    at.gathered.clear();
  }
  if (at.deferred.empty()) return;
  const auto too_old = time_.monotonic_now() - heartbeat_limits::deferred_wait_max_ms;
  for (std::size_t done = 0;
       !at.deferred.empty() && done < heartbeat_limits::deferred_heartbeats_in_flight_max;) {
    const bool waited_too_long = at.deferred.front().since < too_old;
    const auto tokens = at.deferred.front().tokens.size();
    if (!waited_too_long && !at.has_room(tokens)) break;
    auto next = std::move(at.deferred.front());
    at.deferred.pop_front();
    at.deferred_tokens.fetch_sub(tokens, std::memory_order_relaxed);
    done += tokens;
    if (waited_too_long) {
      shed(tokens, next.respond_to);
    } else {
      at.in_flight.fetch_add(tokens, std::memory_order_relaxed);
      submit_(next.tokens);
    }
  }
}

void heartbeat_endpoint::on_stream_opened(net::http_request&& request) noexcept {
  if (!has_right_type(request)) return;
  auto opened = std::make_shared<heartbeat_stream>(submit_, responses_, request.respond_to,
                                                   request.peer.bytes);
  // First: what begin_drain() sends to a stream that it finds must not overtake the head.
  net::http_response head;
  head.content_type = "application/x-ndjson";
  head.headers.emplace_back("cache-control", "no-store");
  responses_.begin(request.respond_to, std::move(head));
  bool draining = false;
  {
    const mutex_lock lock(streams_mutex_);
    streams_.emplace(request.respond_to, opened);
    draining = draining_;
  }
  if (draining) opened->finish();  // an open stream would delay the end
}

deferred_statistics heartbeat_endpoint::statistics() const noexcept {
  deferred_statistics sum;
  for (const auto& each : rounds_) {
    sum.deferred += each.deferred_tokens.load(std::memory_order_relaxed);
    sum.shed += each.shed_tokens.load(std::memory_order_relaxed);
  }
  return sum;
}

std::shared_ptr<heartbeat_stream> heartbeat_endpoint::stream_of(const net::response_address& from) {
  const mutex_lock lock(streams_mutex_);
  const auto found = streams_.find(from);
  return found == streams_.end() ? nullptr : found->second;
}

void heartbeat_endpoint::on_stream_data(const net::response_address& from, std::string_view bytes,
                                        bool last) noexcept {
  if (auto stream = stream_of(from))
    stream->on_data(bytes, last);
  else
    responses_.consumed(from, bytes.size());  // of a request that got a problem
}

void heartbeat_endpoint::begin_drain() {
  std::vector<std::shared_ptr<heartbeat_stream>> open;
  {
    const mutex_lock lock(streams_mutex_);
    draining_ = true;
    for (const auto& [address, stream] : streams_) open.push_back(stream);
  }
  for (const auto& stream : open) stream->finish();
}

void heartbeat_endpoint::on_stream_gone(const net::response_address& from) noexcept {
  std::shared_ptr<heartbeat_stream> stream;
  {
    const mutex_lock lock(streams_mutex_);
    const auto found = streams_.find(from);
    if (found == streams_.end()) return;
    stream = std::move(found->second);
    streams_.erase(found);
  }
  stream->on_gone();
}

}  // namespace watchkeeper::server
