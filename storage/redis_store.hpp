#pragma once

#include <span>
#include <string>
#include <vector>

#include "storage/hot_store.hpp"
#include "storage/redis_connection.hpp"

namespace watchkeeper {

/// The hot store in Redis 7: one connection, everything that must be atomic done by the function
/// library (storage/functions/watchkeeper.lua), calls of up to limits::function_heartbeats_max
/// heartbeats pipelined. On connecting it brings the library up to date and checks `wk:deployment`.
/// Thread: one at a time.
class redis_store final : public hot_store {
 public:
  explicit redis_store(redis_url address);

  stored<std::vector<applied_credit>> apply(std::span<const hot_request> requests) override;
  stored<std::vector<std::optional<progress>>> read(std::span<const pair_key> keys) override;
  stored<ok_t> merge(std::span<const pair_progress> pairs, bool dirty) override;
  stored<std::vector<module_id>> modules_of(const student_id& student) override;
  stored<std::vector<dirty_pair>> read_dirty(partition_index partition,
                                             std::size_t pairs_max) override;
  stored<ok_t> mark_clean(partition_index partition, std::span<const dirty_pair> pairs) override;
  stored<std::uint64_t> dirty_count() override;
  stored<ok_t> erase(const student_id& student) override;
  stored<ok_t> readmit(const student_id& student) override;
  stored<hot_store_health> health() override;

 private:
  using replies = std::vector<redis_reply>;

  stored<ok_t> ready();
  stored<ok_t> load_library();
  stored<ok_t> check_deployment();
  /// Connects if need be and runs the commands; calls that find no function are sent once more
  /// after the library has been loaded again.
  stored<replies> run(std::vector<redis_command> commands);
  /// The same, where an error reply to any of them fails the whole.
  stored<replies> run_all(std::vector<redis_command> commands);
  /// Puts the answers of one wk_credit call into their places.
  std::optional<storage_failure> take_credits(const redis_reply& reply,
                                              std::span<const hot_request> requests,
                                              std::span<applied_credit> answers);

  redis_connection connection_;
};

}  // namespace watchkeeper
