#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tools/fleet/ack_log.hpp"
#include "tools/fleet/fleet.hpp"
#include "tools/fleet/player.hpp"
#include "tools/fleet/progress_line.hpp"
#include "tools/fleet/tally.hpp"
#include "tools/fleet/warm_bytes.hpp"

namespace watchkeeper::fleet {

/// Lets players send over connections, in one of three modes: paced, burst, presigned. One thread.
/// Borrows everything it is made of. Without a gateway's key devices sign every heartbeat.
class playback final : public connection_observer {
 public:
  playback(const fleet_options& options, std::size_t connections, http2_client& client,
           std::vector<player>& players, const sdk::gateway_key* gateway, ack_log& log,
           tally& counts, progress_line& progress, std::function<bool()> stop);
  ~playback() override;

  /// Opens the connections. False, when none could be opened in time; why: client.last_failure().
  [[nodiscard]] bool connect();
  /// Plays to the end, or until `stop`, and counts. Call once, after `connect`.
  void run();

  void on_open(http2_connection& connection) override;
  void on_lost(http2_connection& connection) override;

 private:
  using time_point = event_loop::time_point;
  struct line {
    std::unique_ptr<http2_connection> connection;
    std::deque<std::uint32_t> waiting;  // players, each at most once
    warm_bytes bytes;
    bool open = false;
  };
  struct place {
    bool sent = false;    // something
    bool queued = false;  // in `waiting` of its line
    bool timed = false;   // a timer will offer it again
    bool mastered = false;
    std::uint32_t collected = 0;  // heartbeats since the last request, paced mode
  };

  void begin_now();
  void run_paced();
  void run_burst();
  void run_presigned();
  [[nodiscard]] bool warm_up();
  void tick(std::uint32_t number, time_point due);
  void play(std::uint32_t number);
  void offer(std::uint32_t number);
  void pump(line& on);
  bool send(std::uint32_t number, line& on);
  void on_response(std::uint32_t number, line& on, http2_response&& response);
  /// Turns until `done`, `deadline` or a stop; false unless done.
  bool turn_until(const std::function<bool()>& done, time_point deadline);
  void drain();
  [[nodiscard]] line& line_of(std::uint32_t number) { return lines_[number % lines_.size()]; }
  [[nodiscard]] event_loop& loop() noexcept { return client_.loop(); }

  const fleet_options& options_;
  http2_client& client_;
  std::vector<player>& players_;
  ack_log& log_;
  tally& counts_;
  progress_line& progress_;
  std::function<bool()> stop_;
  playing_rules rules_;
  std::vector<line> lines_;
  std::vector<place> places_;
  player::random random_;
  std::size_t open_ = 0;
  bool playing_ = false;  // paced mode: further heartbeats are to be made
  bool warming_ = false;  // each device sends one heartbeat
  bool over_ = false;
  time_point begin_{};
  double cpu_at_begin_s_ = 0;
  time_point end_{};
};

}  // namespace watchkeeper::fleet
