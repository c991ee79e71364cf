#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "actors/shared/watch_observer.hpp"
#include "base/json_writer.hpp"
#include "domain/coverage.hpp"
#include "domain/credit.hpp"
#include "domain/ids.hpp"

namespace watchkeeper::actors {

/// The progress of a student in a module since the last event: the latest numbers, and what was
/// played since then. A value.
struct live_update {
  /// Passes that stay separate. Beyond it a pass makes the last one longer (from the smaller of
  /// both starts to the larger of both ends).
  static constexpr std::size_t passes_max = 64;

  student_id student;
  credit_status status = credit_status::duplicate;
  progress_summary now;
  media_interval last;                 // of the latest heartbeat, as the device sent it
  coverage fresh;                      // what became covered
  std::vector<media_interval> played;  // what counted, in the order of playing

  /// Adds `newer`, which happened after this one, at any gateway. Of two lives the higher one wins
  /// as a whole.
  void append(const live_update& newer);
};

live_update update_of(const acknowledged_heartbeat& heartbeat);

/// One element of `items` of a progress event.
void write_item(json_writer& out, const live_update& update);

}  // namespace watchkeeper::actors
