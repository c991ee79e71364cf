#pragma once

#include <cstdint>
#include <future>
#include <memory>
#include <optional>
#include <string>

#include "actors/heatmap/heatmap.hpp"
#include "actors/live/feed.hpp"
#include "actors/live/refusal_log.hpp"
#include "actors/statistics.hpp"
#include "domain/ids.hpp"
#include "domain/progress.hpp"
#include "storage/storage_error.hpp"

namespace watchkeeper::actors {
class gateway;
}

namespace watchkeeper::server {

/// What the API needs of the actors. It is an interface so that the tests of the API run without
/// them.
/// Thread: any but an actor's. Calls that return `stored` block.
class gateway_port {
 public:
  virtual ~gateway_port() = default;

  virtual std::future<storage::stored<std::optional<progress>>> progress_of(
      const pair_key& pair) = 0;
  virtual storage::stored<ok_t> end_epochs_below(const student_id& student,
                                                 std::uint32_t epoch) = 0;
  virtual storage::stored<ok_t> begin_attempt(const storage::pair_progress& pair) = 0;

  /// As actors::gateway::heatmap_of. `ledger` is the caller's own.
  virtual storage::stored<actors::heatmap_view> heatmap_of(const module_id& module,
                                                           media_ms duration_ms,
                                                           storage::ledger& ledger,
                                                           storage::hot_store& hot) = 0;
  virtual void forget_heatmap_rows() = 0;
  virtual void judge_modules() = 0;

  // What changed in the ledger, so that the registry's copy goes.
  virtual void forget_module(const module_id& id) = 0;
  virtual void forget_device(const thumbprint& kid) = 0;
  virtual void forget_assignment(const pair_key& pair) = 0;
  virtual storage::stored<ok_t> log_erasure(const student_id& student,
                                            std::uint32_t next_epoch) = 0;
  /// The next epoch of a student in the log of erasures; 0: it has none.
  [[nodiscard]] virtual std::uint32_t erased_below(const student_id& student) const = 0;
  /// The highest number of the outbox that this gateway has seen, also if the ledger has gone back
  /// since; 0: none yet.
  [[nodiscard]] virtual std::int64_t last_sequence_seen() const = 0;
  virtual void student_has_gone(const student_id& student) = 0;  // after end_epochs_below

  // Those who watch.
  [[nodiscard]] virtual std::vector<actors::module_activity> activity() const = 0;
  [[nodiscard]] virtual std::vector<actors::refusal_entry> refusals_of(const student_id& student,
                                                                       std::size_t limit) const = 0;
  [[nodiscard]] virtual actors::live_feed_statistics live_statistics() const = 0;

  [[nodiscard]] virtual actors::gateway_statistics statistics() const = 0;
  [[nodiscard]] virtual result<ok_t, std::string> ready() const = 0;
};

/// The real one. Borrows all, who outlive it.
std::unique_ptr<gateway_port> make_gateway_port(actors::gateway& gateway, actors::live_feed& live,
                                                actors::refusal_log& refusals);

}  // namespace watchkeeper::server
