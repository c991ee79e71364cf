#pragma once

#include <functional>
#include <span>
#include <vector>

#include "base/clock.hpp"
#include "storage/circuit_breaker.hpp"
#include "storage/ledger.hpp"

namespace watchkeeper::storage {

/// A pair in the ledger, or why it cannot be read.
using ledger_row = stored<recorded_pair>;

/// Pairs as the ledger had them when it was read.
struct ledger_rows {
  std::vector<pair_key> keys;            // sorted, each once
  stored<std::vector<ledger_row>> rows;  // in the order of `keys`; or why none of them was read
  /// Null: none was read, or not this one.
  [[nodiscard]] const ledger_row* find(const pair_key& key) const;
};

using failure_report = std::function<void(const storage_failure&)>;

/// Runs `question` unless the breaker is open. Reports a failure of the ledger, but not one of
/// single pairs.
template <class Question>
auto ask_ledger(circuit_breaker& guard, const time_source& time, const failure_report& report,
                Question question) -> decltype(question()) {
  const auto began = time.monotonic_now();
  if (guard.blocks(began))
    return storage_failure{storage_error::unavailable, "the ledger hung just before"};
  auto answer = question();
  if (!answer) {
    if (answer.error().code == storage_error::unavailable)
      guard.failed(began, time.monotonic_now());
    if (!is_of_single_pairs(answer.error())) report(answer.error());
  }
  return answer;
}

/// The failure of one pair's row, named for the log.
storage_failure failure_of_row(const pair_key& pair, const storage_failure& why);

/// Reads for heartbeats that wait. A row that cannot be read harms no other, and a ledger that
/// hangs is not waited for each time.
/// Thread: one, and it blocks. Borrows the ledger and the clock.
class ledger_reader {
 public:
  /// `successes`: see circuit_breaker. `failed` gets the failures of the ledger and of single rows.
  ledger_reader(ledger& of_record, const time_source& time, success_counter successes,
                failure_report failed)
      : ledger_(of_record), time_(time), failed_(std::move(failed)), hangs_(std::move(successes)) {}

  /// Takes the keys in any order, and repeated.
  [[nodiscard]] ledger_rows read(std::vector<pair_key> keys);
  /// ledger::last_credits.
  [[nodiscard]] stored<std::vector<wall_ms>> last_credits(std::span<const student_id> students);

 private:
  ledger& ledger_;
  const time_source& time_;
  failure_report failed_;
  circuit_breaker hangs_;
};

}  // namespace watchkeeper::storage
