#include "server/api/resources/read_latest.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <future>

#include "server/api/api_limits.hpp"
#include "server/api/api_problem.hpp"

namespace watchkeeper::server {
namespace {

using progress_reply = std::future<storage::stored<std::optional<progress>>>;
using deadline = std::chrono::steady_clock::time_point;

deadline soon() {
  return std::chrono::steady_clock::now() + std::chrono::milliseconds(api_limits::progress_wait_ms);
}

/// With the duration that the module has now. A pair whose heartbeats were all rejected may be in
/// the hot store, with nothing in it.
std::optional<progress> shown(storage::recorded_pair&& found) {
  if (!found.state || is_blank(*found.state)) return std::nullopt;
  if (found.duration_ms > 0) found.state->duration_ms = found.duration_ms;
  return std::move(found.state);
}

/// Unites with the reply of the actors; false if it does not come in time or is a failure.
bool unite_reply(storage::recorded_pair& into, progress_reply& coming, deadline until) {
  if (!coming.valid() || coming.wait_until(until) != std::future_status::ready) return false;
  const auto state = coming.get();
  if (!state) return false;
  merge_if_living(into, *state);
  return true;
}

}  // namespace

std::vector<std::optional<progress>> read_latest(call& c, std::span<const pair_key> keys,
                                                 std::vector<storage::recorded_pair> recorded) {
  std::vector<std::optional<progress>> states;
  if (keys.empty()) return states;
  if (const auto hot = c.store.hot().read(keys)) {
    for (std::size_t i = 0; i < keys.size(); ++i) merge_if_living(recorded[i], (*hot)[i]);
  } else {
    std::vector<progress_reply> coming;
    coming.reserve(keys.size());
    for (const auto& key : keys) coming.push_back(c.gateway.progress_of(key));
    const auto until = soon();
    for (std::size_t i = 0; i < keys.size(); ++i) (void)unite_reply(recorded[i], coming[i], until);
  }
  states.reserve(keys.size());
  for (auto& pair : recorded) states.push_back(shown(std::move(pair)));
  return states;
}

std::vector<std::optional<progress>> read_latest(call& c, std::vector<storage::listed_pair> rows) {
  std::vector<pair_key> keys;
  std::vector<storage::recorded_pair> recorded;
  for (auto& row : rows) {
    keys.push_back(row.key);
    const student_life student{.epoch = row.state.life.epoch, .begins_ms = {}};
    recorded.push_back(
        {.student = student, .state = std::move(row.state), .duration_ms = row.duration_ms});
  }
  return read_latest(c, keys, std::move(recorded));
}

std::optional<progress> read_latest(call& c, const pair_key& key) {
  auto coming = c.gateway.progress_of(key);
  const auto hot = c.store.hot().read({&key, 1});
  auto recorded = c.store.ledger().look_up({&key, 1});
  // Without the ledger the log of erasures says which lives of the student have ended; which
  // attempts have, nobody does, and what the others have is shown.
  const auto epoch = std::max(c.gateway.erased_below(key.student), std::uint32_t{1});
  storage::recorded_pair found{.student = {.epoch = epoch, .begins_ms = {}}, .state = std::nullopt};
  if (recorded) found = std::move(recorded.value().front());
  if (hot) merge_if_living(found, hot.value().front());
  const bool replied = unite_reply(found, coming, soon());
  auto state = shown(std::move(found));
  // The pair is certainly absent only if both stores were read, or if the actors replied.
  if (!state && !replied && !(hot && recorded))
    throw storage_fault(hot ? recorded.error() : hot.error());
  return state;
}

}  // namespace watchkeeper::server
