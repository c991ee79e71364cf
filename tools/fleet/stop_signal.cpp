#include "tools/fleet/stop_signal.hpp"

namespace watchkeeper::fleet {
namespace {

volatile std::sig_atomic_t stop_requested = 0;

extern "C" void watchkeeper_fleet_on_stop(int) {
  stop_requested = 1;
}

}  // namespace

stop_signal::stop_signal() noexcept {
  stop_requested = 0;
  struct sigaction action {};
  action.sa_handler = watchkeeper_fleet_on_stop;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, &interrupt_);
  sigaction(SIGTERM, &action, &terminate_);
}

stop_signal::~stop_signal() {
  sigaction(SIGINT, &interrupt_, nullptr);
  sigaction(SIGTERM, &terminate_, nullptr);
}

bool stop_signal::requested() noexcept {
  return stop_requested != 0;
}

}  // namespace watchkeeper::fleet
