#pragma once

#include <cstddef>
#include <functional>
#include <span>

#include "storage/erasure_log.hpp"
#include "storage/ledger.hpp"

namespace watchkeeper::actors {

/// Erases in a ledger that came back older whom it has in an epoch that has ended by the log of
/// erasures, and calls `erased` for each of them. An erasure younger than
/// storage::registry_change_retention_ms it is given also where it has nothing of the student, so
/// that it knows when the next epoch begins. Returns how many there were. After a failure, or once
/// `is_time_up` (`unavailable`), the next call does the rest.
storage::stored<std::size_t> repeat_erasures(
    storage::ledger& in, std::span<const storage::logged_erasure> logged, wall_ms now_ms,
    const std::function<void(const storage::erased_student&)>& erased,
    const std::function<bool()>& is_time_up);

}  // namespace watchkeeper::actors
