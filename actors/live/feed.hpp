#pragma once

#include <array>
#include <atomic>
#include <boost/unordered/unordered_flat_map.hpp>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "actors/live/activity_tracker.hpp"
#include "actors/live/ended_lives.hpp"
#include "actors/live/message.hpp"
#include "actors/live/stream.hpp"
#include "actors/shared/watch_observer.hpp"
#include "base/clock.hpp"
#include "base/log_level.hpp"
#include "base/thread_safety.hpp"
#include "domain/problem.hpp"
#include "storage/live_channel.hpp"

namespace watchkeeper::actors {

struct live_feed_statistics {
  std::uint64_t subscribers = 0;
  std::uint64_t modules = 0;       // that are watched, here or at another gateway
  std::uint64_t events = 0;        // written, each counted once
  std::uint64_t updates_lost = 0;  // heartbeats that no event includes
  std::uint64_t subscribers_refused = 0;
  std::uint64_t gateways = 1;  // that share a live channel, this one included
  storage::live_channel::statistics channel;
};

/// The live view: sends what happens in a module to those who watch it, at most four times a
/// second.
///
/// A heartbeat is counted. If its module is watched, a copy goes into a queue. One thread coalesces
/// the copies, encodes them once for each module, and gives the text to each subscriber. Each event
/// has an id. A subscriber that comes back with the last id it saw gets the events that it missed,
/// or a `reset` event: fetch again. After an erasure or a reset of a progress all subscribers of
/// those modules get it: they may show what no event named. With a live_channel, gateways announce
/// to each other which modules have watchers, who had a heartbeat in any module, and the sums of
/// each second: `totals` and `activity` are those of all gateways.
class live_feed final : public watch_observer {
 public:
  static constexpr std::size_t subscribers_max = 1000;
  static constexpr std::int64_t burst_ms = 250;  // between two events of one kind
  /// Bytes a second to all subscribers together. Beyond it bursts are further apart: watchers must
  /// not take the processor from the heartbeats.
  static constexpr std::size_t written_bytes_per_s_max = 12 * 1024 * 1024;
  static constexpr std::size_t write_costs_bytes = 4096;  // what a write costs beside its bytes
  static constexpr std::int64_t burst_ms_max = 2000;
  /// The pause after a burst that cost so much, with write_costs_bytes for each write.
  [[nodiscard]] static std::int64_t pause_ms(std::size_t cost_bytes) noexcept;
  static constexpr std::int64_t totals_ms = 1000;
  static constexpr std::int64_t keep_alive_ms = 15'000;
  static constexpr std::int64_t retry_ms = 2000;       // what a client waits before it comes back
  static constexpr std::int64_t linger_ms = 60'000;    // a module nobody watches any more
  static constexpr std::int64_t interest_ms = 15'000;  // of another gateway
  static constexpr std::int64_t interest_interval_ms = 5000;  // how often it is repeated
  /// Another gateway that has been silent for this time counts as gone.
  static constexpr std::int64_t gateway_ms = 3500;
  static constexpr std::size_t gateways_max = 64;
  static constexpr std::size_t waiting_seconds_max = 2;  // beyond it two are added up
  static constexpr std::size_t queued_updates_max = 65'536;
  static constexpr std::size_t queued_message_bytes_max = 16 * 1024 * 1024;
  static constexpr std::size_t streams_max = 2048;
  static constexpr std::size_t totals_modules_max = 100;  // that `totals` names
  /// Beyond it every stream begins anew, and what comes late of the further ones is shown.
  static constexpr std::size_t queued_ended_max = ended_lives::entries_max;

  struct dependencies {
    const time_source& time;
    std::unique_ptr<storage::live_channel> channel;
    log_function log;
  };
  explicit live_feed(dependencies deps);
  ~live_feed() override;  // as stop()

  /// Students with heartbeats that another gateway acknowledged. No students: the gateway is there.
  using seen_function =
      std::function<void(const module_id& module, std::span<const student_id> students)>;
  /// Starts the thread. Both are called on it; `seen_elsewhere` may be empty.
  void start(std::function<live_counts()> counts, seen_function seen_elsewhere = {});
  /// Ends every subscription and the thread. Blocks. Further calls do nothing.
  void stop();

  void acknowledged(const acknowledged_heartbeat& heartbeat) noexcept override;
  void rejected(const rejected_heartbeat&) noexcept override {}
  /// All streams begin anew: their watchers fetch again.
  void student_erased(const student_id& student, std::uint32_t next_epoch) noexcept override;
  /// The module's stream begins anew.
  void progress_reset(const pair_key& pair, life_number begun) noexcept override;

  /// Writes events to `who` from now on, `hello` first. Without a module: totals only.
  /// `last_event_id`: as the client sent it; empty: none. Ends at `until_ms` (0: no end). Returns
  /// the number to unsubscribe with, or 0 if there are too many or the feed has stopped: then
  /// nothing was written.
  [[nodiscard]] std::uint64_t subscribe(std::shared_ptr<live_subscriber> who,
                                        const std::optional<module_id>& module,
                                        std::string_view last_event_id, wall_ms until_ms);
  /// Nothing is written once it has returned.
  void unsubscribe(std::uint64_t number);
  /// Ends the client's stream. Nothing is written once it has returned.
  void end(std::uint64_t number);
  /// Ends all subscriptions. Their owners may subscribe again.
  void end_all();

  [[nodiscard]] std::vector<module_activity> activity() const { return board_.read(); }
  [[nodiscard]] live_feed_statistics statistics() const;

 private:
  struct raw_update {
    module_id module;
    live_update update;
    wall_ms at_ms;  // when it was acknowledged
  };
  static constexpr std::size_t buckets = 1024;
  static std::size_t bucket_of(const module_id& module) noexcept {
    return stable_hash(module.view()) % buckets;
  }

  void run();
  void burst(mono_ms now);
  void take_messages(mono_ms now) REQUIRES(mutex_);
  void take_updates(std::vector<raw_update>&& raw, mono_ms now) REQUIRES(mutex_);
  /// Adds the update to the next events. False: it is lost, or of a life that ended.
  bool add(live_stream& stream, const live_update& update, wall_ms at_ms) REQUIRES(mutex_);
  void take_seen(const live_seen& seen, mono_ms now) REQUIRES(mutex_);
  void announce_seen() REQUIRES(mutex_);
  /// The last second of all gateways; `second` is this one's.
  [[nodiscard]] live_second of_all(const live_second& second, mono_ms now) REQUIRES(mutex_);
  void publish(const live_stream& stream, std::span<const live_update> updates) REQUIRES(mutex_);
  void announce_interest(mono_ms now) REQUIRES(mutex_);
  void announce_totals(mono_ms now);
  /// Writes all outgoing text to the subscribers. Returns the pause until the next burst.
  [[nodiscard]] std::int64_t write_out();
  void housekeep(mono_ms now) REQUIRES(mutex_);
  void gap_everywhere() REQUIRES(mutex_);
  void queue(const ended_life& ended) noexcept;
  void take_ended(std::span<const ended_life> ended) REQUIRES(mutex_);
  live_stream* find(const module_id& module) noexcept REQUIRES(mutex_);
  live_stream* find_or_make(const module_id& module, mono_ms now) REQUIRES(mutex_);
  void remove_subscriber(std::uint64_t number, bool notify) REQUIRES(mutex_);

  dependencies deps_;
  std::function<live_counts()> counts_;
  seen_function seen_elsewhere_;
  activity_tracker board_;
  const std::uint64_t gateway_;

  /// The number of streams with a module of this bucket, which every heartbeat reads.
  std::array<std::atomic<std::uint16_t>, buckets> watched_{};

  // The queue before the thread.
  mutable annotated_mutex queue_mutex_;
  std::condition_variable ready_;
  std::vector<raw_update> queue_ GUARDED_BY(queue_mutex_);
  std::vector<std::string> messages_ GUARDED_BY(queue_mutex_);
  std::vector<ended_life> ended_ GUARDED_BY(queue_mutex_);
  std::size_t message_bytes_ GUARDED_BY(queue_mutex_) = 0;
  // Something did not fit into the queue, or never came.
  bool gap_ GUARDED_BY(queue_mutex_) = false;
  bool gap_is_ours_ GUARDED_BY(queue_mutex_) = false;
  bool interest_changed_ GUARDED_BY(queue_mutex_) = false;
  bool unfinished_ GUARDED_BY(queue_mutex_) = false;  // a burst left something for the next
  bool stopping_ GUARDED_BY(queue_mutex_) = false;

  mutable annotated_mutex mutex_;  // taken before queue_mutex_
  struct subscription {
    std::shared_ptr<live_subscriber> who;
    live_stream* stream = nullptr;
    wall_ms until_ms;
  };
  /// Its seconds and ours do not keep step: up to two of its seconds wait, so that `totals`
  /// includes each of them once.
  struct other_gateway {
    std::deque<live_counts> waiting;
    std::uint64_t sessions = 0;
    std::uint64_t connections = 0;
    mono_ms announced_at;

    void add(const live_counts& grown, mono_ms now);
    /// Adds the oldest second that waits, if there is one, and the current sessions and
    /// connections.
    void take_second(live_counts& all);
  };
  std::map<std::uint64_t, other_gateway> others_ GUARDED_BY(mutex_);
  std::map<std::uint64_t, subscription> subscriptions_ GUARDED_BY(mutex_);
  std::map<module_id, std::unique_ptr<live_stream>> streams_ GUARDED_BY(mutex_);
  live_stream totals_only_ GUARDED_BY(mutex_);
  ended_lives ended_lately_ GUARDED_BY(mutex_);
  std::uint64_t last_number_ GUARDED_BY(mutex_) = 0;
  std::uint64_t refused_ GUARDED_BY(mutex_) = 0;
  bool closed_ GUARDED_BY(mutex_) = true;
  live_counts announced_counts_ GUARDED_BY(mutex_);
  mono_ms totals_at_ GUARDED_BY(mutex_);
  mono_ms last_keep_alive_at_ GUARDED_BY(mutex_);
  std::optional<mono_ms> interest_published_at_ GUARDED_BY(mutex_);
  std::uint64_t events_ GUARDED_BY(mutex_) = 0;
  std::atomic<std::uint64_t> lost_{0};
  std::thread thread_;
};

}  // namespace watchkeeper::actors
