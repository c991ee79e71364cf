#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sdk/c/cooldown.hpp"
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
  int full_response_every = sdk_limits::full_response_every;
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
  buffer_storage* storage = nullptr;  // null: nothing is stored
  transport* network = nullptr;
  std::function<std::uint64_t()> random;
};

/// In the order of wk_drop_reason and wk_failure.
enum class drop_reason : std::uint8_t { buffer_full, rejected, too_old };
enum class failure_kind : std::uint8_t {
  transport,
  response,
  redirect,
  signer,
  storage_load,
  storage_save,
  storage_damaged,
  not_enrolled,
};

struct dropped_heartbeat {
  pending_heartbeat what;
  drop_reason why = drop_reason::buffer_full;
  std::string problem;
};

/// An event for the app. It waits until `take_event`, so that the callbacks of the app find a
/// client at rest.
struct event {
  enum class kind : std::uint8_t { progress, drop, failure } what = kind::failure;
  module_id module;
  session_id session;
  progress_report progress;
  bool newly_mastered = false;
  std::vector<dropped_heartbeat> dropped;
  failure_kind failure = failure_kind::transport;
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

/// A device: what it plays, what it has not delivered, when it may try again. One request is in
/// flight at a time, so that heartbeats arrive in order. A report of the player only cuts and
/// stores; `poll`, `flush` and the events of the transport send. One thread. Borrows the ports,
/// which outlive it.
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
  /// Asks for progress with the next response.
  void want_progress() noexcept { wants_progress_ = true; }

  void poll();
  void flush();
  [[nodiscard]] std::int64_t next_due_ms();
  /// What was played is cut and stored; a request in flight is cancelled.
  void close();

  bool on_response(std::uint64_t id, http_response&& response) override;
  bool on_failure(std::uint64_t id, bool sent, std::string_view why) override;

  [[nodiscard]] std::optional<event> take_event();

  [[nodiscard]] instant now() { return ports_.clock->now(); }
  [[nodiscard]] const engine_options& options() const noexcept { return options_; }
  [[nodiscard]] const engine_counts& counts() const noexcept { return counts_; }
  [[nodiscard]] const heartbeat_buffer& buffer() const noexcept { return buffer_; }
  [[nodiscard]] const server_clock& clock() const noexcept { return clock_; }
  [[nodiscard]] std::int64_t cooldown_ms() { return cooldown_.left_ms(now().monotonic); }
  [[nodiscard]] bool storage_failing() const noexcept { return storage_failing_; }
  [[nodiscard]] bool in_flight() const noexcept { return in_flight_.has_value(); }
  [[nodiscard]] const std::optional<progress_report>& progress() const noexcept {
    return progress_;
  }
  [[nodiscard]] bool has_session_key() const noexcept { return key_ && key_->key; }

 private:
  struct sent_request {
    std::uint64_t id = 0;
    bool asks_for_keys = false;
    bool minimal = false;  // asked for a response without content
    mono_ms sent_at;
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
  /// What a response does to the heartbeats of its request.
  struct response_effects {
    bool pauses = false;
    bool lost_session_key = false;
    std::int64_t remaining_ms = 0;          // media time that waits for the budget
    std::vector<session_id> used_sessions;  // another run used their numbers
    std::vector<bool> removed;
    std::vector<dropped_heartbeat> dropped;
  };
  struct stashed {
    std::uint64_t id = 0;
    std::optional<http_response> response;
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
  std::optional<std::string> make_token(const pending_heartbeat& of, const instant& now,
                                        sent_request& with);
  void prepare_session_key(const pending_heartbeat& of);
  void drop_session_key() noexcept;
  void begin_session(const session_id& session, std::uint32_t next_sequence);
  std::optional<session_id> random_session();

  void read_keys(http_response&& response, const instant& now);
  void on_heartbeat_response(http_response&& response, const instant& now);
  void note_progress(int status, const heartbeat_response& read) noexcept;
  void learn_clock(const heartbeat_response& read, const sent_request& request, const instant& now);
  void learn_session_key(const heartbeat_response& read, const sent_request& request);
  void lose_session_key();
  void note_late(const std::vector<pending_heartbeat>& sent, const instant& now);
  void on_token_result(pending_heartbeat& of, const sent_token& token, const token_result& result,
                       const instant& now, response_effects& effects);
  bool apply_result(pending_heartbeat& of, const sent_token& token, const token_result& result,
                    const instant& now, response_effects& effects);
  bool keep_remainder(pending_heartbeat& of, const token_result& result, const instant& now);
  void renew_session(const session_id& used);
  void report_response(int status, response_defect defect, bool not_enrolled, bool pauses);
  void report_progress(const std::vector<pending_heartbeat>& heartbeats,
                       const std::vector<token_result>& results);
  void pause(const instant& now, std::optional<std::int64_t> retry_after_ms);

  void report_dropped(std::vector<dropped_heartbeat> dropped);
  void report_dropped(const std::vector<pending_heartbeat>& pushed_out);
  void report_failure(failure_kind which, std::string text);
  void clear_failure(failure_kind which) noexcept {
    reported_failures_ &= ~(1u << static_cast<unsigned>(which));
  }
  void push(event&& made);

  void load(const instant& now);
  void persist(const instant& now);

  engine_options options_;
  engine_ports ports_;
  heartbeat_buffer buffer_;
  cooldown cooldown_;
  server_clock clock_;
  interval_cutter cutter_;
  bool open_ = false;
  module_id module_;
  session_id opened_session_;  // as the app named it
  session_id session_;         // as the gateway knows it
  std::uint32_t next_sequence_ = 0;
  std::optional<progress_report> progress_;

  std::string device_header_;
  std::string session_header_;
  std::optional<gateway_key> gateway_key_;
  mono_ms keys_not_before_;
  bool keys_asked_ = false;
  std::optional<session_key> key_;
  int key_losses_ = 0;  // in a row, of the open session

  std::optional<sent_request> in_flight_;
  std::uint64_t next_id_ = 1;
  bool sending_ = false;
  bool signing_ = false;  // the host's callbacks may call again: nothing else is sent meanwhile
  std::optional<stashed> stashed_;
  bool one_by_one_ = false;
  bool probing_ = false;  // the last attempt left heartbeats in doubt
  mono_ms catching_up_until_;
  bool wants_progress_ = true;
  int empty_responses_ = 0;  // in a row

  bool foreign_ = false;
  bool loaded_ = false;
  bool dirty_ = false;
  bool storing_ = false;  // the host reads or writes; a report from within waits its turn
  bool storage_failing_ = false;
  mono_ms storage_retry_at_;
  unsigned reported_failures_ = 0;
  std::vector<event> events_;
  engine_counts counts_;
};

}  // namespace watchkeeper::sdk
