#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "storage/hot_store.hpp"

/// Computes how heartbeats change the values that Redis holds of a pair and its student, so that
/// Redis only has to compare and to write (docs/adr/0011-compare-and-swap.md). Pure.
namespace watchkeeper::storage::redis_cas {

/// A pair longer than this is left to wk_credit: comparing it would cost more than it saves.
inline constexpr std::size_t pair_bytes_max = 2048;

/// Values of a pair and of its student's bucket, as docs/storage-format.md has them. The pair's
/// mark is set here whatever it is in Redis: wk_cas looks at the mark that is there.
struct values {
  std::string pair;
  std::string bucket;
};

/// Values as they were read. Nothing if wk_cas cannot replace values of this form.
std::optional<values> from_stored(std::string_view pair, std::string_view bucket);

struct plan {
  values after;
  bool mark_again = false;     // a version was reached at which the mark is set anew
  bool renew_session = false;  // the key of the session of the first window is to be written
};

/// Applies the requests numbered by `chain`, of one pair, in order, as wk_credit would, and puts
/// their outcomes into `applied` (in step with `requests`). Nothing, and `applied` has no meaning,
/// if wk_credit has to decide: the session has no window in the pair, the bucket is a
/// day old, no heartbeat changes anything, the values are not of the format or become too long.
std::optional<plan> decide(const values& before, std::span<const hot_request> requests,
                           std::span<const std::uint16_t> chain, std::span<applied_credit> applied);

}  // namespace watchkeeper::storage::redis_cas
