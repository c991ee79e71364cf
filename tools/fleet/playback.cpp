#include "tools/fleet/playback.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <memory>
#include <utility>

#include "base/clock.hpp"

namespace watchkeeper::fleet {
namespace {

using namespace std::chrono_literals;

event_loop::clock::duration seconds(double s) {
  return std::chrono::duration_cast<event_loop::clock::duration>(std::chrono::duration<double>(s));
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto of = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return of(usage.ru_utime) + of(usage.ru_stime);
}

std::uint64_t resident_bytes() {
  std::ifstream statm{"/proc/self/statm"};
  std::uint64_t all = 0;
  std::uint64_t resident = 0;
  statm >> all >> resident;
  return resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace

playback::playback(const fleet_options& options, std::size_t connections, http2_client& client,
                   std::vector<player>& players, const sdk::gateway_key* gateway, ack_log& log,
                   tally& counts, progress_line& progress, std::function<bool()> stop)
    : options_(options),
      client_(client),
      players_(players),
      log_(log),
      counts_(counts),
      progress_(progress),
      stop_(std::move(stop)),
      lines_(connections),
      places_(players.size()),
      random_(options.seed) {
  rules_.heartbeat_ms =
      static_cast<media_ms>(std::lround(options.interval_s * options.playback_rate * 1000));
  rules_.rate_permille = static_cast<std::int32_t>(std::lround(options.playback_rate * 1000));
  rules_.gateway = gateway;
  // A presigned stock is no offline buffer, and a batch must fit while it is collected.
  rules_.buffer_heartbeats =
      options.presign ? std::size_t{options.heartbeats_per_device}
                      : std::max<std::size_t>(fleet_limits::retry_buffer_heartbeats, options.batch);
  for (std::size_t i = 0; i < connections; ++i)
    lines_[i].connection = std::make_unique<http2_connection>(client, i, this);
}

playback::~playback() {
  for (auto& each : lines_) each.connection->close();
}

bool playback::connect() {
  for (auto& each : lines_) each.connection->open();
  const auto patience = seconds(options_.connect_timeout_s);
  auto most = open_;
  auto deadline = event_loop::clock::now() + patience;
  while (open_ < lines_.size() && event_loop::clock::now() < deadline && !stop_()) {
    loop().run_once(std::min(deadline, loop().now() + 200ms));
    progress_.step("connecting", open_, lines_.size(), loop().now());
    if (open_ <= most) continue;
    most = open_;  // as long as it goes on, it may take its time
    deadline = event_loop::clock::now() + patience;
  }
  return open_ > 0;
}

void playback::on_open(http2_connection& connection) {
  auto& on = lines_[connection.index()];
  if (!std::exchange(on.open, true)) ++open_;
  pump(on);
}

void playback::on_lost(http2_connection& connection) {
  auto& on = lines_[connection.index()];
  if (std::exchange(on.open, false)) --open_;
  on.bytes.close(counts_.warm_bytes, counts_.warm_heartbeats);
}

void playback::begin_now() {
  begin_ = event_loop::clock::now();
  cpu_at_begin_s_ = cpu_seconds();
}

void playback::run() {
  begin_now();
  if (options_.burst)
    run_burst();
  else if (options_.presign)
    run_presigned();
  else
    run_paced();
  drain();
  counts_.elapsed_s = std::chrono::duration<double>(event_loop::clock::now() - begin_).count();
  counts_.client_cpu_s = cpu_seconds() - cpu_at_begin_s_;
  counts_.client_resident_bytes = resident_bytes();
  over_ = true;
  for (auto& each : lines_) {
    each.bytes.close(counts_.warm_bytes, counts_.warm_heartbeats);
    each.connection->close();
  }
  for (auto& each : players_) counts_.unanswered += each.abandon();
  counts_.connections_lost = client_.connections_lost();
}

void playback::run_paced() {
  end_ = begin_ + seconds(options_.duration_s);
  playing_ = true;
  const auto interval = seconds(options_.interval_s);
  for (std::size_t i = 0; i < players_.size(); ++i) {
    // Spread evenly, so that the load is the same at any moment.
    const auto phase =
        interval * static_cast<std::int64_t>(i) / static_cast<std::int64_t>(players_.size());
    const auto due = begin_ + phase;
    loop().at(due, [this, number = static_cast<std::uint32_t>(i), due] { tick(number, due); });
  }
  turn_until([] { return false; }, end_);
  playing_ = false;
  for (std::size_t i = 0; i < players_.size(); ++i) {
    players_[i].stamp(loop().now());  // a batch that did not fill
    offer(static_cast<std::uint32_t>(i));
  }
}

void playback::tick(std::uint32_t number, time_point due) {
  if (!playing_ || due >= end_) return;
  play(number);
  if (++places_[number].collected >= options_.batch) {
    places_[number].collected = 0;
    players_[number].stamp(due);
    offer(number);
  }
  const auto next = due + seconds(options_.interval_s);
  loop().at(next, [this, number, next] { tick(number, next); });
}

void playback::run_burst() {
  end_ = time_point::max();
  for (unsigned round = 0; round < options_.burst_rounds && !stop_(); ++round) {
    for (std::size_t i = 0; i < players_.size(); ++i) play(static_cast<std::uint32_t>(i));
    // Signed beforehand: all are due at the same moment.
    const auto due = event_loop::clock::now();
    if (round == 0) begin_now();
    for (std::size_t i = 0; i < players_.size(); ++i) {
      players_[i].stamp(due);
      offer(static_cast<std::uint32_t>(i));
    }
    const auto deadline = due + seconds(options_.request_timeout_s);
    if (!turn_until([this] { return counts_.outstanding() == 0; }, deadline)) break;
  }
}

void playback::run_presigned() {
  end_ = time_point::max();
  for (std::size_t i = 0; i < players_.size() && !stop_(); ++i) {
    for (unsigned n = 0; n < options_.heartbeats_per_device; ++n)
      play(static_cast<std::uint32_t>(i));
    if (i % 64 == 0) {
      progress_.step("signing for", i, players_.size(), event_loop::clock::now());
      loop().run_once(event_loop::clock::now());  // the connections stay served
    }
  }
  if (options_.warm && !warm_up()) return;
  begin_now();
  for (std::size_t i = 0; i < players_.size(); ++i) offer(static_cast<std::uint32_t>(i));
  // Ends when nothing was answered for a request's timeout.
  for (;;) {
    const auto before = counts_.answered();
    const auto deadline = event_loop::clock::now() + seconds(options_.request_timeout_s);
    if (turn_until([this] { return counts_.outstanding() == 0; }, deadline) || stop_() ||
        counts_.answered() == before)
      return;
  }
}

bool playback::warm_up() {
  begin_now();
  warming_ = true;
  for (std::size_t i = 0; i < players_.size(); ++i) offer(static_cast<std::uint32_t>(i));
  const auto deadline = event_loop::clock::now() + seconds(options_.request_timeout_s);
  const auto all = [this] { return counts_.acknowledged() == players_.size(); };
  if (!turn_until(all, deadline)) return false;  // the counts say why
  const auto others = counts_.generated - counts_.answered();
  std::destroy_at(&counts_);  // a tally is not assigned: it has atomic counters
  std::construct_at(&counts_);
  counts_.generated = others;
  while (!options_.warm()) {
    if (stop_()) return false;
    loop().run_once(event_loop::clock::now() + 10ms);
  }
  warming_ = false;
  return true;
}

void playback::play(std::uint32_t number) {
  auto made = players_[number].play(rules_, system_time_source().wall_now(), random_);
  ++counts_.generated;
  counts_.dropped += players_[number].add(std::move(made), rules_.buffer_heartbeats);
}

void playback::offer(std::uint32_t number) {
  auto& at = places_[number];
  auto& who = players_[number];
  if (warming_ && at.sent) return;
  if (over_ || at.queued || !who.in_flight().empty() || who.pending() == 0) return;
  if (!who.ready(loop().now())) {
    if (std::exchange(at.timed, true)) return;
    loop().at(who.not_before(), [this, number] {
      places_[number].timed = false;
      offer(number);
    });
    return;
  }
  at.queued = true;
  auto& on = line_of(number);
  on.waiting.push_back(number);
  pump(on);
}

void playback::pump(line& on) {
  while (!on.waiting.empty() && on.connection->in_flight() < options_.window &&
         on.connection->room() > 0) {
    const auto number = on.waiting.front();
    on.waiting.pop_front();
    places_[number].queued = false;
    if (!send(number, on)) return;
  }
}

bool playback::send(std::uint32_t number, line& on) {
  auto& who = players_[number];
  // The buffer of one that was away goes out as one request, whatever the batch size.
  const auto tokens_max = warming_ ? 1
                          : options_.presign
                              ? std::size_t{options_.batch}
                              : std::max<std::size_t>(options_.batch, rules_.buffer_heartbeats);
  const auto beats =
      who.take(std::min(tokens_max, limits::tokens_per_request_max), event_loop::clock::now());
  http2_request what;
  what.method = "POST";
  what.path = "/v1/heartbeats";
  what.content_type = "application/jose";
  if (options_.minimal) what.prefer = "return=minimal";
  what.timeout = std::chrono::ceil<std::chrono::milliseconds>(seconds(options_.request_timeout_s));
  for (const auto& beat : beats) {
    if (!what.body.empty()) what.body += '\n';
    what.body += beat.token;
    if (beat.attempts > 1) ++counts_.resent;
  }
  places_[number].sent = true;
  log_.sent(who, beats, system_time_source().wall_now());
  counts_.sent += beats.size();
  ++counts_.requests;
  on.bytes.sent(beats.size());
  if (on.connection->request(std::move(what), [this, number, &on](http2_response&& response) {
        on_response(number, on, std::move(response));
      }))
    return true;
  http2_response lost;
  lost.error = transport_error::connection_lost;
  on_response(number, on, std::move(lost));
  return false;
}

void playback::on_response(std::uint32_t number, line& on, http2_response&& response) {
  if (over_) return;
  auto& who = players_[number];
  const auto beats = who.in_flight();
  const auto now = event_loop::clock::now();
  const bool arrived = response.error == transport_error::none;
  const auto pause =
      std::chrono::seconds(std::min<std::int64_t>(response.retry_after_s.value_or(0), 3600));
  const auto outcomes = read_outcomes(std::move(response), beats, options_.minimal);
  std::vector<std::uint64_t> latencies_us;
  std::vector<bool> again;
  for (std::size_t i = 0; i < beats.size(); ++i) {
    const auto waited = std::chrono::duration_cast<std::chrono::microseconds>(now - beats[i].due);
    latencies_us.push_back(static_cast<std::uint64_t>(std::max<std::int64_t>(0, waited.count())));
    again.push_back(outcomes[i].kind == outcome_kind::retry);
    if (outcomes[i].sign_by_device) who.sign_again(i, rules_);
    if (outcomes[i].mastered && !std::exchange(places_[number].mastered, true))
      ++counts_.students_mastered;
  }
  log_.answered(who, beats, outcomes, system_time_source().wall_now());
  counts_.count(outcomes, latencies_us);
  if (arrived) on.bytes.answered(on.connection->bytes());
  counts_.dropped += who.complete(again, pause, now, rules_.buffer_heartbeats, random_);
  // A device that collects a batch waits for its tick; one with a failed or full request does not.
  const bool waits = places_[number].collected != 0 && playing_ &&
                     std::none_of(again.begin(), again.end(), [](bool retry) { return retry; });
  if (!waits) offer(number);
  pump(on);
}

bool playback::turn_until(const std::function<bool()>& done, time_point deadline) {
  const auto whole = std::chrono::duration<double>(deadline - begin_).count();
  while (!done()) {
    if (stop_() || !log_.failure().empty() || event_loop::clock::now() >= deadline) return false;
    loop().run_once(std::min(deadline, loop().now() + 100ms));
    const auto fraction =
        playing_ ? std::chrono::duration<double>(loop().now() - begin_).count() / whole
                 : static_cast<double>(counts_.answered()) /
                       static_cast<double>(std::max<std::uint64_t>(counts_.generated, 1));
    progress_.running(counts_, open_, lines_.size(), fraction, loop().now());
  }
  return true;
}

void playback::drain() {
  // Somebody who pressed Ctrl-C does not want to wait long; what is on its way may still arrive.
  const bool stopped = stop_();
  const auto deadline =
      event_loop::clock::now() +
      (stopped ? seconds(std::min(2.0, options_.drain_s)) : seconds(options_.drain_s));
  while (counts_.outstanding() != 0 && event_loop::clock::now() < deadline &&
         log_.failure().empty()) {
    loop().run_once(std::min(deadline, loop().now() + 100ms));
    progress_.running(counts_, open_, lines_.size(), 1.0, loop().now());
  }
}

}  // namespace watchkeeper::fleet
