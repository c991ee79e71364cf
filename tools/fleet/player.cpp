#include "tools/fleet/player.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "sdk/c/token_writer.hpp"
#include "tools/fleet/limits.hpp"

namespace watchkeeper::fleet {

session_id make_session_id(player::random& source) {
  const auto high = source();
  const auto low = source();
  return *session_id::parse(fmt::format("{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}", high >> 32,
                                        high >> 16 & 0xffff, high & 0xfff,
                                        0x8000 | (low >> 48 & 0x3fff), low & 0xffff'ffff'ffff));
}

player::player(sdk::software_key key, student_id student, std::size_t number,
               std::span<const played_module> modules, unsigned sessions, media_ms start_ms,
               bool cheats)
    : key_(std::move(key)),
      student_(student),
      modules_(modules),
      cheats_(cheats),
      retry_(fleet_limits::retry_base.count(), fleet_limits::retry_cap.count()) {
  for (unsigned i = 0; i < sessions; ++i) {
    const auto module = (number + i) % modules.size();
    sessions_.push_back(begin(module, start_ms < modules[module].duration_ms ? start_ms : 0));
  }
}

player::playback_session player::begin(std::size_t module, media_ms at_ms) const {
  // Not from the seed: a second run with the same would send the first one's duplicates.
  thread_local random ids{std::uint64_t{std::random_device{}()} << 32 | std::random_device{}()};
  playback_session made;
  made.id = make_session_id(ids);
  made.module = module;
  // A heartbeat is cut by the pause behind it, at the length that the options say.
  made.cutter = sdk::interval_cutter{limits::media_duration_ms_max};
  made.cutter.position(at_ms, {});
  return made;
}

heartbeat player::play(const playing_rules& rules, wall_ms now_ms, random& source) {
  auto& session = sessions_[turn_++ % sessions_.size()];
  const auto& module = modules_[session.module];
  auto& cutter = session.cutter;

  const auto from_ms = cutter.last_position();
  const auto to_ms = std::min(from_ms + rules.heartbeat_ms, module.duration_ms);
  cutter.rate(from_ms, rules.rate_permille, session.played_until);
  cutter.play(from_ms, session.played_until);
  // Rounded up: the last position must lie within what the clock allows.
  session.played_until +=
      (std::int64_t{to_ms - from_ms} * 1000 + rules.rate_permille - 1) / rules.rate_permille;
  cutter.pause(to_ms, session.played_until);
  const auto piece = cutter.next();

  token_claims claims;
  claims.student = student_;
  claims.module = module.id;
  claims.session = session.id;
  claims.sequence = session.next_sequence++;
  claims.interval = piece->interval;
  claims.playback_rate_permille = piece->rate_permille;
  claims.issued_at_ms = now_ms;

  auto position_ms = to_ms;
  if (cheats_) {
    position_ms += std::uniform_int_distribution<media_ms>(0, 60'000)(source);
    cutter.sought(std::min(position_ms, module.duration_ms), session.played_until);
  }

  heartbeat made;
  made.claims = claims;
  sign(made, &session, rules);
  if (position_ms >= module.duration_ms) session = begin((session.module + 1) % modules_.size(), 0);
  return made;
}

void player::sign(heartbeat& of, playback_session* session, const playing_rules& rules) const {
  of.session_key = false;
  sdk::key_offer offer;
  sdk::shared_secret z;
  if (rules.gateway == nullptr || session == nullptr) {
    of.token = key_.sign_token(of.claims);
  } else if (session->key) {
    auto input =
        sdk::signing_input(sdk::session_header(key_.kid_text(), of.claims.session), of.claims);
    const auto mac = sdk::hmac_sha256(*session->key, input);
    of.token = sdk::finish_token(std::move(input), mac);
    of.session_key = true;
  } else if (sdk::agree(rules.gateway->point, offer.point, z)) {
    offer.gateway_kid = rules.gateway->kid;
    auto input = sdk::signing_input(sdk::device_header(key_.kid_text()), of.claims, &offer);
    const auto signature = key_.sign(input);
    session->key = sdk::derive_session_key(z, input);
    of.token = sdk::finish_token(std::move(input), signature);
  } else {
    of.token = key_.sign_token(of.claims);
  }
}

void player::sign_again(std::size_t in_flight, const playing_rules& rules) {
  auto& beat = in_flight_.at(in_flight);
  const auto session =
      std::find_if(sessions_.begin(), sessions_.end(),
                   [&](const playback_session& each) { return each.id == beat.claims.session; });
  const bool goes_on = session != sessions_.end();
  if (goes_on) session->key.reset();
  sign(beat, goes_on ? &*session : nullptr, rules);
}

std::size_t player::trim(std::size_t buffer_heartbeats) {
  std::size_t dropped = 0;
  for (; pending_.size() > buffer_heartbeats; ++dropped) pending_.pop_front();
  return dropped;
}

std::size_t player::add(heartbeat&& made, std::size_t buffer_heartbeats) {
  pending_.push_back(std::move(made));
  return trim(buffer_heartbeats);
}

void player::stamp(time_point due) noexcept {
  for (auto& waiting : pending_)
    if (waiting.due == time_point{}) waiting.due = due;
}

std::span<const heartbeat> player::take(std::size_t tokens_max, time_point now) {
  const auto count = std::min(tokens_max, pending_.size());
  const auto end = pending_.begin() + static_cast<std::ptrdiff_t>(count);
  in_flight_.assign(std::make_move_iterator(pending_.begin()), std::make_move_iterator(end));
  pending_.erase(pending_.begin(), end);
  for (auto& sent : in_flight_) {
    ++sent.attempts;
    if (sent.due == time_point{}) sent.due = now;
  }
  return in_flight_;
}

std::size_t player::complete(const std::vector<bool>& again, std::chrono::milliseconds retry_after,
                             time_point now, std::size_t buffer_heartbeats, random& source) {
  std::size_t waiting = 0;
  // From the last to the first, each to the front: the order stays.
  for (std::size_t i = in_flight_.size(); i-- > 0;) {
    if (!again[i]) continue;
    pending_.push_front(std::move(in_flight_[i]));
    ++waiting;
  }
  in_flight_.clear();
  if (waiting == 0) {
    retry_.reset();
    return 0;
  }
  const std::chrono::milliseconds jitter{retry_.next_ms(source())};
  not_before_ = now + retry_after + jitter;
  return trim(buffer_heartbeats);
}

std::size_t player::abandon() noexcept {
  const auto count = pending_.size() + in_flight_.size();
  pending_.clear();
  in_flight_.clear();
  return count;
}

}  // namespace watchkeeper::fleet
