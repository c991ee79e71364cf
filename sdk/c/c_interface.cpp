// The functions of watchkeeper.h. None of them throws.

#include <poll.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <new>
#include <string>
#include <utility>

#include "domain/given_id.hpp"
#include "sdk/c/c_client.hpp"
#include "sdk/c/defaults.hpp"
#include "sdk/c/der_signature.hpp"

using namespace watchkeeper;
using namespace watchkeeper::sdk;

namespace {

/// A clock that calls a function which needs the clock would never return.
bool in_clock(const wk_client* client) noexcept {
  return client->host_clock != nullptr && client->host_clock->running();
}

static_assert(static_cast<int>(WK_DROP_TOO_OLD) == static_cast<int>(drop_reason::too_old));
static_assert(static_cast<int>(WK_FAILURE_NOT_ENROLLED) ==
              static_cast<int>(failure_kind::not_enrolled));

void put_text(const std::string& from, char* into, std::size_t size) {
  if (into == nullptr || size == 0) return;
  const auto length = std::min(from.size(), size - 1);
  std::memcpy(into, from.data(), length);
  into[length] = '\0';
}

std::string_view text_of(const char* text) {
  return text == nullptr ? std::string_view{} : std::string_view{text};
}

template <class Id>
std::string as_string(const Id& id) {
  return std::string{id.view()};
}

void notify(const wk_callbacks& to, const event& of) {
  if (of.what == event::kind::failure) {
    if (to.on_failure != nullptr)
      to.on_failure(to.user, static_cast<wk_failure>(of.failure), of.text.c_str());
    return;
  }
  if (of.what == event::kind::progress) {
    if (to.on_progress == nullptr) return;
    const auto module = as_string(of.module);
    const auto session = as_string(of.session);
    const wk_progress made{module.c_str(),
                           session.c_str(),
                           of.progress.seconds_watched,
                           of.progress.completion_percentage,
                           of.progress.resume_ms,
                           of.progress.mastered,
                           of.newly_mastered};
    to.on_progress(to.user, &made);
    return;
  }
  if (to.on_drop == nullptr) return;
  std::vector<std::pair<std::string, std::string>> names;
  std::vector<wk_drop> made;
  names.reserve(of.dropped.size());
  for (const auto& each : of.dropped) {
    names.emplace_back(as_string(each.what.module), as_string(each.what.session));
    made.push_back({names.back().first.c_str(), names.back().second.c_str(), each.what.sequence,
                    each.what.interval.from_ms, each.what.interval.to_ms,
                    static_cast<wk_drop_reason>(each.why), each.problem.c_str()});
  }
  to.on_drop(to.user, made.data(), made.size());
}

template <class Work>
wk_result guarded(wk_client* client, Work work) noexcept {
  if (client == nullptr) return WK_ERROR_ARGUMENT;
  if (in_clock(client)) return WK_ERROR_STATE;
  auto result = WK_ERROR_MEMORY;  // the only exception of the engine is bad_alloc
  ++client->depth;
  try {
    result = work(*client->engine);
    // Callbacks run when the client is at rest, so that they may call it. The outermost call also
    // delivers the events that these calls cause.
    if (client->depth == 1)
      while (const auto next = client->engine->take_event()) notify(client->callbacks, *next);
  } catch (...) {
    result = WK_ERROR_MEMORY;
  }
  --client->depth;
  return result;
}

template <class Report>
wk_result report(wk_client* client, std::int64_t position_ms, Report what) noexcept {
  return guarded(client, [&](engine& on) {
    if (position_ms < -1 || position_ms > limits::media_duration_ms_max) return WK_ERROR_ARGUMENT;
    auto* player = on.player();
    if (player == nullptr) return WK_ERROR_STATE;
    const auto result = what(*player, static_cast<media_ms>(position_ms), on.now().monotonic);
    on.collect();
    return result;
  });
}

wk_result fail_create(wk_result why, const std::string& sentence, wk_result* result, char* text,
                      std::size_t size) {
  if (result != nullptr) *result = why;
  put_text(sentence, text, size);
  return why;
}

wk_result describe(const device_identity& of, wk_identity* into) {
  if (into == nullptr) return WK_ERROR_ARGUMENT;
  put_text(of.kid_text, into->kid, sizeof into->kid);
  put_text(public_jwk(of), into->jwk, sizeof into->jwk);
  return WK_OK;
}

}  // namespace

extern "C" {

void wk_options_init_sized(wk_options* options, size_t struct_size) {
  wk_options made{};
  made.struct_size = struct_size;
  made.session_keys = 1;
  made.full_response_every = sdk_limits::full_response_every;
  made.heartbeat_ms = sdk_limits::heartbeat_ms;
  made.interval_max_ms = sdk_limits::interval_ms_max;
  made.backoff_base_ms = sdk_limits::backoff_base_ms;
  made.backoff_cap_ms = sdk_limits::backoff_cap_ms;
  made.request_timeout_ms = sdk_limits::request_timeout_ms;
  // A host built with a later header has more members. They stay zero, which is a default.
  if (struct_size > sizeof made) std::memset(options, 0, struct_size);
  std::memcpy(options, &made, std::min(struct_size, sizeof made));
}

wk_client* wk_client_create(const wk_options* options, wk_result* result, char* text,
                            size_t text_size) {
  if (result != nullptr) *result = WK_OK;
  put_text({}, text, text_size);
  if (options == nullptr || options->struct_size == 0) {
    fail_create(WK_ERROR_ARGUMENT, "call wk_options_init first", result, text, text_size);
    return nullptr;
  }
  try {
    // A host built with an earlier header has fewer members.
    wk_options given;
    wk_options_init_sized(&given, sizeof given);
    std::memcpy(&given, options, std::min(options->struct_size, sizeof given));
    auto made = std::make_unique<wk_client>();
    std::string why;
    const auto code = make_client(given, *made, why);
    if (code != WK_OK) {
      fail_create(code, why, result, text, text_size);
      return nullptr;
    }
    auto* client = made.release();
    // Delivers the events of loading.
    guarded(client, [](engine&) { return WK_OK; });
    return client;
  } catch (...) {
    fail_create(WK_ERROR_MEMORY, "no memory", result, text, text_size);
    return nullptr;
  }
}

void wk_client_destroy(wk_client* client) {
  if (client == nullptr) return;
  guarded(client, [](engine& on) {
    on.close();
    return WK_OK;
  });
  delete client;
}

wk_result wk_client_open(wk_client* client, const char* module, const char* session) {
  return guarded(client, [&](engine& on) {
    const auto of = parse_given_id<module_id>(text_of(module));
    const auto as = parse_given_id<session_id>(
        session == nullptr ? make_uuid(random_number(), random_number()) : std::string{session});
    if (!of || !as) return WK_ERROR_ARGUMENT;
    on.open(*of, *as);
    return WK_OK;
  });
}

// The app is about to show the progress.
#define WK_BREAK(name, call)                                                                   \
  wk_result wk_client_##name(wk_client* client, int64_t position_ms) {                         \
    if (client != nullptr && !in_clock(client)) client->engine->want_progress();               \
    return report(client, position_ms, [](interval_cutter& player, media_ms at, mono_ms now) { \
      player.call(at, now);                                                                    \
      return WK_OK;                                                                            \
    });                                                                                        \
  }
WK_BREAK(pause, pause)
WK_BREAK(seeking, seeking)
WK_BREAK(background, background)
WK_BREAK(ended, ended)
#undef WK_BREAK

#define WK_REPORT(name, call)                                                                  \
  wk_result wk_client_##name(wk_client* client, int64_t position_ms) {                         \
    return report(client, position_ms, [](interval_cutter& player, media_ms at, mono_ms now) { \
      player.call(at, now);                                                                    \
      return WK_OK;                                                                            \
    });                                                                                        \
  }
WK_REPORT(play, play)
WK_REPORT(position, position)
WK_REPORT(seeked, sought)
WK_REPORT(stalled, stalled)
WK_REPORT(resumed, resumed)
WK_REPORT(foreground, foreground)
#undef WK_REPORT

wk_result wk_client_rate(wk_client* client, int64_t position_ms, double rate) {
  return report(client, position_ms, [rate](interval_cutter& player, media_ms at, mono_ms now) {
    const bool usable = std::isfinite(rate) && rate > 0 && rate < 1000;
    const auto permille = usable ? static_cast<std::int32_t>(std::lround(rate * 1000)) : 0;
    return player.rate(at, permille, now) ? WK_OK : WK_ERROR_ARGUMENT;
  });
}

wk_result wk_client_poll(wk_client* client) {
  return guarded(client, [](engine& on) {
    on.poll();
    return WK_OK;
  });
}

wk_result wk_client_flush(wk_client* client) {
  return guarded(client, [](engine& on) {
    on.flush();
    return WK_OK;
  });
}

int64_t wk_client_next_due_ms(wk_client* client) {
  return client == nullptr || in_clock(client) ? -1 : client->engine->next_due_ms();
}

int wk_client_descriptor(wk_client* client, short* events) {
  short poll_events = 0;
  const int descriptor = client == nullptr ? -1 : client->network->descriptor(poll_events);
  if (events != nullptr) *events = poll_events;
  return descriptor;
}

wk_result wk_client_wait(wk_client* client, int64_t timeout_ms) {
  if (client == nullptr || timeout_ms < 0) return WK_ERROR_ARGUMENT;
  if (in_clock(client)) return WK_ERROR_STATE;
  const auto due_ms = wk_client_next_due_ms(client);
  const auto wait_ms = due_ms < 0 ? timeout_ms : std::min(due_ms, timeout_ms);
  pollfd on{-1, 0, 0};
  on.fd = wk_client_descriptor(client, &on.events);
  ::poll(&on, on.fd < 0 ? 0 : 1, static_cast<int>(std::min<std::int64_t>(wait_ms, 3'600'000)));
  return wk_client_poll(client);
}

wk_result wk_client_respond(wk_client* client, uint64_t id, const wk_response* response) {
  if (response == nullptr || (response->body == nullptr && response->body_size != 0))
    return WK_ERROR_ARGUMENT;
  return guarded(client, [&](engine& on) {
    http_response made;
    made.status = response->status;
    if (response->retry_after_s >= 0)
      made.retry_after_ms =
          std::min<std::int64_t>(response->retry_after_s, sdk_limits::retry_after_ms_max / 1000) *
          1000;
    made.too_long = response->body_size > sdk_limits::response_bytes_max;
    if (!made.too_long && response->body_size != 0)
      made.body.assign(reinterpret_cast<const char*>(response->body), response->body_size);
    return on.on_response(id, std::move(made)) ? WK_OK : WK_ERROR_STATE;
  });
}

wk_result wk_client_fail(wk_client* client, uint64_t id, wk_delivery delivery, const char* text) {
  return guarded(client, [&](engine& on) {
    const auto why = text == nullptr ? std::string_view{"the transport failed"} : text_of(text);
    return on.on_failure(id, delivery != WK_DELIVERY_NOT_SENT, why) ? WK_OK : WK_ERROR_STATE;
  });
}

wk_result wk_client_status_sized(wk_client* client, wk_status* status, size_t struct_size) {
  if (client == nullptr || status == nullptr) return WK_ERROR_ARGUMENT;
  if (in_clock(client)) return WK_ERROR_STATE;
  auto& on = *client->engine;
  const auto now = on.now();
  const auto& counts = on.counts();
  wk_status made{};
  made.struct_size = struct_size;
  made.buffered = static_cast<std::uint32_t>(on.buffer().size());
  made.in_flight = static_cast<std::uint32_t>(on.buffer().in_flight());
  made.made = counts.made;
  made.acknowledged = counts.acknowledged;
  made.limited = counts.limited;
  made.dropped = counts.dropped;
  made.requests = counts.requests;
  made.device_signatures = counts.device_signatures;
  made.session_signatures = counts.session_signatures;
  made.bytes_up = client->network->bytes_up();
  made.bytes_down = client->network->bytes_down();
  made.cooldown_ms = on.cooldown_ms();
  made.clock_offset_ms = on.clock().offset_ms(now);
  made.clock_known = on.clock().is_set();
  made.playing = on.player() != nullptr && on.player()->running();
  made.storage_failing = on.storage_failing();
  if (const auto& progress = on.progress()) {
    made.progress_known = 1;
    made.seconds_watched = progress->seconds_watched;
    made.completion_percentage = progress->completion_percentage;
    made.resume_ms = progress->resume_ms;
    made.mastered = progress->mastered;
  }
  std::memcpy(status, &made, std::min(struct_size, sizeof made));
  return WK_OK;
}

wk_result wk_client_identity(wk_client* client, wk_identity* identity) {
  return client == nullptr ? WK_ERROR_ARGUMENT
                           : describe(client->engine->options().identity, identity);
}

wk_result wk_identity_of_key_file(const char* path, wk_identity* identity, char* text,
                                  size_t text_size) {
  put_text({}, text, text_size);
  if (path == nullptr || identity == nullptr) return WK_ERROR_ARGUMENT;
  try {
    const auto file = open_key_file(path);
    if (!file.key) {
      put_text(file.error, text, text_size);
      return WK_ERROR_KEY;
    }
    return describe(file.key->identity(), identity);
  } catch (...) {
    return WK_ERROR_MEMORY;
  }
}

wk_result wk_identity_of_public_key(const uint8_t* public_key, size_t public_key_size,
                                    wk_identity* identity) {
  try {
    const auto point = point_of(public_key, public_key_size);
    const auto made = point ? identify(*point) : std::nullopt;
    return made ? describe(*made, identity) : WK_ERROR_KEY;
  } catch (...) {
    return WK_ERROR_MEMORY;
  }
}

wk_result wk_signature_from_der(const uint8_t* der, size_t size, uint8_t raw[64]) {
  if (der == nullptr || raw == nullptr) return WK_ERROR_ARGUMENT;
  const auto made = raw_signature_of({der, size});
  if (!made) return WK_ERROR_ARGUMENT;
  std::copy(made->begin(), made->end(), raw);
  return WK_OK;
}

const char* wk_version(void) {
  return WATCHKEEPER_VERSION;
}

}  // extern "C"
