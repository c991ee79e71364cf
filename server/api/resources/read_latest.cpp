#include "server/api/resources/read_latest.hpp"

#include <chrono>
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

void unite(std::optional<progress>& into, const std::optional<progress>& other) {
  if (!other) return;
  if (into)
    merge(*into, *other);
  else
    into = other;
}

/// A pair whose heartbeats were all rejected may be in the hot store, with nothing in it.
void forget_blank(std::optional<progress>& found) {
  if (found && *found == progress{}) found.reset();
}

/// Unites with the reply of the actors; false if it does not come in time or is a failure.
bool unite_reply(std::optional<progress>& into, progress_reply& coming, deadline until) {
  if (!coming.valid() || coming.wait_until(until) != std::future_status::ready) return false;
  const auto state = coming.get();
  if (!state) return false;
  unite(into, *state);
  return true;
}

}  // namespace

std::vector<std::optional<progress>> read_latest(call& c, std::span<const pair_key> keys,
                                                 std::vector<std::optional<progress>> recorded) {
  if (keys.empty()) return recorded;
  if (const auto hot = c.store.hot().read(keys)) {
    for (std::size_t i = 0; i < keys.size(); ++i) {
      unite(recorded[i], (*hot)[i]);
      forget_blank(recorded[i]);
    }
    return recorded;
  }
  std::vector<progress_reply> coming;
  coming.reserve(keys.size());
  for (const auto& key : keys) coming.push_back(c.gateway.progress_of(key));
  const auto until = soon();
  for (std::size_t i = 0; i < keys.size(); ++i) (void)unite_reply(recorded[i], coming[i], until);
  return recorded;
}

std::optional<progress> read_latest(call& c, const pair_key& key) {
  auto coming = c.gateway.progress_of(key);
  const auto hot = c.store.hot().read({&key, 1});
  const auto recorded = c.store.ledger().read({&key, 1});
  std::optional<progress> found;
  if (hot) unite(found, hot.value().front());
  if (recorded) unite(found, recorded.value().front());
  const bool replied = unite_reply(found, coming, soon());
  forget_blank(found);
  // The pair is certainly absent only if both stores were read, or if the actors replied.
  if (!found && !replied && !(hot && recorded))
    throw storage_fault(hot ? recorded.error() : hot.error());
  return found;
}

}  // namespace watchkeeper::server
