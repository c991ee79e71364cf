#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "actors/live/update.hpp"
#include "base/clock.hpp"
#include "domain/heatmap_bins.hpp"

namespace watchkeeper::actors {

/// A watcher, as the feed uses it.
class live_subscriber {
 public:
  virtual ~live_subscriber() = default;
  /// Whole events (text/event-stream). Called one at a time; must neither block nor throw. The
  /// owner of the connection ends a client that reads too slowly.
  virtual void write(std::string_view events) noexcept = 0;
  /// No event follows.
  virtual void end() noexcept = 0;
};

/// The events of one module: the next ones, coalesced, and a backlog of the last ones, for clients
/// that come back. Thread: one at a time (the feed's lock).
class live_stream {
 public:
  static constexpr std::size_t pending_students_max = 65'536;
  /// Of `progress`: beyond it no item is added; the rest follows with the next events.
  static constexpr std::size_t event_bytes_max = 12 * 1024;
  static constexpr std::size_t backlog_events_max = 512;
  static constexpr std::int64_t reset_ms = 2000;  // between two resets: clients fetch a lot then
  /// The whole backlog may be written at once, to a client that comes back.
  static constexpr std::size_t backlog_bytes_max = 160 * 1024;

  /// No module: totals only.
  explicit live_stream(std::optional<module_id> module);

  [[nodiscard]] const std::optional<module_id>& module() const noexcept { return module_; }

  // Subscribers: owned by their subscription.
  std::map<std::uint64_t, live_subscriber*> subscribers;
  std::string outgoing;  // for all of them, with the next write
  mono_ms linger_until;  // the stream stays until then without subscribers
  mono_ms remote_until;  // another gateway has watchers

  /// False: too many students wait, and the update is lost. `at_ms`: when it was acknowledged.
  bool add(const live_update& update, wall_ms at_ms);
  [[nodiscard]] bool has_pending() const noexcept {
    return owes_reset_ || !order_.empty() || !heat_.empty();
  }
  /// Returns the next events, if there are any, and appends them to the backlog. A reset that is
  /// owed is the first of them, but not less than `reset_ms` after the last one. `events` counts
  /// them.
  std::string next_burst(mono_ms now, wall_ms now_ms, std::uint64_t& events);
  /// Drops the next events and the backlog; the event that sends clients to fetch everything again
  /// is owed to them.
  void begin_anew();

  /// Writes the outgoing text to every subscriber. Returns the cost in bytes, with
  /// `per_write_bytes` for each write.
  std::size_t write_out(std::size_t per_write_bytes);

  /// An event with the id of the last one of the backlog. It does not become part of the backlog.
  [[nodiscard]] std::string passing(std::string_view kind, std::string_view data) const;

  /// The first text for a subscriber that saw `last_event_id` last (empty: it is new): `hello`,
  /// then the events that it missed, or `reset`.
  [[nodiscard]] std::string greeting(std::string_view last_event_id, wall_ms now_ms,
                                     std::int64_t retry_ms) const;

 private:
  struct backlog_event {
    std::uint64_t number = 0;
    std::string text;
  };
  struct heat {
    std::int64_t fresh_ms = 0;
    std::int64_t played_ms = 0;
  };
  [[nodiscard]] std::string id_of(std::uint64_t number) const;
  void drop_backlog();
  std::string progress_event(wall_ms now_ms);
  std::string heatmap_event();
  std::string append_to_backlog(std::string_view kind, std::string_view data);
  void add_heat(const live_update& update, wall_ms at_ms);

  std::optional<module_id> module_;
  std::uint64_t serial_;  // random: tells ids of other streams, processes and gateways apart
  std::uint64_t number_ = 0;
  std::uint64_t backlog_after_ = 0;  // the backlog has every event after this number
  std::deque<backlog_event> backlog_;
  std::size_t backlog_bytes_ = 0;

  std::deque<live_update> order_;  // by the time of the first update
  std::uint64_t order_base_ = 0;   // the place of order_.front()
  boost::unordered_flat_map<student_id, std::uint64_t, std::hash<student_id>> places_;
  bool owes_reset_ = false;
  std::optional<mono_ms> reset_at_;  // the last one
  std::map<std::uint32_t, heat> heat_;
  wall_ms heat_since_ms_;  // when the first of it was acknowledged
  heatmap_layout layout_;
};

}  // namespace watchkeeper::actors
