#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sdk/c/backoff.hpp"
#include "sdk/c/heartbeat_buffer.hpp"
#include "sdk/c/interval_cutter.hpp"
#include "sdk/c/key_set.hpp"
#include "sdk/c/limits.hpp"
#include "sdk/c/ports.hpp"
#include "sdk/c/server_clock.hpp"
#include "sdk/c/software_key.hpp"

namespace watchkeeper::sdk {

struct engine_options {
  student_id student;
  device_identity identity;
  bool session_keys = true;
  int full_answer_every = sdk_limits::full_answer_every;
  media_ms heartbeat_ms = sdk_limits::heartbeat_ms;
  media_ms interval_ms_max = sdk_limits::interval_ms_max;
  std::int64_t backoff_base_ms = sdk_limits::backoff_base_ms;
  std::int64_t backoff_cap_ms = sdk_limits::backoff_cap_ms;
  std::int64_t request_timeout_ms = sdk_limits::request_timeout_ms;
};

struct engine_ports {
  device_clock* clock = nullptr;
  signer* key = nullptr;
  key_agreement* agreement = nullptr;
  claim_storage* storage = nullptr;  // may be null: nothing is kept
  transport* network = nullptr;
  std::function<std::uint64_t()> random;
};

/// In the order of wk_drop_reason and wk_trouble.
enum class drop_reason : std::uint8_t { buffer_full, refused, too_old };
enum class trouble : std::uint8_t {
  transport,
  answer,
  redirect,
  signer,
  storage_load,
  storage_save,
  storage_damaged,
  not_enrolled,
};

struct dropped_claim {
  claim what;
  drop_reason why = drop_reason::buffer_full;
  std::string problem;
};

/// What the app is to be told; kept until `take_event`, so that its callbacks find a client at
/// rest.
struct event {
  enum class kind : std::uint8_t { progress, drop, trouble } what = kind::trouble;
  module_id module;
  session_id session;
  progress_report progress;
  bool newly_mastered = false;
  std::vector<dropped_claim> dropped;
  trouble which = trouble::transport;
  std::string text;
};

struct engine_counts {
  std::uint64_t made = 0;
  std::uint64_t acknowledged = 0;
  std::uint64_t limited = 0;
  std::uint64_t dropped = 0;
  std::uint64_t requests = 0;
  std::uint64_t device_signatures = 0;
  std::uint64_t session_signatures = 0;
};

/// A device: what it plays, what it has not delivered, when it may try again. One request is under
/// way at a time, so that heartbeats arrive in order. Reports only cut and store; `poll`, `flush`
/// and what comes back from the transport send. One thread. Borrows the ports, which outlive it.
///
/// The signer, the key agreement, the storage and the transport may call the engine again. A report
/// then counts as always; `poll` and `flush` begin no request while one is being signed, and what
/// is to be stored while the storage is at work is stored next. (The clock may not call.)
class engine final : public transport_events {
 public:
  /// Reads the storage. `foreign()`: what is stored is of another student, and is left alone.
  engine(engine_options options, engine_ports ports);
  ~engine() override;
  engine(const engine&) = delete;
  engine& operator=(const engine&) = delete;

  [[nodiscard]] bool foreign() const noexcept { return foreign_; }

  void open(const module_id& module, const session_id& session);
  /// Null without a session. After a report to it, `collect`.
  [[nodiscard]] interval_cutter* player() noexcept { return open_ ? &cutter_ : nullptr; }
  void collect();
  /// The next answer is to have the progress in it: the app wants to see where it stands.
  void want_progress() noexcept { wants_progress_ = true; }

  void poll();
  void flush();
  [[nodiscard]] std::int64_t next_due_ms();
  /// What was played is cut and stored; requests under way are given up.
  void close();

  bool answered(std::uint64_t id, http_answer&& answer) override;
  bool failed(std::uint64_t id, bool sent, std::string_view why) override;

  [[nodiscard]] std::optional<event> take_event();

  [[nodiscard]] instant now() { return ports_.clock->now(); }
  [[nodiscard]] const engine_options& options() const noexcept { return options_; }
  [[nodiscard]] const engine_counts& counts() const noexcept { return counts_; }
  [[nodiscard]] const heartbeat_buffer& buffer() const noexcept { return buffer_; }
  [[nodiscard]] const server_clock& clock() const noexcept { return clock_; }
  [[nodiscard]] std::int64_t cooldown_ms() { return cooldown_.left_ms(now().monotonic_ms); }
  [[nodiscard]] bool storage_failing() const noexcept { return storage_failing_; }
  [[nodiscard]] bool in_flight() const noexcept { return flight_.has_value(); }
  [[nodiscard]] const std::optional<progress_report>& progress() const noexcept {
    return progress_;
  }
  [[nodiscard]] bool has_session_key() const noexcept { return key_ && key_->key; }

 private:
  struct flight {
    std::uint64_t id = 0;
    bool asks_for_keys = false;
    bool minimal = false;      // an empty answer will do
    std::int64_t sent_ms = 0;  // monotonic
    std::vector<sent_token> tokens;
    std::optional<std::size_t> offer;  // the token that carries `epk`
    std::array<std::uint8_t, 64> offer_point{};
    std::string offer_input;
  };
  /// The key of the open session, as far as it has come.
  struct session_key {
    session_id session;
    std::array<std::uint8_t, 64> point{};
    shared_secret z{};
    std::optional<session_mac_key> key;
  };
  struct stashed {
    std::uint64_t id = 0;
    std::optional<http_answer> answer;
    bool sent = false;
    std::string why;
  };

  void pump(const instant& now);
  bool wants_keys(const instant& now) const noexcept;
  bool send_keys_request(const instant& now);
  std::size_t batch_size() const noexcept;
  bool minimal_will_do(std::size_t count) const noexcept;
  bool send_heartbeats(const instant& now);
  bool send(const transport_request& request);
  std::optional<std::string> make_token(const claim& of, const instant& now, flight& with);
  void prepare_session_key(const claim& of);
  void drop_session_key() noexcept;

  void read_keys(http_answer&& answer, const instant& now);
  void land(http_answer&& answer, const instant& now);
  void note_fullness(int status, const answer_reading& reading) noexcept;
  bool land_one(claim& of, const token_outcome& outcome, bool clock_moved, bool& pause,
                std::vector<dropped_claim>& dropped);
  bool keep_remainder(claim& of, const token_outcome& outcome, const instant& now);
  void tell_progress(const std::vector<claim>& claims, const std::vector<token_outcome>& outcomes);
  void pause(const instant& now, std::optional<std::int64_t> retry_after_ms);

  void tell_dropped(std::vector<dropped_claim> dropped);
  void tell_dropped(const std::vector<claim>& pushed_out);
  void tell_trouble(trouble which, std::string text);
  void over(trouble which) noexcept { troubles_ &= ~(1u << static_cast<unsigned>(which)); }
  void push(event&& made);

  void load(const instant& now);
  void persist(const instant& now);

  engine_options options_;
  engine_ports ports_;
  heartbeat_buffer buffer_;
  backoff cooldown_;
  server_clock clock_;
  interval_cutter cutter_;
  bool open_ = false;
  module_id module_;
  session_id session_;
  std::uint32_t next_sequence_ = 0;
  std::optional<progress_report> progress_;

  std::string device_header_;
  std::string session_header_;
  std::optional<gateway_key> gateway_key_;
  std::int64_t keys_not_before_ms_ = 0;
  bool keys_asked_ = false;
  std::optional<session_key> key_;
  int key_losses_ = 0;  // in a row, of the open session

  std::optional<flight> flight_;
  std::uint64_t next_id_ = 1;
  bool sending_ = false;
  bool signing_ = false;  // the host's callbacks may call again: nothing else is sent meanwhile
  std::optional<stashed> stashed_;
  bool one_by_one_ = false;
  bool probing_ = false;  // the last attempt left heartbeats in doubt
  std::int64_t catching_up_until_ms_ = 0;
  bool wants_progress_ = true;
  int minimal_answers_ = 0;  // in a row

  bool foreign_ = false;
  bool loaded_ = false;
  bool dirty_ = false;
  bool storing_ = false;  // the host reads or writes; a report from within waits its turn
  bool storage_failing_ = false;
  std::int64_t storage_retry_ms_ = 0;
  unsigned troubles_ = 0;
  std::vector<event> events_;
  engine_counts counts_;
};

}  // namespace watchkeeper::sdk
