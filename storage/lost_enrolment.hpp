#pragma once

#include "storage/hot_store.hpp"

/// Students whose enrolment a ledger that came back older has lost: their progress is in the hot
/// store alone, and goes on with the next enrolment (docs/adr/0019-ledger-identity.md).
namespace watchkeeper::storage {

/// The student's epoch as the hot store has it, for an enrolment of somebody for whom the ledger
/// has no row. Unlike hot_store::find_student, it is living also if something was earned in it
/// longer than storage_limits::student_ttl_ms ago: the pairs outlive the student's bucket. A pair
/// that cannot be read says nothing. `erased_below` is the next epoch that the log of erasures has
/// for the student, or 0: no epoch before it is living, whatever an older hot store has.
stored<hot_student> living_epoch(hot_store& hot, const student_id& student,
                                 std::uint32_t erased_below, wall_ms now_ms);

/// Has the next checkpoint write whatever the hot store has of the student; earlier ones passed
/// over it.
stored<ok_t> mark_pairs_dirty(hot_store& hot, const student_id& student);

}  // namespace watchkeeper::storage
