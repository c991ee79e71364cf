#pragma once

#include <cstdint>
#include <vector>

#include "base/units.hpp"
#include "domain/coverage.hpp"
#include "domain/ids.hpp"

namespace watchkeeper::sdk {

/// One moment on both clocks of a device. The wall clock may jump; the monotonic one may not, and
/// goes on while the device sleeps.
struct instant {
  wall_ms wall;
  mono_ms monotonic;
};

/// Which clock says when the media time of a heartbeat ended.
enum class end_time : std::uint8_t {
  of_this_run,    // both clocks of this run of the program
  stored_device,  // the wall clock of an earlier run, which was not compared with the gateway's
  stored_server,  // an earlier run, in the gateway's time
};

/// Media time that was played without a break: a heartbeat that is not signed yet.
struct pending_heartbeat {
  module_id module;
  session_id session;
  std::uint32_t sequence = 0;
  media_interval interval;
  std::int32_t rate_permille = 1000;
  end_time ended_by = end_time::of_this_run;
  instant ended;
  /// It was sent and what became of it is not known: only the same heartbeat may be sent again.
  bool in_doubt = false;
  bool in_flight = false;
  bool device_signature = false;  // the gateway did not know the session's key
  bool renewed = false;           // its number was used before: it got a new session
  std::uint8_t clock_tries = 0;
  std::uint8_t remainders = 0;  // how often it was cut to what the budget had no room for
};

}  // namespace watchkeeper::sdk
