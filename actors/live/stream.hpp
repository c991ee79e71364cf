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
#include "domain/heatmap_bins.hpp"

namespace watchkeeper::actors {

/// Who watches, as the feed sees it.
class live_subscriber {
 public:
  virtual ~live_subscriber() = default;
  /// Whole events (text/event-stream). Called one at a time; must neither block nor throw: who does
  /// not read fast enough is cut off by whoever owns the connection.
  virtual void write(std::string_view events) noexcept = 0;
  /// Nothing more comes.
  virtual void end() noexcept = 0;
};

/// The events of one module: those to come, coalesced, and those that were, for who comes back.
/// Thread: one at a time (the feed's lock).
class live_stream {
 public:
  static constexpr std::size_t pending_students_max = 65'536;
  /// Of `progress`: no item is added beyond it, those that are left come with the next events.
  static constexpr std::size_t event_bytes_max = 12 * 1024;
  static constexpr std::size_t kept_events_max = 512;
  static constexpr std::int64_t erased_ms = 10'000;
  static constexpr std::size_t erased_max = 64;  // beyond them the one of longest ago is given up
  /// All of it may be written at once, to who comes back.
  static constexpr std::size_t kept_bytes_max = 160 * 1024;

  /// No module: totals only.
  explicit live_stream(std::optional<module_id> module);

  [[nodiscard]] const std::optional<module_id>& module() const noexcept { return module_; }

  // Subscribers: owned by their subscription.
  std::map<std::uint64_t, live_subscriber*> subscribers;
  std::string outgoing;         // what they are to get with the next write
  unix_ms wanted_until_ms = 0;  // by nobody here: lingers, or another gateway asks for it
  unix_ms remote_until_ms = 0;  // another gateway has watchers

  /// False: too many students wait; the update is lost. `at_ms`: when it was settled.
  bool add(const live_update& update, unix_ms at_ms);
  [[nodiscard]] bool has_pending() const noexcept { return !order_.empty() || !heat_.empty(); }
  /// The next events, or nothing; they are kept for who comes back. `events` counts them.
  std::string next_burst(unix_ms now_ms, std::uint64_t& events);
  /// Whether an event to come, or one that is kept, names the student. Looks at all that is kept.
  [[nodiscard]] bool holds(const student_id& student) const;
  /// Whether the stream is to begin anew for an erasure: it holds the student, or did within the
  /// last `erased_ms`: an erasure is told of before and after the ledger has made it, and what was
  /// fetched in between is of before.
  bool erased(const student_id& student, unix_ms now_ms);
  /// What was missed cannot be told: an event that says so, and nothing before it, told or not, can
  /// be had again: whoever reads it asks for everything.
  std::string reset();

  /// Writes what is outgoing to every subscriber. What that cost: `per_write_bytes` more for each.
  std::size_t write_out(std::size_t per_write_bytes);

  /// `text` as an event with the id of the last one that is kept: not kept itself.
  [[nodiscard]] std::string passing(std::string_view kind, std::string_view data) const;

  /// What a subscriber that saw `last_event_id` last (empty: is new) gets first: `hello`, then what
  /// it missed or `reset`.
  [[nodiscard]] std::string greeting(std::string_view last_event_id, unix_ms now_ms,
                                     std::int64_t retry_ms) const;

 private:
  struct kept_event {
    std::uint64_t number = 0;
    std::string text;
  };
  struct heat {
    std::int64_t fresh_ms = 0;
    std::int64_t played_ms = 0;
  };
  [[nodiscard]] std::string id_of(std::uint64_t number) const;
  std::string keep(std::string_view kind, std::string_view data);
  void add_heat(const live_update& update, unix_ms at_ms);

  std::optional<module_id> module_;
  std::uint64_t serial_;  // random: ids of another stream, process or gateway are not ours
  std::uint64_t number_ = 0;
  std::uint64_t kept_from_ = 0;  // everything after this number is kept
  std::deque<kept_event> kept_;
  std::size_t kept_bytes_ = 0;

  std::deque<live_update> order_;  // by the time of the first update
  std::uint64_t order_base_ = 0;   // the place of order_.front()
  boost::unordered_flat_map<student_id, std::uint64_t, std::hash<student_id>> places_;
  std::deque<std::pair<std::uint64_t, unix_ms>> erased_;  // digest of the student, until when
  std::map<std::uint32_t, heat> heat_;
  unix_ms heat_since_ms_ = 0;  // when the first of it was settled
  heatmap_layout layout_;
};

/// RFC 3339 with milliseconds, UTC.
std::string live_time(unix_ms time_ms);

}  // namespace watchkeeper::actors
