#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <thread>
#include <vector>

#include "base/clock.hpp"
#include "net/admission.hpp"
#include "net/connection.hpp"
#include "net/connection_table.hpp"
#include "net/listener.hpp"
#include "net/response_inbox.hpp"
#include "net/shared/bounds.hpp"
#include "net/shared/worker_state.hpp"
#include "net/tls/context.hpp"

namespace watchkeeper::net {

/// One thread with its reactor, its listeners and its connections, which never move to another
/// thread. Any thread may call the members below "Any thread"; only the thread itself calls the
/// others, unless their comments say otherwise.
class io_thread {
 public:
  /// Borrows all; `tls` may be null when there is no TLS listener.
  io_thread(const server_options& options, request_sink& sink, std::uint32_t index,
            admission& doorkeeper, address_rate_limiter& punished, const tls_store* tls);
  ~io_thread();  // stops
  io_thread(const io_thread&) = delete;
  io_thread& operator=(const io_thread&) = delete;

  /// Before start(). Null: none.
  void listen(std::unique_ptr<listener> tls, std::unique_ptr<listener> h2c);
  void start();
  /// Joins the thread, cuts every connection, notifies the sink. From outside; the second call does
  /// nothing.
  void stop() noexcept;

  // Any thread.
  void post(response_event&& message) noexcept;
  /// Stops accepting and ends the connections gracefully; `begun` is called once that has begun.
  void drain(std::function<void()> begun);
  void cut_all(std::function<void()> done);
  /// Looks at the deadlines of every connection; `done` is called when what follows from them, the
  /// writes to sockets included, has been done.
  void check_deadlines(std::function<void()> done);
  [[nodiscard]] const worker_counters& counters() const noexcept { return state_.count; }

  // The thread itself, for its connections.
  [[nodiscard]] worker_state& state() noexcept { return state_; }
  [[nodiscard]] boost::asio::io_context& context() noexcept { return context_; }
  [[nodiscard]] bool draining() const noexcept { return draining_; }
  [[nodiscard]] std::span<std::uint8_t> read_buffer() noexcept { return read_buffer_; }
  [[nodiscard]] std::span<std::uint8_t> output_buffer() noexcept { return output_buffer_; }
  /// `connection::flush` at the end of this event; everything that it has by then goes out at once.
  void flush_soon(connection& what);
  void read_again_soon(connection& what);
  void bury(connection& what) noexcept;
  void on_ready(std::uint64_t id, bool to_write);

 private:
  struct door {
    std::unique_ptr<listener> socket;
    std::unique_ptr<connection::reactor_descriptor> descriptor;
    bool tls = false;
    bool waits = false;
    bool paused = false;  // the process has no file descriptors left
  };

  void run() noexcept;
  /// Every event: reads the clock, does `what`, applies local response events, flushes, buries.
  template <class Work>
  void handle(Work what) noexcept;
  void end_round_soon() noexcept;
  void apply_and_flush();
  void finish_event();
  void end_round();
  void read_clocks() noexcept;
  void open_door(door& which, std::unique_ptr<listener> socket, bool tls);
  void wait_at(door& which);
  void accept_at(door& which);
  void admit(int descriptor, const peer_address& peer, bool tls);
  void take_inbox();
  void arm_timer();
  void sweep();
  void sweep_place(std::size_t place);
  void bury_the_dead() noexcept;
  void reopen_doors();

  worker_state state_;
  admission& doorkeeper_;
  address_rate_limiter& punished_;
  const tls_store* tls_;
  const time_source& time_;
  boost::asio::io_context context_;
  boost::asio::steady_timer timer_;
  const std::int64_t sweep_round_ms_;
  std::size_t swept_ = 0;
  connection_table table_;
  response_inbox inbox_;
  std::vector<response_event> taken_;
  std::vector<response_event> local_;  // from this thread's own sink calls
  std::vector<response_event> applying_;
  std::vector<connection*> to_flush_;
  std::vector<connection*> flushing_;
  std::vector<std::unique_ptr<connection>> dead_;
  std::array<door, 2> doors_;
  std::array<std::uint8_t, bounds::read_buffer_bytes> read_buffer_;
  std::array<std::uint8_t, bounds::output_buffer_bytes> output_buffer_;
  std::int64_t date_second_ = -1;
  bool draining_ = false;
  bool round_open_ = false;  // its end is posted
  mono_ms round_began_;
  std::thread thread_;
};

}  // namespace watchkeeper::net
