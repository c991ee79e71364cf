#include "actors/stores/registry_follower.hpp"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

#include "base/base64url.hpp"

namespace watchkeeper::actors {

namespace {

std::optional<pair_key> pair_of(std::string_view key) {
  const auto slash = key.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto student = student_id::parse(key.substr(0, slash));
  const auto module = module_id::parse(key.substr(slash + 1));
  if (!student || !module) return std::nullopt;
  return pair_key{*student, *module};
}

/// Otherwise the record cannot be read, however often it is tried.
bool is_away(const storage::storage_failure& failure) noexcept {
  return failure.code == storage::storage_error::unavailable;
}

template <class Key>
void make_distinct(std::vector<Key>& keys) {
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
}

/// Below which epoch those of the student have ended. If the ledger does not know the erasure any
/// more: below the one that the student lives in, or all.
storage::stored<std::uint32_t> ended_below(storage::ledger& in,
                                           std::span<const storage::erased_student> erased,
                                           const student_id& student) {
  const auto found = std::find_if(erased.begin(), erased.end(),
                                  [&](const auto& each) { return each.student == student; });
  if (found != erased.end()) return found->next_epoch;
  const auto life = in.life_of(student);
  if (!life) return life.error();
  return life->epoch > 0 ? life->epoch : all_epochs;
}

}  // namespace

storage::stored<ok_t> registry_follower::follow() {
  read_alone_ = 0;
  if (deps_.memory && deps_.memory->changes() != memory_changes_) begin_anew();
  for (int i = 0; i < questions_max; ++i) {
    const auto now = deps_.time.monotonic_now();
    const auto changes = deps_.ledger.changes(deps_.last_change, changes_per_question);
    if (!changes) return changes.error();
    // The ledger deletes changes after a while: after a long silence the copies cannot be trusted.
    // They are forgotten only now that the ledger can be read again; until now nothing was better.
    const bool was_silent =
        followed_at_ && now - *followed_at_ > storage::registry_change_retention_ms / 2;
    if (std::exchange(are_copies_outdated_, false) || was_silent)
      deps_.registry_cache.forget_everything();
    const auto done = apply(*changes);
    if (!done) return done.error();
    if (!*done) break;
    followed_at_ = now;
    if (!changes->empty()) deps_.last_change = changes->back().sequence;
    if (changes->size() < changes_per_question) break;
  }
  return ok;
}

void registry_follower::begin_anew() {
  memory_changes_ = deps_.memory->changes();
  are_copies_outdated_ = true;
  // Not behind the newest one: others may have erased or reset somebody since the ledger went back.
  deps_.last_change = 0;
  forgotten_up_to_ = 0;
}

bool registry_follower::take_reset(const pair_key& pair) {
  const auto rows = deps_.ledger.look_up({&pair, 1});
  // Of a row that cannot be read, the next checkpoint of the pair finds out.
  if (!rows) return rows.error().code != storage::storage_error::unavailable;
  const auto& state = rows->front().state;
  return !state || deps_.progress_reset({pair, *state});  // without a state: erased since
}

storage::stored<std::vector<storage::erased_student>> registry_follower::read_erasures(
    std::span<const storage::registry_change> changes) {
  bool is_one_among = false;
  for (const auto& change : changes) {
    if (change.what != storage::registry_change::kind::student_erased) continue;
    is_one_among = true;
    // Whatever of the student is in use is read anew: that needs no epoch.
    if (const auto student = student_id::parse(change.key))
      deps_.registry_cache.forget_student(*student);
  }
  if (!is_one_among) return std::vector<storage::erased_student>{};
  return deps_.ledger.erased_students();
}

storage::stored<bool> registry_follower::apply(std::span<const storage::registry_change> changes) {
  std::vector<thumbprint> devices;
  std::vector<module_id> modules;
  std::vector<pair_key> assignments;
  bool one_waits = false;
  const auto ended = read_erasures(changes);
  if (!ended) return ended.error();
  // Neither waits for a read, nor is repeated if a read fails.
  const auto forget = [&](const storage::registry_change& change, auto forget_it) {
    if (change.sequence <= forgotten_up_to_ || one_waits) return;
    one_waits = !forget_it();
    if (!one_waits) forgotten_up_to_ = change.sequence;
  };
  for (const auto& change : changes) {
    switch (change.what) {
      case storage::registry_change::kind::device:
        if (const auto kid = thumbprint::parse(change.key)) devices.push_back(*kid);
        break;
      case storage::registry_change::kind::module:
        if (const auto id = module_id::parse(change.key)) modules.push_back(*id);
        break;
      case storage::registry_change::kind::assignment:
        if (const auto pair = pair_of(change.key)) assignments.push_back(*pair);
        break;
      case storage::registry_change::kind::student_erased:
        if (const auto student = student_id::parse(change.key))
          forget(change, [&] {
            const auto next_epoch = ended_below(deps_.ledger, *ended, *student);
            return next_epoch && deps_.student_erased({*student, *next_epoch});
          });
        break;
      case storage::registry_change::kind::progress_reset:
        if (const auto pair = pair_of(change.key))
          forget(change, [&] { return take_reset(*pair); });
        break;
    }
  }
  make_distinct(devices);
  make_distinct(modules);
  make_distinct(assignments);
  if (!ended->empty() && deps_.erased)
    if (auto done = deps_.erased(*ended); !done) return done.error();
  if (auto done = renew_devices(devices); !done) return done.error();
  for (const auto& id : modules)
    if (auto done = renew_module(id); !done) return done.error();
  for (const auto& pair : assignments)
    if (auto done = renew_assignment(pair); !done) return done.error();
  return !one_waits;
}

storage::stored<ok_t> registry_follower::renew_devices(const std::vector<thumbprint>& changed) {
  std::vector<thumbprint> in_use;
  std::vector<std::shared_ptr<const device_entry>> before;
  for (const auto& kid : changed) {
    auto entry = deps_.registry_cache.find_device(kid, deps_.time.monotonic_now()).entry;
    if (!entry) {
      deps_.registry_cache.forget_device(kid);  // the reader may be reading it
      continue;
    }
    in_use.push_back(kid);
    before.push_back(std::move(entry));
  }
  if (in_use.empty()) return ok;
  if (const auto records = deps_.ledger.get_devices(in_use)) {
    for (std::size_t i = 0; i < in_use.size(); ++i)
      deps_.registry_cache.renew_device(in_use[i], before[i], (*records)[i],
                                        deps_.time.monotonic_now());
  } else if (is_away(records.error())) {
    return records.error();
  } else {  // one of them may be unreadable, which must not keep the others from being revoked
    for (const auto& kid : in_use) deps_.registry_cache.forget_device(kid);
  }
  return ok;
}

storage::stored<ok_t> registry_follower::renew_module(const module_id& id) {
  const auto before = deps_.registry_cache.find_module(id, deps_.time.monotonic_now()).entry;
  if (!before || ++read_alone_ > read_alone_max) {
    deps_.registry_cache.forget_module(id);
    return ok;
  }
  if (const auto record = deps_.ledger.get_module(id))
    deps_.registry_cache.renew_module(id, before, *record, deps_.time.monotonic_now());
  else if (is_away(record.error()))
    return record.error();
  else
    deps_.registry_cache.forget_module(id);
  return ok;
}

storage::stored<ok_t> registry_follower::renew_assignment(const pair_key& pair) {
  const auto before = deps_.registry_cache.assignment_in_use(pair, deps_.time.monotonic_now());
  if (!before || ++read_alone_ > read_alone_max) {
    deps_.registry_cache.forget_assignment(pair);
    return ok;
  }
  if (const auto assigned = deps_.ledger.is_assigned(pair))
    deps_.registry_cache.renew_assignment(pair, before, *assigned, deps_.time.monotonic_now());
  else if (is_away(assigned.error()))
    return assigned.error();
  else
    deps_.registry_cache.forget_assignment(pair);
  return ok;
}

}  // namespace watchkeeper::actors
