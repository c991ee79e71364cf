#pragma once

#include <span>
#include <string>
#include <vector>

#include "storage/hot_store.hpp"
#include "storage/redis/cas_cache.hpp"
#include "storage/redis/connection.hpp"
#include "storage/redis/redis_limits.hpp"

namespace watchkeeper::storage {

/// The hot store in Redis 7. It has one connection. The function library
/// (storage/redis/functions/watchkeeper.lua) does everything that must be atomic, in pipelined
/// calls of up to redis_limits::function_heartbeats_max heartbeats. On connecting, the store brings
/// the library up to date and checks `wk:deployment`.
///
/// If the store knows what Redis holds of a student, from its cache or a look-up before, it decides
/// itself, and Redis compares and writes (wk_cas, docs/adr/0011-compare-and-swap.md). In every
/// other case, and if Redis holds something else by then, Redis decides (wk_credit). The outcomes
/// are the same. Thread: one at a time.
class redis_store final : public hot_store {
 public:
  struct options {
    bool cas = true;  // false: wk_credit decides everything
    std::size_t cached_students_max = redis_limits::cas_cache_students_max;
    std::size_t cached_bytes_max = redis_limits::cas_cache_bytes_max;
  };
  explicit redis_store(redis_url address) : redis_store(std::move(address), options{}) {}
  redis_store(redis_url address, options chosen);

  stored<std::vector<applied_credit>> apply(std::span<const hot_request> requests) override;
  stored<std::vector<std::optional<progress>>> read(std::span<const pair_key> keys) override;
  stored<ok_t> merge(std::span<const pair_progress> pairs, bool dirty) override;
  merged_and_applied merge_and_apply(std::span<const pair_progress> pairs, bool dirty,
                                     std::span<const hot_request> requests) override;
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

  std::vector<redis_command> merge_calls(std::span<const pair_progress> pairs, bool dirty);
  static stored<ok_t> merge_outcome(std::span<const redis_reply> got);

  // Applying a batch (storage/redis/credit.cpp). Groups and requests go by their number in the
  // batch.
  struct student_group;
  struct batch;
  struct cas_call;
  struct places_of_calls {
    std::vector<std::vector<std::uint16_t>> credits;
    std::vector<std::vector<pair_key>> look_ups;
  };
  static batch group_by_student(std::span<const hot_request> requests,
                                std::span<applied_credit> applied);
  static std::vector<std::uint16_t> all_groups(const batch& asked);
  void remember(std::span<const pair_key> pairs, const redisReply& values);
  /// `open` receives the groups that have no outcome yet. The others are pairs that Redis does not
  /// have, which needs no call of wk_credit to find out.
  std::optional<storage_failure> look_up_missing(const batch& asked,
                                                 std::vector<std::uint16_t>& open);
  /// The calls of wk_cas for these groups; `others` receives those that are not for it.
  std::vector<redis_command> plan_cas(const batch& asked, std::span<const std::uint16_t> groups,
                                      std::vector<cas_call>& planned,
                                      std::vector<std::uint16_t>& others);
  void take_cas(const batch& asked, const redis_reply& reply, cas_call& call,
                std::vector<std::uint16_t>& others);
  /// The calls of wk_credit, and those that read what it made of the pairs.
  std::vector<redis_command> plan_credits(const batch& asked, std::span<const std::uint16_t> groups,
                                          places_of_calls& which);
  /// Reads the replies to those calls: the outcomes, and what the cache keeps. After a failure some
  /// outcomes are not known.
  std::optional<storage_failure> take_credits_and_look_ups(const batch& asked,
                                                           std::span<const redis_reply> got,
                                                           const places_of_calls& which);
  /// The outcomes, or the failure if none of them is known.
  static stored<std::vector<applied_credit>> applied_or_failure(
      std::vector<applied_credit>&& applied, std::optional<storage_failure> failure);
  static std::optional<storage_failure> take_credits(const batch& asked, const redis_reply& reply,
                                                     std::span<const std::uint16_t> which);

  redis_connection connection_;
  options options_;
  cas_cache cache_;
  std::string incarnation_;  // when it was last looked at
};

}  // namespace watchkeeper::storage
