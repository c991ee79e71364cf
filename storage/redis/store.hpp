#pragma once

#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "storage/hot_store.hpp"
#include "storage/redis/cas.hpp"
#include "storage/redis/cas_cache.hpp"
#include "storage/redis/codec.hpp"
#include "storage/redis/connection.hpp"
#include "storage/redis/redis_limits.hpp"

namespace watchkeeper::storage {

/// The hot store in Redis 7. It has one connection. This object decides what heartbeats earn, from
/// the values that Redis holds of a student; it knows them from its cache, or reads them. Redis
/// compares and writes in one call (wk_swap, docs/adr/0017-one-rule-in-one-language.md); if it
/// holds something else by then, the values are read and the heartbeats decided anew. On
/// connecting, the store brings the function library up to date and checks `wk:deployment`. Thread:
/// one at a time.
class redis_store final : public hot_store {
 public:
  struct options {
    std::size_t cached_students_max = redis_limits::cas_cache_students_max;
    std::size_t cached_bytes_max = redis_limits::cas_cache_bytes_max;
    bool changes_nothing = false;  // only health() may be called then
  };
  explicit redis_store(redis_url address) : redis_store(std::move(address), options{}) {}
  redis_store(redis_url address, options chosen);

  stored<std::vector<applied_credit>> apply(std::span<const hot_request> requests) override;
  stored<std::vector<std::optional<progress>>> read(std::span<const pair_key> keys) override;
  stored<ok_t> merge(std::span<const pair_progress> pairs, merge_origin from) override;
  merged_and_applied merge_and_apply(std::span<const pair_progress> pairs, merge_origin from,
                                     std::span<const hot_request> requests) override;
  stored<std::vector<module_id>> modules_of(const student_id& student) override;
  stored<dirty_sample> read_dirty(partition_index partition, std::size_t pairs_max) override;
  stored<ok_t> mark_clean(partition_index partition, std::span<const dirty_pair> pairs) override;
  stored<std::uint64_t> dirty_count() override;
  stored<std::string> mark_all_dirty(const std::string& cursor) override;
  stored<idle_sample> read_idle(const std::string& cursor, wall_ms now_ms,
                                std::int64_t idle_ms) override;
  stored<std::uint64_t> retire(std::span<const idle_pair> pairs, wall_ms now_ms) override;
  stored<std::optional<ledger_identity>> known_ledger() override;
  stored<ok_t> remember_ledger(const ledger_identity& seen) override;
  void forget_copies(const student_id& student) override { cache_.forget(student); }
  /// Whose values it remembers, for the tests.
  [[nodiscard]] std::size_t remembered_students() const noexcept { return cache_.students(); }
  stored<ok_t> end_epochs_below(const student_id& student, std::uint32_t epoch,
                                wall_ms now_ms) override;
  stored<hot_student> find_student(const student_id& student, wall_ms now_ms) override;
  /// Has the append-only file rewritten, which else keeps the commands that named a student.
  stored<trace_removal> remove_traces() override;
  [[nodiscard]] std::int64_t trace_removal_pause_ms() const noexcept override {
    return redis_limits::log_rewrite_pause_ms;
  }
  stored<hot_store_health> health() override;
  /// With `changes_nothing`, after health(): what a gateway would change first.
  [[nodiscard]] const std::set<std::string>& at_start() const noexcept { return at_start_; }

 private:
  using replies = std::vector<redis_reply>;

  stored<ok_t> ready();
  /// Whether it is a master.
  stored<ok_t> check_role();
  /// Which incarnation it is.
  stored<ok_t> identify();
  /// Takes note of what INFO says of the server and its replication.
  void take_identity(const redisReply& server, const redisReply& replication);
  static stored<ok_t> judge_role(const redisReply& replication_info);
  stored<ok_t> load_library();
  stored<ok_t> check_deployment();
  /// Sends the commands on the connection that is open. Closes it and fails if a reply says that
  /// this Redis does not serve now.
  stored<replies> send(std::span<const redis_command> commands);
  stored<redis_reply> send(const redis_command& command);
  /// Connects if need be and runs the commands; calls that find no function are sent once more
  /// after the library has been loaded again.
  stored<replies> run(std::vector<redis_command> commands);
  /// The same, where an error reply to any of them fails the whole.
  stored<replies> run_all(std::vector<redis_command> commands);
  /// As run() and run_all(), for commands that read. A master that was made a replica since the
  /// store has connected still replies to them, with what may be old: then they fail.
  stored<replies> run_on_master(std::vector<redis_command> commands);
  stored<replies> read_all(std::vector<redis_command> commands);

  /// Some pairs that exist, in no order, perhaps some twice.
  struct scanned_pairs {
    std::string cursor;  // of the next step; empty: this was the last
    std::vector<pair_key> keys;
  };
  /// One step of SCAN over `keys` keys, of which some are pairs (storage/redis/retirement.cpp).
  stored<scanned_pairs> scan_pairs(const std::string& cursor, std::size_t keys);
  stored<idle_sample> without_dirty(idle_sample found);

  // Taking pairs out (storage/redis/removal.cpp).
  class take_out;
  struct found_pair {
    bool is_there = false;
    std::optional<redis_codec::pair_value> value;  // nothing: absent, or not of the format
  };
  stored<std::vector<found_pair>> read_pairs(std::span<const pair_key> keys);
  /// Gives the student's epoch afterwards.
  stored<std::uint32_t> raise_epoch(const student_id& student, std::uint32_t epoch, wall_ms now_ms);
  stored<ok_t> remove_ended(std::span<const pair_key> keys, std::uint32_t living_epoch,
                            wall_ms now_ms);

  // Running a batch (storage/redis/batch.cpp).
  struct student_group;
  struct batch;
  struct cas_call;
  struct look_up;
  static void group_by_student(batch& made, std::span<const pair_progress> pairs, merge_origin from,
                               std::span<const hot_request> requests);
  /// Decides what the cache allows; returns the groups whose values must be read.
  std::vector<student_group*> decide_cached(batch& all, std::vector<cas_call>& calls);
  static look_up plan_look_up(std::vector<student_group*> groups);
  static void add_look_up(const look_up& asked, std::vector<redis_command>& calls);
  /// The values in the order of the keys; empty: the key is absent, nothing: of a foreign type.
  stored<std::vector<std::optional<std::string_view>>> values_of(const look_up& asked,
                                                                 std::span<const redis_reply> got);
  void decide_looked_up(batch& all, const look_up& asked,
                        std::span<const std::optional<std::string_view>> values,
                        std::vector<cas_call>& calls);
  static void add_to_calls(student_group& group, redis_cas::decision decision,
                           std::vector<cas_call>& calls);
  static redis_command command_of(const cas_call& call);
  /// Groups that Redis found as expected are done. The others fail, are decided anew with what
  /// Redis had instead (`again`), or are added to `to_read`.
  void take_cas(batch& all, cas_call& call, const redis_reply& reply, std::vector<cas_call>& again,
                std::vector<student_group*>& to_read);
  /// The groups of a call that Redis refused fail, or are added to `to_read` to be tried alone.
  void fail_call(batch& all, cas_call& call, const redisReply& reply,
                 std::vector<student_group*>& to_read);
  /// Decides a group with the values that wk_swap found. False: they do not suffice.
  bool decide_found(batch& all, student_group& group, const redis_cas::decision& before,
                    std::span<redisReply* const> values, std::vector<cas_call>& again);
  /// Connects if need be, and tells the groups in which incarnation of Redis they are decided.
  stored<ok_t> begin_round(batch& all);
  /// Runs all groups to their end. Fails if the connection does.
  stored<ok_t> run_batch(batch& all);

  redis_connection connection_;
  options options_;
  cas_cache cache_;
  std::string deployment_;   // drawn when the data were created; a flushed Redis has another one
  std::string incarnation_;  // of these data in this process of Redis
  std::set<std::string> at_start_;     // with options::changes_nothing
  std::string rewriting_in_;           // the incarnation that rewrites its log; empty: none
  std::uint64_t incarnation_tag_ = 0;  // the same as a number other than 0
  redis_cas::nonce_source next_nonce_;
};

}  // namespace watchkeeper::storage
