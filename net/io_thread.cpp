#include "net/io_thread.hpp"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <chrono>
#include <utility>

#include "net/sweep_schedule.hpp"

namespace watchkeeper::net {
namespace {

thread_local io_thread* current = nullptr;

/// Deadlines are looked at once a round; a round is a part of the shortest of them.
std::int64_t sweep_round_ms(const server_options& options) noexcept {
  const auto shortest =
      std::min({options.handshake_timeout_ms, options.header_timeout_ms, options.body_timeout_ms,
                options.write_timeout_ms, options.idle_timeout_ms});
  return std::clamp<std::int64_t>(shortest / 4, 10, 1000);
}

}  // namespace

io_thread::io_thread(const server_options& options, request_sink& sink, std::uint32_t index,
                     admission& doorkeeper, address_rate_limiter& punished, const tls_store* tls)
    : state_{.options = options, .sink = sink, .index = index, .punished_addresses = &punished},
      doorkeeper_(doorkeeper),
      punished_(punished),
      tls_(tls),
      time_(options.time != nullptr ? *options.time : system_time_source()),
      context_(BOOST_ASIO_CONCURRENCY_HINT_1),
      timer_(context_),
      sweep_round_ms_(sweep_round_ms(options)) {
  read_clocks();
}

io_thread::~io_thread() {
  stop();
}

void io_thread::stop() noexcept {
  context_.stop();
  if (thread_.joinable()) thread_.join();
  // Nothing runs any more: what is left is abandoned here, and the sink notified.
  for (std::size_t i = 0; i < table_.places(); ++i)
    if (auto* left = table_.at(i)) left->cut();
  bury_the_dead();
}

void io_thread::listen(std::unique_ptr<listener> tls, std::unique_ptr<listener> h2c) {
  if (tls) open_door(doors_[0], std::move(tls), true);
  if (h2c) open_door(doors_[1], std::move(h2c), false);
}

void io_thread::open_door(door& which, std::unique_ptr<listener> socket, bool tls) {
  which.descriptor = std::make_unique<connection::reactor_descriptor>(context_);
  // The reactor gets a duplicate: either may be closed first.
  which.descriptor->assign(::fcntl(socket->descriptor(), F_DUPFD_CLOEXEC, 0));
  which.socket = std::move(socket);
  which.tls = tls;
}

void io_thread::start() {
  for (auto& each : doors_)
    if (each.socket) wait_at(each);
  arm_timer();
  // Signals are for the program's other threads; SIGPIPE, of OpenSSL's write(2), for nobody.
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    thread_ = std::thread([this] {
      ::pthread_setname_np(::pthread_self(), "wk-io");
      run();
    });
  } catch (...) {
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    throw;
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void io_thread::run() noexcept {
  current = this;
  for (;;) {
    try {
      context_.run();
      return;
    } catch (...) {
      // Out of memory in the reactor itself; the connection concerned meets its deadline.
    }
  }
}

template <class Work>
void io_thread::handle(Work what) noexcept {
  read_clocks();
  try {
    what();
    finish_event();
    if (round_open_ && state_.handed_over && state_.now - round_began_ >= bounds::round_ms_max) {
      end_round();
      finish_event();
    }
  } catch (...) {
    // Out of memory outside of any one connection; the sweep looks again.
    bury_the_dead();
  }
  if (state_.handed_over && !round_open_) end_round_soon();
}

void io_thread::finish_event() {
  do {
    apply_and_flush();
    bury_the_dead();  // notifies the sink, which may respond to others
  } while (!local_.empty());
}

void io_thread::end_round() {
  round_began_ = state_.now;
  state_.handed_over = false;
  state_.sink.on_round_end(state_.index);
}

/// The reactor runs what is posted after the events that are ready now: they belong to this round.
void io_thread::end_round_soon() noexcept {
  round_open_ = true;
  round_began_ = state_.now;
  const auto close_round = [this] {
    round_open_ = false;
    handle([this] { end_round(); });
  };
  try {
    boost::asio::post(context_, close_round);
  } catch (...) {  // out of memory: the round ends here
    close_round();
  }
}

void io_thread::apply_and_flush() {
  while (!local_.empty() || !to_flush_.empty()) {
    state_.handed_over = state_.handed_over || !local_.empty();
    std::swap(applying_, local_);
    for (auto& each : applying_) {
      auto* to = table_.find(each.to.connection);
      if (to == nullptr) {
        if (each.what != response_event::kind::consumed) state_.count.responses_dropped.add(1);
        continue;
      }
      try {
        to->apply(std::move(each));
      } catch (...) {
        to->cut();
      }
    }
    applying_.clear();
    std::swap(flushing_, to_flush_);
    for (auto* each : flushing_) {
      each->queued = false;
      try {
        each->flush();
      } catch (...) {
        each->cut();
      }
    }
    flushing_.clear();
  }
}

void io_thread::read_clocks() noexcept {
  state_.now = time_.monotonic_now();
  state_.wall_now = time_.wall_now();
  const auto second = to_unix_s(state_.wall_now);
  if (second == date_second_) return;
  date_second_ = second;
  state_.date = http_date_of(state_.wall_now);
}

void io_thread::on_ready(std::uint64_t id, bool to_write) {
  auto* which = table_.find(id);
  if (which == nullptr) return;
  handle([&] {
    try {
      which->on_ready(to_write);
    } catch (...) {
      which->cut();
    }
  });
}

void io_thread::flush_soon(connection& what) {
  if (what.queued) return;
  to_flush_.push_back(&what);
  what.queued = true;
}

void io_thread::read_again_soon(connection& what) {
  boost::asio::post(context_, [this, id = what.id()] { on_ready(id, false); });
}

void io_thread::bury(connection& what) noexcept {
  // Not destroyed yet: it may be the caller, or be in the list of those to flush.
  doorkeeper_.leave(what.peer());
  state_.count.connections_open.subtract(1);
  dead_.push_back(table_.take(what.id()));
}

void io_thread::bury_the_dead() noexcept {
  if (dead_.empty()) return;
  // Destroying notifies the sink, whose responses find nobody; and one may be left in a list after
  // a failure.
  for (auto& each : dead_)
    if (each->queued) std::erase(to_flush_, each.get());
  while (!dead_.empty()) {
    const auto last = std::move(dead_.back());
    dead_.pop_back();
  }
  try {
    reopen_doors();
  } catch (...) {
    // The next tick tries again.
  }
}

void io_thread::reopen_doors() {
  for (auto& each : doors_) {
    if (!each.paused) continue;
    wait_at(each);
    each.paused = false;
  }
}

void io_thread::wait_at(door& which) {
  if (which.waits || !which.socket) return;
  which.descriptor->async_wait(boost::asio::posix::descriptor_base::wait_read,
                               [this, &which](boost::system::error_code error) {
                                 which.waits = false;
                                 if (!error) handle([&] { accept_at(which); });
                               });
  which.waits = true;
}

void io_thread::accept_at(door& which) {
  if (!which.socket) return;
  for (int i = 0; i < bounds::accepts_per_event_max; ++i) {
    const auto guest = which.socket->accept();
    if (guest.what == listener::outcome::out_of_descriptors) {
      which.paused = true;  // until a connection closes, or the next tick
      return;
    }
    if (guest.what == listener::outcome::nothing) break;
    admit(guest.descriptor, guest.peer, which.tls);
  }
  wait_at(which);
}

void io_thread::admit(int descriptor, const peer_address& peer, bool tls) {
  connection::reactor_descriptor socket(context_);
  boost::system::error_code error;
  socket.assign(descriptor, error);
  if (error) {
    ::close(descriptor);
    return;
  }
  state_.count.connections_accepted.add(1);
  bool entered = false;
  std::uint64_t id = 0;
  try {
    // Whoever attacks comes again at once, and a handshake costs more than what follows.
    entered = punished_.admits(peer.bytes, state_.now) && doorkeeper_.enter(peer);
    if (!entered) {
      state_.count.connections_refused.add(1);
      return;
    }
    id = table_.reserve();
    // Room to bury every connection, so that burying cannot fail; places are reused in between.
    if (const auto room = dead_.size() + table_.places(); dead_.capacity() < room)
      dead_.reserve(2 * room);
    const auto context = tls ? tls_->current() : nullptr;
    table_.fill(id,
                std::make_unique<connection>(*this, id, std::move(socket), peer, context.get()));
  } catch (...) {
    if (id != 0) table_.release(id);
    if (entered) doorkeeper_.leave(peer);
    return;
  }
  state_.count.connections_open.add(1);
  auto* made = table_.find(id);
  try {
    made->start();
  } catch (...) {
    made->cut();
  }
}

void io_thread::post(response_event&& message) noexcept {
  if (current == this && inbox_.is_empty()) {
    // Inside an event of this thread, which ends with finish_event(). Not past what another thread
    // has posted before: the chunks of one response may come from several.
    try {
      local_.push_back(std::move(message));
      return;
    } catch (...) {
      // push() remembers what it cannot keep.
    }
  }
  if (!inbox_.push(std::move(message))) return;
  try {
    boost::asio::post(context_, [this] { handle([this] { take_inbox(); }); });
  } catch (...) {
    // The next tick looks into the inbox.
  }
}

void io_thread::take_inbox() {
  response_inbox::lost_responses lost;
  taken_.clear();
  inbox_.take(taken_, lost);
  for (std::size_t i = 0; i < lost.count; ++i)
    if (auto* to = table_.find(lost.connections[i])) to->cut();
  for (std::size_t i = 0; lost.all && i < table_.places(); ++i)
    if (auto* to = table_.at(i)) to->cut();
  if (local_.empty()) {
    std::swap(local_, taken_);
  } else {
    for (auto& each : taken_) local_.push_back(std::move(each));
    taken_.clear();
  }
}

void io_thread::drain(std::function<void()> begun) {
  boost::asio::post(context_, [this, begun = std::move(begun)] {
    handle([&] {
      draining_ = true;
      for (auto& each : doors_) {
        if (each.descriptor) each.descriptor->close();
        each.socket.reset();
      }
      for (std::size_t i = 0; i < table_.places(); ++i)
        if (auto* each = table_.at(i)) each->drain();
    });
    begun();
  });
}

void io_thread::cut_all(std::function<void()> done) {
  boost::asio::post(context_, [this, done = std::move(done)] {
    handle([&] {
      for (std::size_t i = 0; i < table_.places(); ++i)
        if (auto* each = table_.at(i)) each->cut();
    });
    done();
  });
}

void io_thread::check_deadlines(std::function<void()> done) {
  boost::asio::post(context_, [this, done = std::move(done)] {
    handle([&] {
      for (std::size_t i = 0; i < table_.places(); ++i) sweep_place(i);
    });
    done();
  });
}

void io_thread::arm_timer() {
  const auto pace = sweep_schedule_of(sweep_round_ms_, table_.places());
  timer_.expires_after(std::chrono::milliseconds(pace.tick_ms));
  timer_.async_wait([this](boost::system::error_code error) {
    if (error) return;
    handle([this] { sweep(); });
    arm_timer();
  });
}

void io_thread::sweep() {
  take_inbox();
  reopen_doors();
  const auto places = table_.places();
  if (places == 0) return;
  const auto share = sweep_schedule_of(sweep_round_ms_, places).share;
  for (std::size_t i = 0; i < share; ++i) {
    swept_ = (swept_ + 1) % places;
    sweep_place(swept_);
  }
}

void io_thread::sweep_place(std::size_t place) {
  auto* each = table_.at(place);
  if (each == nullptr) return;
  try {
    each->sweep();
  } catch (...) {
    each->cut();
  }
}

}  // namespace watchkeeper::net
