#include "actors/stores/ledger_recovery.hpp"

#include <algorithm>
#include <string>

namespace watchkeeper::actors {

namespace {

void tell_loss(hot_store_probe& hot, const log_function& log) {
  // In this order: a shard that sees the second has seen the first.
  hot.checkpoints_lost.fetch_add(1, std::memory_order_acq_rel);
  hot.refill_epoch.fetch_add(1, std::memory_order_acq_rel);
  log(log_level::error, "ledger",
      "went back: it is another one than before, or lacks transactions that it had; all pairs of "
      "the hot store and of memory are written to it again");
}

}  // namespace

storage::stored<storage::ledger_identity> read_identity(storage::ledger& ledger,
                                                        ledger_probe& probe,
                                                        hot_store_probe& hot_probe,
                                                        const log_function& log) {
  const auto before = probe.memory.take();
  auto now = ledger.identity();
  if (now && probe.memory.sees(*now, before)) tell_loss(hot_probe, log);
  return now;
}

bool ledger_recovery::look() {
  const auto done = try_look();
  if (done) return *done;
  deps_.probe.failed(done.error());
  deps_.log(log_level::warning, "ledger",
            "whether it went back could not be seen: " + done.error().detail);
  return false;
}

storage::stored<bool> ledger_recovery::try_look() {
  auto& memory = deps_.probe.memory;
  // Before the identity: other gateways go on, and remember that.
  const auto remembered = known_to_hot_store();
  const auto now = read_identity(deps_.ledger, deps_.probe, deps_.hot_probe, deps_.log);
  if (!now) return now.error();
  if (remembered && *remembered && may_lack(*now, **remembered) && memory.is_told_of_loss())
    tell_loss(deps_.hot_probe, deps_.log);
  // Without the hot store as well: who was erased must not be shown.
  if (deps_.repeat_erasures && memory.is_catching_up())
    if (const auto done = deps_.repeat_erasures(deps_.ledger, deps_.is_time_up); !done)
      return done.error();
  if (!remembered) return remembered.error();
  if (memory.is_catching_up()) return catch_up(*now, *remembered);
  if (*remembered == *now) return true;
  if (const auto done = deps_.hot.remember_ledger(*now); !done) return done.error();
  return true;
}

storage::stored<std::optional<storage::ledger_identity>> ledger_recovery::known_to_hot_store() {
  auto known = deps_.hot.known_ledger();
  if (known || known.error().code != storage::storage_error::corrupt) return known;
  deps_.log(log_level::error, "hot_store", known.error().detail);
  return std::optional<storage::ledger_identity>();
}

storage::stored<bool> ledger_recovery::catch_up(
    const storage::ledger_identity& now,
    const std::optional<storage::ledger_identity>& remembered) {
  std::int64_t last_sequence = 0;
  std::uint32_t highest_epoch = 0;
  for (const auto& known : {remembered, deps_.probe.memory.seen()}) {
    if (!known) continue;
    last_sequence = std::max(last_sequence, known->last_sequence);
    highest_epoch = std::max(highest_epoch, known->highest_epoch);
  }
  if (const auto done = deps_.ledger.go_on_above(last_sequence, highest_epoch); !done)
    return done.error();
  std::string cursor;
  do {
    if (deps_.is_time_up()) return false;
    auto next = deps_.hot.mark_all_dirty(cursor);
    if (!next) return next.error();
    cursor = *std::move(next);
  } while (!cursor.empty());
  const auto after = deps_.ledger.identity();
  if (!after) return after.error();
  if (may_lack(*after, now)) return false;  // it went back once more
  if (const auto done = deps_.hot.remember_ledger(*after); !done) return done.error();
  deps_.probe.memory.caught_up(*after);
  deps_.log(log_level::warning, "ledger",
            "all pairs of the hot store are marked to be written to the ledger that went back");
  return true;
}

}  // namespace watchkeeper::actors
