// How redis_store takes pairs out: those that were retired, and those of epochs that ended.
#include <fmt/format.h>
#include <hiredis/hiredis.h>

#include <algorithm>
#include <map>
#include <utility>

#include "storage/byte_codec.hpp"
#include "storage/redis/codec.hpp"
#include "storage/redis/keys.hpp"
#include "storage/redis/redis_limits.hpp"
#include "storage/redis/store.hpp"

namespace watchkeeper::storage {

/// One call of wk_take_out: what goes of one student.
class redis_store::take_out {
 public:
  explicit take_out(const student_id& student)
      : student_(student), partition_(partition_of(student)) {}

  /// The student's value is replaced if it has this nonce; an empty nonce: whatever it is.
  void replace_student(std::string_view expected_nonce, std::string after) {
    expected_student_ = expected_nonce;
    student_after_ = std::move(after);
  }
  void take_dirty_too() { takes_dirty_ = true; }
  /// Takes the module's pair out if it has the nonce of this value, and keeps those of its windows
  /// that have not ended.
  void add(const module_id& module, const redis_codec::pair_value& pair, wall_ms now_ms) {
    add_key(module, pair.nonce);
    for (const auto& window : pair.windows) {
      if (!redis_codec::is_alive(window.renewed_s, now_ms)) continue;
      session_keys_.push_back(redis_keys::session(partition_, student_, window.tag));
      sessions_.push_back(
          encode(redis_codec::session_value{module, window.window, window.renewed_s}));
    }
  }
  /// Of a pair that is not there, what names it.
  void add_absent(const module_id& module) { add_key(module, 0); }

  [[nodiscard]] std::size_t pairs() const noexcept { return pair_keys_.size(); }

  [[nodiscard]] redis_command command() const {
    redis_command call{"FCALL", "wk_take_out",
                       std::to_string(3 + pair_keys_.size() + session_keys_.size())};
    call.add(redis_keys::student(partition_, student_))
        .add(redis_keys::pairs(partition_, student_))
        .add(redis_keys::dirty(partition_));
    for (const auto& key : pair_keys_) call.add(key);
    for (const auto& key : session_keys_) call.add(key);
    call.add(nonces_).add(expected_student_).add(student_after_).add(takes_dirty_ ? "1" : "");
    for (const auto& session : sessions_) call.add(session);
    return call;
  }

 private:
  void add_key(const module_id& module, std::uint64_t nonce) {
    pair_keys_.push_back(redis_keys::progress(partition_, {student_, module}));
    byte_writer(nonces_).u64(nonce);
  }

  student_id student_;
  partition_index partition_;
  std::vector<std::string> pair_keys_, session_keys_, sessions_;
  std::string nonces_, expected_student_, student_after_;
  bool takes_dirty_ = false;
};

namespace {

/// Whether wk_take_out did it; nothing: a foreign reply.
stored<bool> was_taken(const redisReply& reply) {
  if (reply.type != REDIS_REPLY_INTEGER || reply.integer < 0 || reply.integer > 1)
    return corrupt("wk_take_out: a reply of a foreign type");
  return reply.integer == 1;
}

storage_failure changes_too_often(const student_id& student) {
  return {storage_error::contended, fmt::format("{} was changed by others {} times in a row",
                                                student.view(), redis_limits::cas_misses_max)};
}

}  // namespace

stored<std::vector<redis_store::found_pair>> redis_store::read_pairs(
    std::span<const pair_key> keys) {
  std::vector<redis_command> calls;
  for (const auto& key : keys)
    calls.push_back({"GET", redis_keys::progress(partition_of(key.student), key)});
  const auto got = run_on_master(std::move(calls));
  if (!got) return got.error();
  std::vector<found_pair> found;
  for (const auto& reply : got.value()) {
    if (is_error(*reply) && failure_of(*reply).code != storage_error::corrupt)
      return failure_of(*reply);
    auto& pair = found.emplace_back();
    pair.is_there = reply->type != REDIS_REPLY_NIL;
    if (reply->type == REDIS_REPLY_STRING) pair.value = redis_codec::decode_pair(text_of(*reply));
  }
  return found;
}

stored<std::uint64_t> redis_store::retire(std::span<const idle_pair> pairs, wall_ms now_ms) {
  std::vector<pair_key> keys;
  for (const auto& pair : pairs) keys.push_back(pair.key);
  const auto stored_pairs = read_pairs(keys);
  if (!stored_pairs) return stored_pairs.error();
  std::map<student_id, take_out> by_student;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const auto& value = (*stored_pairs)[i].value;
    if (!value || value->nonce != pairs[i].version) continue;
    by_student.try_emplace(keys[i].student, keys[i].student)
        .first->second.add(keys[i].module, *value, now_ms);
  }
  std::vector<redis_command> calls;
  for (const auto& [student, taken] : by_student) calls.push_back(taken.command());
  if (calls.empty()) return std::uint64_t{0};
  const auto got = run_all(std::move(calls));
  if (!got) return got.error();
  std::uint64_t retired = 0;
  auto reply = got->begin();
  for (const auto& [student, taken] : by_student) {
    const auto done = was_taken(**reply++);
    if (!done) return done.error();
    if (*done) retired += taken.pairs();
  }
  return retired;
}

stored<ok_t> redis_store::end_epochs_below(const student_id& student, std::uint32_t epoch,
                                           wall_ms now_ms) {
  cache_.forget(student);
  // From then on nobody writes a pair of an epoch before: each wk_swap compares the student.
  const auto living = raise_epoch(student, epoch, now_ms);
  if (!living) return living.error();
  std::vector<redis_command> question;
  question.push_back({"SMEMBERS", redis_keys::pairs(partition_of(student), student)});
  const auto members = read_all(std::move(question));
  if (!members) return members.error();
  const auto& reply = *members->front();
  if (reply.type != REDIS_REPLY_ARRAY) return corrupt("pairs: a reply of a foreign type");
  std::vector<pair_key> keys;
  for (std::size_t i = 0; i < reply.elements; ++i)
    if (const auto module = module_id::parse(text_of(*reply.element[i])))
      keys.push_back({student, *module});
  for (std::span<const pair_key> left(keys); !left.empty();) {
    const auto some = left.first(std::min(left.size(), redis_limits::take_out_pairs_max));
    left = left.subspan(some.size());
    if (auto done = remove_ended(some, *living, now_ms); !done) return done;
  }
  return ok;
}

stored<std::uint32_t> redis_store::raise_epoch(const student_id& student, std::uint32_t epoch,
                                               wall_ms now_ms) {
  for (unsigned misses = 0; misses < redis_limits::cas_misses_max; ++misses) {
    std::vector<redis_command> question;
    question.push_back({"GET", redis_keys::student(partition_of(student), student)});
    const auto got = run_on_master(std::move(question));
    if (!got) return got.error();
    const auto& reply = *got->front();
    if (is_error(reply) && failure_of(reply).code != storage_error::corrupt)
      return failure_of(reply);
    const auto value = redis_codec::decode_student(text_of(reply));
    if (value && !value->is_idle(now_ms) && value->epoch >= epoch) return value->epoch;
    const bool is_comparable = value || reply.type == REDIS_REPLY_NIL;
    take_out raise(student);
    raise.replace_student(
        is_comparable ? redis_codec::nonce_of(text_of(reply)) : std::string_view(),
        encode(redis_codec::student_value{epoch, {}, next_nonce_()}));
    std::vector<redis_command> call;
    call.push_back(raise.command());
    const auto outcome = run_all(std::move(call));
    if (!outcome) return outcome.error();
    const auto done = was_taken(*outcome->front());
    if (!done) return done.error();
    if (*done) return epoch;
  }
  return changes_too_often(student);
}

/// The pairs are those of one student.
stored<ok_t> redis_store::remove_ended(std::span<const pair_key> keys, std::uint32_t living_epoch,
                                       wall_ms now_ms) {
  for (unsigned misses = 0; misses < redis_limits::cas_misses_max; ++misses) {
    const auto stored_pairs = read_pairs(keys);
    if (!stored_pairs) return stored_pairs.error();
    take_out ended(keys.front().student);
    ended.take_dirty_too();
    std::vector<redis_command> calls;
    for (std::size_t i = 0; i < keys.size(); ++i) {
      const auto& [is_there, value] = (*stored_pairs)[i];
      if (value && value->state.life.epoch >= living_epoch) continue;
      if (value) {
        ended.add(keys[i].module, *value, now_ms);
        continue;
      }
      // Nobody can read it, so nobody changes it either.
      if (is_there)
        calls.push_back({"UNLINK", redis_keys::progress(partition_of(keys[i].student), keys[i])});
      ended.add_absent(keys[i].module);
    }
    if (ended.pairs() == 0) return ok;
    calls.push_back(ended.command());
    const auto got = run_all(std::move(calls));
    if (!got) return got.error();
    const auto done = was_taken(*got->back());
    if (!done) return done.error();
    if (*done) return ok;
  }
  return changes_too_often(keys.front().student);
}

}  // namespace watchkeeper::storage
