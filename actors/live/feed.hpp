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
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "actors/live/activity_tracker.hpp"
#include "actors/live/message.hpp"
#include "actors/live/stream.hpp"
#include "actors/shared/watch_observer.hpp"
#include "base/log_level.hpp"
#include "domain/problem.hpp"
#include "storage/live_channel.hpp"

namespace watchkeeper::actors {

struct live_feed_statistics {
  std::uint64_t subscribers = 0;
  std::uint64_t modules = 0;       // that are watched, here or at another gateway
  std::uint64_t events = 0;        // written, each counted once
  std::uint64_t updates_lost = 0;  // heartbeats that no event told of
  std::uint64_t subscribers_refused = 0;
  std::uint64_t gateways = 1;  // that tell each other, this one included
  storage::live_channel::statistics channel;
};

/// The live view: what happens in a module, told to those who watch it, at most four times a
/// second.
///
/// A heartbeat only counts itself and looks whether its module is watched; of a watched one a copy
/// is queued. One thread coalesces, encodes once a module, and hands the text to each subscriber.
/// Each event has an id; a subscriber that comes back with the last one it saw is given what it
/// missed, or told to fetch again (`reset`). With a live_channel, gateways tell each other of the
/// modules that the other one has watchers for, of who had a heartbeat in any module, and of the
/// sums of each second: `totals` and `activity` are those of all gateways.
class live_feed final : public watch_observer {
 public:
  static constexpr std::size_t subscribers_max = 1000;
  static constexpr std::int64_t burst_ms = 250;  // between two events of one kind
  /// What all subscribers together are written in a second, beyond which bursts are further apart:
  /// those who watch must not take the processor from the heartbeats.
  static constexpr std::size_t written_bytes_per_s_max = 12 * 1024 * 1024;
  static constexpr std::size_t write_costs_bytes = 4096;  // as many a write takes, however short
  static constexpr std::int64_t burst_ms_max = 2000;
  /// From one burst to the next when the first took so much, at write_costs_bytes a write.
  [[nodiscard]] static std::int64_t pause_ms(std::size_t cost_bytes) noexcept;
  static constexpr std::int64_t totals_ms = 1000;
  static constexpr std::int64_t keep_alive_ms = 15'000;
  static constexpr std::int64_t retry_ms = 2000;       // what a client waits before it comes back
  static constexpr std::int64_t linger_ms = 60'000;    // a module nobody watches any more
  static constexpr std::int64_t interest_ms = 15'000;  // of another gateway
  static constexpr std::int64_t interest_interval_ms = 5000;  // how often it is repeated
  /// Another gateway that has not said a word for so long has gone.
  static constexpr std::int64_t gateway_ms = 3500;
  static constexpr std::size_t gateways_max = 64;
  static constexpr std::size_t waiting_seconds_max = 2;  // beyond it two are told as one
  static constexpr std::size_t queued_updates_max = 65'536;
  static constexpr std::size_t queued_message_bytes_max = 16 * 1024 * 1024;
  static constexpr std::size_t streams_max = 2048;
  static constexpr std::size_t totals_modules_max = 100;   // that `totals` names
  static constexpr std::size_t queued_erasures_max = 256;  // beyond them every stream begins anew

  struct dependencies {
    std::function<unix_ms()> now;
    std::unique_ptr<storage::live_channel> channel;
    log_function log;
  };
  explicit live_feed(dependencies deps);
  ~live_feed() override;  // as stop()

  /// Students who had heartbeats settled at another gateway; nobody: it is there.
  using seen_function =
      std::function<void(const module_id& module, std::span<const student_id> students)>;
  /// Starts the thread. Both are called on it; `seen_elsewhere` may be empty.
  void start(std::function<live_counts()> counts, seen_function seen_elsewhere = {});
  /// Ends every subscription and the thread. Blocks. Once or more often.
  void stop();

  void settled(const settled_heartbeat& heartbeat) noexcept override;
  void refused(const refused_heartbeat&) noexcept override {}
  /// Streams that hold something of the student are begun anew: whoever watches asks again.
  void student_erased(const student_id& student) noexcept override;

  /// From now on `who` is written to: hello first. Without a module: totals only. `last_event_id`:
  /// as the client sent it; empty: none. Until `until_ms` (0: no end). Gives the number to
  /// unsubscribe with; 0 when there are too many or the feed has stopped: nothing was written.
  [[nodiscard]] std::uint64_t subscribe(std::shared_ptr<live_subscriber> who,
                                        const std::optional<module_id>& module,
                                        std::string_view last_event_id, unix_ms until_ms);
  /// Nothing is written once it has returned.
  void unsubscribe(std::uint64_t number);
  /// As the client sees it, the stream ends. Nothing is written once it has returned.
  void end(std::uint64_t number);
  /// Ends all subscriptions: their owners may come back, if they still may.
  void end_all();

  [[nodiscard]] std::vector<module_activity> activity() const { return board_.read(); }
  [[nodiscard]] live_feed_statistics statistics() const;

 private:
  struct raw_update {
    module_id module;
    live_update update;
    unix_ms at_ms = 0;  // when it was settled
  };
  static constexpr std::size_t buckets = 1024;
  static std::size_t bucket_of(const module_id& module) noexcept {
    return stable_hash(module.view()) % buckets;
  }

  void run();
  void burst(unix_ms now_ms);
  void take_messages(unix_ms now_ms);
  void take_updates(std::vector<raw_update>&& raw, unix_ms now_ms);
  void take_seen(const live_seen& seen, unix_ms now_ms);
  void tell_seen();
  /// What all gateways' last second was; `second` is this one's.
  [[nodiscard]] live_second of_all(const live_second& second, unix_ms now_ms);
  void publish(const live_stream& stream, std::span<const live_update> updates);
  void tell_interest(unix_ms now_ms);
  void tell_totals(unix_ms now_ms);
  /// Writes what is outgoing to those who watch, and gives the pause to the next burst.
  [[nodiscard]] std::int64_t write_out();
  void housekeep(unix_ms now_ms);
  void gap_everywhere();
  void begin_anew(live_stream& stream);
  void forget_erased(unix_ms now_ms);
  live_stream* find(const module_id& module) noexcept;
  live_stream* find_or_make(const module_id& module, unix_ms now_ms);
  void remove_subscriber(std::uint64_t number, bool tell);

  dependencies deps_;
  std::function<live_counts()> counts_;
  seen_function seen_elsewhere_;
  activity_tracker board_;
  const std::uint64_t gateway_;

  /// How many streams have a module of this bucket: what a heartbeat looks at.
  std::array<std::atomic<std::uint16_t>, buckets> watched_{};

  // The queue before the thread.
  mutable std::mutex queue_mutex_;
  std::condition_variable ready_;
  std::vector<raw_update> queue_;
  std::vector<std::string> messages_;
  std::vector<student_id> erased_;
  std::size_t message_bytes_ = 0;
  bool gap_ = false;  // something had to be left out of the queue, or never came
  bool gap_is_ours_ = false;
  bool interest_changed_ = false;
  bool unfinished_ = false;  // a burst left something for the next
  bool stopping_ = false;

  mutable std::mutex mutex_;  // of what follows; taken before queue_mutex_ where both are
  struct subscription {
    std::shared_ptr<live_subscriber> who;
    live_stream* stream = nullptr;
    unix_ms until_ms = 0;
  };
  /// Its seconds and ours do not keep step: those that were not told yet wait in a queue of two, so
  /// that each is told once.
  struct other_gateway {
    std::deque<live_counts> waiting;
    std::uint64_t sessions = 0;
    std::uint64_t connections = 0;
    unix_ms heard_ms = 0;

    void hear(const live_counts& grown, unix_ms now_ms);
    /// Adds the oldest second that waits, if one does, and what there is now.
    void tell(live_counts& all);
  };
  std::map<std::uint64_t, other_gateway> others_;
  std::map<std::uint64_t, subscription> subscriptions_;
  std::map<module_id, std::unique_ptr<live_stream>> streams_;
  live_stream totals_only_;
  std::uint64_t last_number_ = 0;
  std::uint64_t refused_ = 0;
  bool closed_ = true;
  live_counts told_;
  unix_ms totals_at_ms_ = 0;
  unix_ms kept_alive_ms_ = 0;
  unix_ms interest_published_at_ms_ = 0;
  std::uint64_t events_ = 0;
  std::atomic<std::uint64_t> lost_{0};
  std::thread thread_;
};

}  // namespace watchkeeper::actors
