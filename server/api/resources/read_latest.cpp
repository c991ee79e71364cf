#include "server/api/resources/read_latest.hpp"

#include <chrono>
#include <future>

#include "server/api/api_limits.hpp"
#include "server/api/refusal.hpp"

namespace watchkeeper::server {
namespace {

using answer = std::future<storage::stored<std::optional<progress>>>;
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

/// A pair of which every heartbeat was refused may be in the hot store, with nothing in it.
void forget_blank(std::optional<progress>& found) {
  if (found && *found == progress{}) found.reset();
}

/// Unites with what the actors say by then; false where they do not or cannot.
bool unite_answer(std::optional<progress>& into, answer& coming, deadline until) {
  if (!coming.valid() || coming.wait_until(until) != std::future_status::ready) return false;
  const auto told = coming.get();
  if (!told) return false;
  unite(into, *told);
  return true;
}

}  // namespace

std::vector<std::optional<progress>> read_latest(call& c, std::span<const pair_key> keys,
                                                 std::vector<std::optional<progress>> recorded) {
  if (keys.empty()) return recorded;
  if (const auto held = c.store.hot().read(keys)) {
    for (std::size_t i = 0; i < keys.size(); ++i) {
      unite(recorded[i], (*held)[i]);
      forget_blank(recorded[i]);
    }
    return recorded;
  }
  std::vector<answer> coming;
  coming.reserve(keys.size());
  for (const auto& key : keys) coming.push_back(c.gateway.progress_of(key));
  const auto until = soon();
  for (std::size_t i = 0; i < keys.size(); ++i) (void)unite_answer(recorded[i], coming[i], until);
  return recorded;
}

std::optional<progress> read_latest(call& c, const pair_key& key) {
  auto coming = c.gateway.progress_of(key);
  const auto held = c.store.hot().read({&key, 1});
  const auto recorded = c.store.ledger().read({&key, 1});
  std::optional<progress> found;
  if (held) unite(found, held.value().front());
  if (recorded) unite(found, recorded.value().front());
  const bool told = unite_answer(found, coming, soon());
  forget_blank(found);
  // An absence is only certain when the ledger was read, or the actors looked everywhere.
  if (!found && !told && !(held && recorded))
    throw storage_fault(held ? recorded.error() : held.error());
  return found;
}

}  // namespace watchkeeper::server
