// How redis_store applies a batch: wk_cas for what can be decided here, wk_credit for the rest.
#include <hiredis/hiredis.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <numeric>

#include "storage/limits.hpp"
#include "storage/redis/codec.hpp"
#include "storage/redis/keys.hpp"
#include "storage/redis/redis_limits.hpp"
#include "storage/redis/store.hpp"

namespace watchkeeper::storage {

namespace {

/// The different keys of a batch, by open addressing.
template <class Key, std::size_t keys_max>
class distinct_keys {
 public:
  /// The place of the key, from 0 on; a key that is new goes to the end.
  std::size_t place_of(const Key& key, std::size_t hash) {
    for (auto at = hash * 0x9e3779b97f4a7c15u >> 48 & (slots - 1);; at = (at + 1) & (slots - 1)) {
      if (slots_[at] == 0) {
        keys_.push_back(key);
        slots_[at] = static_cast<std::uint16_t>(keys_.size());
        return keys_.size() - 1;
      }
      if (keys_[slots_[at] - 1u] == key) return slots_[at] - 1u;
    }
  }
  [[nodiscard]] const std::vector<Key>& keys() const noexcept { return keys_; }

 private:
  static constexpr std::size_t slots = std::bit_ceil(2 * keys_max);  // half empty at least
  static_assert(slots <= 65'536);
  std::array<std::uint16_t, slots> slots_{};  // number of the key; 0: free
  std::vector<Key> keys_;
};

using places = std::vector<std::uint16_t>;

redis_command credit_call(std::span<const hot_request> requests,
                          std::span<const std::uint16_t> which) {
  distinct_keys<student_id, redis_limits::function_heartbeats_max> students;
  distinct_keys<pair_key, redis_limits::function_heartbeats_max> pairs;
  std::vector<redis_codec::key_places> at(which.size());
  for (std::size_t i = 0; i < which.size(); ++i) {
    const auto pair = requests[which[i]].credit.pair();
    at[i] = {partition_of(pair.student),
             students.place_of(pair.student, std::hash<student_id>{}(pair.student)) + 1,
             pairs.place_of(pair, std::hash<pair_key>{}(pair)) + 1};
  }
  redis_command call{"FCALL", "wk_credit",
                     std::to_string(students.keys().size() + pairs.keys().size())};
  for (const auto& student : students.keys())
    call.add(redis_keys::student(partition_of(student), student));
  for (const auto& pair : pairs.keys())
    call.add(redis_keys::progress(partition_of(pair.student), pair));
  std::string packed;
  for (std::size_t i = 0; i < which.size(); ++i) {
    at[i].pair += students.keys().size();
    redis_codec::encode_request(requests[which[i]], at[i], packed);
  }
  call.add(packed);
  return call;
}

redis_command look_up_call(std::span<const pair_key> pairs) {
  redis_command call{"MGET"};
  for (const auto& pair : pairs) {
    const auto partition = partition_of(pair.student);
    call.add(redis_keys::student(partition, pair.student));
    call.add(redis_keys::progress(partition, pair));
  }
  return call;
}

/// How many of the pairs' keys are there, whatever lies under them.
redis_command count_call(std::span<const pair_key> pairs) {
  redis_command call{"EXISTS"};
  for (const auto& pair : pairs) call.add(redis_keys::progress(partition_of(pair.student), pair));
  return call;
}

/// Whether a reply is what look_up_call asks for.
bool is_of(const redisReply& values, std::span<const pair_key> pairs) noexcept {
  return values.type == REDIS_REPLY_ARRAY && values.elements == 2 * pairs.size();
}

constexpr auto step = redis_limits::function_heartbeats_max;
static_assert(storage_limits::function_cas_pairs_max < 256, "the number of a group is one byte");
static_assert(storage_limits::batch_heartbeats_max <= 65'535, "places are 16 bits");

// What wk_cas is asked for beside the write; as in watchkeeper.lua.
constexpr std::uint8_t mark_anew = 1;
constexpr std::uint8_t renew_session = 2;

}  // namespace

/// The heartbeats of one student in a batch.
struct redis_store::student_group {
  pair_key pair;
  bool several_pairs = false;
  std::uint16_t first = 0, count = 0;  // of the batch's order
};

struct redis_store::batch {
  std::span<const hot_request> requests;
  std::span<applied_credit> applied;
  std::vector<student_group> groups;
  places order;  // the requests' numbers, those of a group together, each in its turn

  [[nodiscard]] std::span<const std::uint16_t> chain(const student_group& group) const {
    return std::span(order).subspan(group.first, group.count);
  }
};

/// A call of wk_cas on its way: what each of its groups becomes if Redis finds it as expected.
struct redis_store::cas_call {
  std::vector<std::uint16_t> groups;
  std::vector<redis_cas::values> after;
};

redis_store::batch redis_store::group_by_student(std::span<const hot_request> requests,
                                                 std::span<applied_credit> applied) {
  batch made{requests, applied, {}, places(requests.size())};
  distinct_keys<student_id, storage_limits::batch_heartbeats_max> students;
  places group_of(requests.size());
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const auto& credit = requests[i].credit;
    const auto at = students.place_of(credit.student, std::hash<student_id>{}(credit.student));
    if (at == made.groups.size()) made.groups.push_back({credit.pair()});
    auto& group = made.groups[at];
    if (group.pair.module != credit.module) group.several_pairs = true;
    ++group.count;
    group_of[i] = static_cast<std::uint16_t>(at);
  }
  std::uint16_t next = 0;
  for (auto& group : made.groups) {
    group.first = next;
    next = static_cast<std::uint16_t>(next + std::exchange(group.count, std::uint16_t{0}));
  }
  for (std::size_t i = 0; i < requests.size(); ++i) {
    auto& group = made.groups[group_of[i]];
    made.order[group.first + group.count++] = static_cast<std::uint16_t>(i);
  }
  return made;
}

std::vector<std::uint16_t> redis_store::all_groups(const batch& asked) {
  std::vector<std::uint16_t> all(asked.groups.size());
  std::iota(all.begin(), all.end(), std::uint16_t{0});
  return all;
}

void redis_store::remember(std::span<const pair_key> pairs, const redisReply& values) {
  // An error, or a value of a foreign type: wk_credit says what is wrong.
  if (!is_of(values, pairs)) return;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    auto stored_values = redis_cas::from_stored(text_of(*values.element[2 * i + 1]),
                                                text_of(*values.element[2 * i]));
    if (stored_values) cache_.put(pairs[i], std::move(*stored_values));
  }
}

std::optional<storage_failure> redis_store::look_up_missing(const batch& asked,
                                                            std::vector<std::uint16_t>& open) {
  open = all_groups(asked);
  std::vector<pair_key> missing;
  std::vector<std::uint16_t> theirs;  // groups
  for (std::size_t at = 0; at < asked.groups.size(); ++at) {
    const auto& group = asked.groups[at];
    if (group.several_pairs || cache_.find(group.pair)) continue;
    missing.push_back(group.pair);
    theirs.push_back(static_cast<std::uint16_t>(at));
  }
  if (missing.empty()) return std::nullopt;
  std::vector<redis_command> calls;
  for (std::size_t at = 0; at < missing.size(); at += step) {
    const auto some = std::span(missing).subspan(at, std::min(step, missing.size() - at));
    calls.push_back(look_up_call(some));
    calls.push_back(count_call(some));
  }
  auto got = run(std::move(calls));
  if (!got) return got.error();
  for (std::size_t at = 0; at < missing.size(); at += step) {
    const auto some = std::span(missing).subspan(at, std::min(step, missing.size() - at));
    const auto& values = *got.value()[2 * (at / step)];
    remember(some, values);
    if (!is_of(values, some)) continue;
    std::vector<std::uint16_t> absent;  // groups
    long long present = 0;
    for (std::size_t i = 0; i < some.size(); ++i) {
      const auto& student = *values.element[2 * i];
      if (values.element[2 * i + 1]->type != REDIS_REPLY_NIL)
        ++present;
      else if (student.type == REDIS_REPLY_NIL ||
               text_of(student).size() == redis_codec::bucket_bytes)
        absent.push_back(theirs[at + i]);  // nor was the student erased: wk_credit would refuse
    }
    // More keys than values: some are of a foreign type. wk_credit says which.
    const auto& count = *got.value()[2 * (at / step) + 1];
    if (count.type != REDIS_REPLY_INTEGER || count.integer != present) continue;
    for (const auto group : absent)
      for (const auto request : asked.chain(asked.groups[group]))
        asked.applied[request].state = applied_state::pair_missing;
  }
  // Of all others nothing is known yet.
  std::erase_if(open, [&](std::uint16_t group) {
    const auto first = asked.chain(asked.groups[group]).front();
    return asked.applied[first].state == applied_state::pair_missing;
  });
  return std::nullopt;
}

std::vector<redis_command> redis_store::plan_cas(const batch& asked,
                                                 std::span<const std::uint16_t> groups,
                                                 std::vector<cas_call>& planned,
                                                 std::vector<std::uint16_t>& others) {
  std::vector<redis_command> calls;
  cas_call now;
  std::string partitions, more;
  std::vector<std::string> keys;
  redis_command values;
  const auto finish = [&] {
    if (now.groups.empty()) return;
    redis_command call{"FCALL", "wk_cas", std::to_string(keys.size())};
    for (const auto& key : keys) call.add(key);
    call.add(partitions).add(more).append(values);
    calls.push_back(std::move(call));
    planned.push_back(std::move(now));
    now = {};
    keys.clear();
    values = {};
    partitions.clear();
    more.clear();
  };
  for (const auto at : groups) {
    const auto& group = asked.groups[at];
    const auto* before = group.several_pairs ? nullptr : cache_.find(group.pair);
    std::optional<redis_cas::plan> plan;
    if (before)
      plan = redis_cas::decide(*before, asked.requests, asked.chain(group), asked.applied);
    if (!plan) {
      others.push_back(at);
      continue;
    }
    const auto partition = partition_of(group.pair.student);
    keys.push_back(redis_keys::student(partition, group.pair.student));
    keys.push_back(redis_keys::progress(partition, group.pair));
    partitions += static_cast<char>(partition);
    values.add(before->bucket).add(before->pair).add(plan->after.bucket).add(plan->after.pair);
    now.groups.push_back(at);
    now.after.push_back(std::move(plan->after));
    if (plan->mark_again || plan->renew_session) {
      more += static_cast<char>(now.groups.size());
      more += static_cast<char>((plan->mark_again ? mark_anew : 0) |
                                (plan->renew_session ? renew_session : 0));
    }
    if (now.groups.size() == storage_limits::function_cas_pairs_max) finish();
  }
  finish();
  return calls;
}

void redis_store::take_cas(const batch& asked, const redis_reply& reply, cas_call& call,
                           std::vector<std::uint16_t>& others) {
  // Of a call that failed it is not known here what it did. wk_credit finds it in the replay
  // windows, or fails in the same way.
  const bool whole = reply->type != REDIS_REPLY_STRING;
  const auto missed = text_of(*reply);
  for (std::size_t i = 0; i < call.groups.size(); ++i) {
    const auto at = call.groups[i];
    if (whole || missed.find(static_cast<char>(i + 1)) != std::string_view::npos)
      others.push_back(at);
    else
      cache_.put(asked.groups[at].pair, std::move(call.after[i]));
  }
}

std::vector<redis_command> redis_store::plan_credits(const batch& asked,
                                                     std::span<const std::uint16_t> groups,
                                                     places_of_calls& which) {
  places chosen;
  std::vector<pair_key> pairs;
  for (const auto at : groups) {
    const auto& group = asked.groups[at];
    const auto chain = asked.chain(group);
    chosen.insert(chosen.end(), chain.begin(), chain.end());
    cache_.forget(group.pair.student);
    if (options_.cas && !group.several_pairs) pairs.push_back(group.pair);
  }
  std::sort(chosen.begin(), chosen.end());
  std::vector<redis_command> calls;
  for (std::size_t at = 0; at < chosen.size(); at += step) {
    const auto end = std::min(at + step, chosen.size());
    which.credits.emplace_back(chosen.begin() + static_cast<std::ptrdiff_t>(at),
                               chosen.begin() + static_cast<std::ptrdiff_t>(end));
    calls.push_back(credit_call(asked.requests, which.credits.back()));
  }
  // What wk_credit made of them is read in the same round trip: the next heartbeat goes through
  // wk_cas.
  for (std::size_t at = 0; at < pairs.size(); at += step) {
    const auto end = std::min(at + step, pairs.size());
    which.look_ups.emplace_back(pairs.begin() + static_cast<std::ptrdiff_t>(at),
                                pairs.begin() + static_cast<std::ptrdiff_t>(end));
    calls.push_back(look_up_call(which.look_ups.back()));
  }
  return calls;
}

std::optional<storage_failure> redis_store::take_credits(const batch& asked,
                                                         const redis_reply& reply,
                                                         std::span<const std::uint16_t> which) {
  for (const auto i : which) asked.applied[i] = {};
  if (is_error(*reply)) return failure_of(*reply);
  if (reply->type != REDIS_REPLY_STRING) return corrupt("wk_credit: a reply of a foreign type");
  byte_reader in(text_of(*reply));
  std::optional<storage_failure> failure;
  for (const auto i : which) {
    bool is_corrupt = false;
    auto applied = redis_codec::decode_outcome(in, asked.requests[i], is_corrupt);
    if (!applied) return corrupt("wk_credit: a malformed reply");
    if (is_corrupt) failure = corrupt("a stored pair, bucket or window is not of the format");
    asked.applied[i] = std::move(*applied);
  }
  if (!in.at_end()) return corrupt("wk_credit: a reply that is too long");
  return failure;
}

std::optional<storage_failure> redis_store::take_credits_and_look_ups(
    const batch& asked, std::span<const redis_reply> got, const places_of_calls& which) {
  std::optional<storage_failure> failure;
  auto reply = got.begin();
  for (const auto& call : which.credits)
    if (auto failed = take_credits(asked, *reply++, call)) failure = failed;
  for (const auto& pairs : which.look_ups) remember(pairs, **reply++);
  return failure;
}

stored<std::vector<applied_credit>> redis_store::applied_or_failure(
    std::vector<applied_credit>&& applied, std::optional<storage_failure> failure) {
  // A pair that is not there is known, too, but no reason to take a store for well that refuses.
  const bool is_of_store = failure && !is_of_single_pairs(*failure);
  const bool all_failed = std::all_of(applied.begin(), applied.end(), [&](const auto& a) {
    return a.state == applied_state::failed ||
           (is_of_store && a.state == applied_state::pair_missing);
  });
  if (failure && all_failed) return *failure;
  return std::move(applied);
}

stored<std::vector<applied_credit>> redis_store::apply(std::span<const hot_request> requests) {
  assert(requests.size() <= storage_limits::batch_heartbeats_max);
  std::vector<applied_credit> applied(requests.size());
  if (requests.empty()) return applied;
  const auto asked = group_by_student(requests, applied);

  std::vector<cas_call> cas_calls;
  std::vector<redis_command> calls;
  std::vector<std::uint16_t> others;
  if (options_.cas) {
    std::vector<std::uint16_t> open;
    if (auto failed = look_up_missing(asked, open)) return *failed;
    calls = plan_cas(asked, open, cas_calls, others);
  } else {
    others = all_groups(asked);
  }

  // A second round only for what another gateway changed meanwhile.
  std::optional<storage_failure> failure;
  while (!calls.empty() || !others.empty()) {
    places_of_calls which;
    auto credits = plan_credits(asked, others, which);
    std::move(credits.begin(), credits.end(), std::back_inserter(calls));
    others.clear();
    const auto got = run(std::move(calls));
    calls.clear();
    if (!got) return got.error();
    const std::span<const redis_reply> answered = got.value();
    for (std::size_t i = 0; i < cas_calls.size(); ++i)
      take_cas(asked, answered[i], cas_calls[i], others);
    if (auto failed = take_credits_and_look_ups(asked, answered.subspan(cas_calls.size()), which))
      failure = failed;
    cas_calls.clear();
  }
  return applied_or_failure(std::move(applied), std::move(failure));
}

hot_store::merged_and_applied redis_store::merge_and_apply(std::span<const pair_progress> pairs,
                                                           bool dirty,
                                                           std::span<const hot_request> requests) {
  if (pairs.empty() || requests.empty()) return hot_store::merge_and_apply(pairs, dirty, requests);
  assert(requests.size() <= storage_limits::batch_heartbeats_max);
  std::vector<applied_credit> applied(requests.size());
  const auto asked = group_by_student(requests, applied);
  auto calls = merge_calls(pairs, dirty);
  const auto merges = calls.size();
  places_of_calls which;
  auto credits = plan_credits(asked, all_groups(asked), which);
  std::move(credits.begin(), credits.end(), std::back_inserter(calls));
  const auto got = run(std::move(calls));
  if (!got) return {got.error(), got.error()};
  const std::span<const redis_reply> answered = got.value();
  auto failure = take_credits_and_look_ups(asked, answered.subspan(merges), which);
  return {merge_outcome(answered.first(merges)),
          applied_or_failure(std::move(applied), std::move(failure))};
}

}  // namespace watchkeeper::storage
