// How redis_store merges pairs and applies heartbeats: it reads what it does not know, decides
// (cas.hpp), and has Redis compare and write (wk_swap).
#include <fmt/format.h>
#include <hiredis/hiredis.h>

#include <algorithm>
#include <array>
#include <bit>
#include <boost/container/small_vector.hpp>
#include <cassert>
#include <iterator>

#include "storage/byte_codec.hpp"
#include "storage/limits.hpp"
#include "storage/redis/codec.hpp"
#include "storage/redis/keys.hpp"
#include "storage/redis/redis_limits.hpp"
#include "storage/redis/store.hpp"

namespace watchkeeper::storage {

namespace {

using places = std::vector<std::uint16_t>;

/// The different students of a batch, by open addressing.
class distinct_students {
 public:
  /// The place of the student, from 0 on; one that is new goes to the end.
  std::size_t place_of(const student_id& student) {
    const auto hash = std::hash<student_id>{}(student);
    for (auto at = hash * 0x9e3779b97f4a7c15u >> 48 & (slots - 1);; at = (at + 1) & (slots - 1)) {
      if (slots_[at] == 0) {
        students_.push_back(&student);
        slots_[at] = static_cast<std::uint16_t>(students_.size());
        return students_.size() - 1;
      }
      if (*students_[slots_[at] - 1u] == student) return slots_[at] - 1u;
    }
  }

 private:
  static constexpr std::size_t slots = std::bit_ceil(4 * storage_limits::batch_heartbeats_max);
  static_assert(slots <= 65'536);
  std::array<std::uint16_t, slots> slots_{};  // number of the student; 0: free
  std::vector<const student_id*> students_;
};

/// Puts the numbers of each group together, each in its turn. `group_of` says whose a number is.
places ordered_by_group(const places& group_of, std::size_t groups,
                        std::vector<std::pair<std::uint16_t, std::uint16_t>>& first_and_count) {
  first_and_count.assign(groups, {0, 0});
  for (const auto group : group_of) ++first_and_count[group].second;
  std::uint16_t next = 0;
  for (auto& [first, count] : first_and_count) {
    first = next;
    next = static_cast<std::uint16_t>(next + std::exchange(count, std::uint16_t{0}));
  }
  places order(group_of.size());
  for (std::size_t i = 0; i < group_of.size(); ++i) {
    auto& [first, count] = first_and_count[group_of[i]];
    order[static_cast<std::size_t>(first) + count++] = static_cast<std::uint16_t>(i);
  }
  return order;
}

constexpr std::size_t groups_per_call_max = storage_limits::function_cas_pairs_max;
static_assert(groups_per_call_max < 256, "the number of a group is one byte");

}  // namespace

/// What a batch asks for one student.
struct redis_store::student_group {
  const student_id* student = nullptr;
  redis_cas::question asked;
  boost::container::small_vector<module_id, 1> modules;  // of what is asked, each once
  bool has_failed = false;
  bool goes_alone = false;  // a call with others failed, perhaps for what is stored of this student
  unsigned misses = 0;      // how often Redis held something else

  [[nodiscard]] bool has_one_pair() const noexcept { return modules.size() == 1; }
  [[nodiscard]] pair_key pair() const { return {*student, modules.front()}; }
};

/// The groups and their order; `asked` of each group points into it.
struct redis_store::batch {
  std::span<applied_credit> applied;
  std::vector<student_group> groups;
  places merges, chains;
  std::optional<storage_failure> failure;  // of a group; rather of the store than of single pairs

  void fail(student_group& group, storage_failure why) {
    group.has_failed = true;
    for (const auto i : group.asked.chain) applied[i] = {};
    if (!failure || is_of_single_pairs(*failure)) failure = std::move(why);
  }
};

/// Decisions on their way to Redis in one call of wk_swap.
struct redis_store::cas_call {
  std::vector<student_group*> groups;
  std::vector<redis_cas::decision> decisions;
  std::size_t keys = 0;
};

/// Values that are read for some groups.
struct redis_store::look_up {
  std::vector<student_group*> groups;
  std::vector<std::string> keys;           // of each group its student, its pairs, its sessions
  std::vector<std::uint64_t> tags;         // those of the sessions
  std::vector<std::size_t> session_count;  // of each group
};

void redis_store::group_by_student(batch& made, std::span<const pair_progress> pairs,
                                   merge_origin from, std::span<const hot_request> requests) {
  distinct_students students;
  const auto group_of = [&](const student_id& student) {
    const auto at = students.place_of(student);
    if (at == made.groups.size()) made.groups.push_back({.student = &student});
    return static_cast<std::uint16_t>(at);
  };
  places of_merges, of_requests;
  for (const auto& pair : pairs) of_merges.push_back(group_of(pair.key.student));
  for (const auto& request : requests) of_requests.push_back(group_of(request.credit.student));
  std::vector<std::pair<std::uint16_t, std::uint16_t>> merges, chains;
  made.merges = ordered_by_group(of_merges, made.groups.size(), merges);
  made.chains = ordered_by_group(of_requests, made.groups.size(), chains);
  for (std::size_t at = 0; at < made.groups.size(); ++at) {
    auto& group = made.groups[at];
    group.asked = {
        .pairs = pairs,
        .merges = std::span(made.merges).subspan(merges[at].first, merges[at].second),
        .from = from,
        .requests = requests,
        .chain = std::span(made.chains).subspan(chains[at].first, chains[at].second),
    };
    const auto add = [&](const module_id& module) {
      auto& all = group.modules;
      if (std::find(all.begin(), all.end(), module) == all.end()) all.push_back(module);
    };
    for (const auto i : group.asked.merges) add(pairs[i].key.module);
    for (const auto i : group.asked.chain) add(requests[i].credit.module);
  }
}

redis_store::look_up redis_store::plan_look_up(std::vector<student_group*> groups) {
  look_up made;
  for (const auto* group : groups) {
    const auto partition = partition_of(*group->student);
    made.keys.push_back(redis_keys::student(partition, *group->student));
    for (const auto& module : group->modules)
      made.keys.push_back(redis_keys::progress(partition, {*group->student, module}));
    const auto first_tag = made.tags.size();
    for (const auto i : group->asked.chain) {
      const auto tag = redis_codec::session_tag(group->asked.requests[i].credit.session_key());
      const auto begin = made.tags.begin() + static_cast<std::ptrdiff_t>(first_tag);
      if (std::find(begin, made.tags.end(), tag) != made.tags.end()) continue;
      made.tags.push_back(tag);
      made.keys.push_back(redis_keys::session(partition, *group->student, tag));
    }
    made.session_count.push_back(made.tags.size() - first_tag);
  }
  made.groups = std::move(groups);
  return made;
}

void redis_store::add_look_up(const look_up& asked, std::vector<redis_command>& calls) {
  for (std::size_t at = 0; at < asked.keys.size(); at += redis_limits::look_up_keys_max) {
    redis_command values{"MGET"}, count{"EXISTS"};
    const auto end = std::min(at + redis_limits::look_up_keys_max, asked.keys.size());
    for (auto i = at; i < end; ++i) {
      values.add(asked.keys[i]);
      count.add(asked.keys[i]);
    }
    calls.push_back(std::move(values));
    calls.push_back(std::move(count));
  }
}

stored<std::vector<std::optional<std::string_view>>> redis_store::values_of(
    const look_up& asked, std::span<const redis_reply> got) {
  std::vector<std::optional<std::string_view>> values;
  std::vector<std::size_t> doubtful;
  for (std::size_t call = 0; values.size() < asked.keys.size(); call += 2) {
    const auto& some = *got[call];
    const auto& count = *got[call + 1];
    for (const auto* reply : {&some, &count})
      if (is_error(*reply)) return failure_of(*reply);
    const auto first = values.size();
    const auto expected = std::min(redis_limits::look_up_keys_max, asked.keys.size() - first);
    if (some.type != REDIS_REPLY_ARRAY || some.elements != expected ||
        count.type != REDIS_REPLY_INTEGER)
      return corrupt("a look-up: a reply of a foreign type");
    long long present = 0;
    for (std::size_t i = 0; i < some.elements; ++i) {
      const auto& value = *some.element[i];
      const auto text = text_of(value);
      if (value.type != REDIS_REPLY_NIL) ++present;
      const bool is_empty = value.type != REDIS_REPLY_NIL && text.empty();  // no value of ours is
      values.push_back(is_empty ? std::nullopt : std::optional(text));
    }
    if (count.integer == present) continue;
    for (auto i = first; i < values.size(); ++i)
      if (values[i] && values[i]->empty()) doubtful.push_back(i);
  }
  if (doubtful.empty()) return values;
  // More keys than values: some are of a foreign type, for which MGET gives nothing. A string has
  // been created since, by another gateway: wk_swap will find it.
  std::vector<redis_command> calls;
  for (const auto i : doubtful) calls.push_back({"TYPE", asked.keys[i]});
  const auto types = read_all(std::move(calls));
  if (!types) return types.error();
  for (std::size_t i = 0; i < doubtful.size(); ++i) {
    const auto type = text_of(*types.value()[i]);
    if (type != "none" && type != "string") values[doubtful[i]] = std::nullopt;
  }
  return values;
}

void redis_store::decide_looked_up(batch& all, const look_up& asked,
                                   std::span<const std::optional<std::string_view>> values,
                                   std::vector<cas_call>& calls) {
  std::size_t at = 0, tag = 0;
  for (std::size_t g = 0; g < asked.groups.size(); ++g) {
    auto& group = *asked.groups[g];
    const auto count = 1 + group.modules.size() + asked.session_count[g];
    const auto of_group = values.subspan(at, count);
    at += count;
    redis_cas::student_values before;
    bool is_foreign = false;
    for (const auto& value : of_group) is_foreign = is_foreign || !value;
    if (!is_foreign) {
      before.student = *of_group[0];
      for (std::size_t i = 0; i < group.modules.size(); ++i)
        before.pairs.emplace_back(group.modules[i], *of_group[1 + i]);
      for (std::size_t i = 0; i < asked.session_count[g]; ++i)
        before.sessions.emplace_back(asked.tags[tag + i], *of_group[1 + group.modules.size() + i]);
    }
    tag += asked.session_count[g];
    auto decision = is_foreign ? redis_cas::decision{.what = redis_cas::decision::kind::corrupt}
                               : redis_cas::decide(before, group.asked, all.applied, next_nonce_);
    switch (decision.what) {
      case redis_cas::decision::kind::write:
        add_to_calls(group, std::move(decision), calls);
        break;
      case redis_cas::decision::kind::nothing:
        break;
      default:
        all.fail(group, corrupt("a stored pair, student or session is not of the format"));
    }
  }
}

std::vector<redis_store::student_group*> redis_store::decide_cached(batch& all,
                                                                    std::vector<cas_call>& calls) {
  std::vector<student_group*> others;
  for (auto& group : all.groups) {
    const auto* const known = group.has_one_pair() ? cache_.find(group.pair()) : nullptr;
    if (known) {
      redis_cas::student_values before{.student = known->student};
      before.pairs.emplace_back(group.modules.front(), known->pair);
      auto decision = redis_cas::decide(before, group.asked, all.applied, next_nonce_);
      // A decision to write nothing would rest on memory alone.
      if (decision.what == redis_cas::decision::kind::write) {
        add_to_calls(group, std::move(decision), calls);
        continue;
      }
    }
    others.push_back(&group);
  }
  return others;
}

void redis_store::add_to_calls(student_group& group, redis_cas::decision decision,
                               std::vector<cas_call>& calls) {
  const auto keys = 1 + decision.pairs.size() + decision.sessions.size();
  if (calls.empty() || group.goes_alone || calls.back().groups.front()->goes_alone ||
      calls.back().groups.size() == groups_per_call_max ||
      calls.back().keys + keys > redis_limits::cas_keys_max)
    calls.emplace_back();
  auto& call = calls.back();
  call.keys += keys;
  call.groups.push_back(&group);
  call.decisions.push_back(std::move(decision));
}

redis_command redis_store::command_of(const cas_call& call) {
  redis_command command{"FCALL", "wk_swap", std::to_string(call.keys)};
  std::string plan;
  byte_writer put(plan);
  redis_command values;
  for (std::size_t i = 0; i < call.groups.size(); ++i) {
    const auto& student = *call.groups[i]->student;
    const auto& decision = call.decisions[i];
    const auto partition = partition_of(student);
    command.add(redis_keys::student(partition, student));
    put.u16(static_cast<std::uint16_t>(decision.pairs.size()));
    put.u16(static_cast<std::uint16_t>(decision.sessions.size()));
    put.u8(decision.student_after.empty() ? 0 : 1);
    put.bytes(decision.expected_student_nonce);
    if (!decision.student_after.empty()) values.add(decision.student_after);
    for (const auto& pair : decision.pairs) {
      command.add(redis_keys::progress(partition, {student, pair.module}));
      put.u8(pair.what);
      put.bytes(pair.expected_nonce);
      values.add(pair.after);
    }
    for (const auto& session : decision.sessions) {
      command.add(redis_keys::session(partition, student, session.tag));
      put.u8(session.is_compared ? 1 : 0);
      values.add(session.expected).add(session.after);
    }
  }
  return command.add(plan).append(values);
}

bool redis_store::decide_found(batch& all, student_group& group, const redis_cas::decision& before,
                               std::span<redisReply* const> values, std::vector<cas_call>& again) {
  // A value of a foreign type looks like an absent one, so from time to time the group is read.
  constexpr unsigned read_after_misses = 8;
  if (!group.has_one_pair() || before.pairs.size() != 1 || group.misses % read_after_misses == 0)
    return false;
  redis_cas::student_values found{.student = text_of(*values[0])};
  found.pairs.emplace_back(group.modules.front(), text_of(*values[1]));
  for (std::size_t i = 0; i < before.sessions.size(); ++i)
    found.sessions.emplace_back(before.sessions[i].tag, text_of(*values[2 + i]));
  auto decision = redis_cas::decide(found, group.asked, all.applied, next_nonce_);
  if (decision.what == redis_cas::decision::kind::write) {
    add_to_calls(group, std::move(decision), again);
    return true;
  }
  return decision.what == redis_cas::decision::kind::nothing;
}

void redis_store::take_cas(batch& all, cas_call& call, const redis_reply& reply,
                           std::vector<cas_call>& again, std::vector<student_group*>& to_read) {
  std::string_view missed;
  std::span<redisReply* const> values;  // of the groups that were missed
  if (reply->type == REDIS_REPLY_ARRAY && reply->elements > 0) {
    missed = text_of(*reply->element[0]);
    values = std::span(reply->element, reply->elements).subspan(1);
  } else if (reply->type != REDIS_REPLY_STRING) {
    fail_call(all, call, *reply, to_read);
    return;
  }
  for (std::size_t i = 0; i < call.groups.size(); ++i) {
    auto& group = *call.groups[i];
    auto& decision = call.decisions[i];
    if (missed.find(static_cast<char>(i + 1)) == std::string_view::npos) {
      if (group.has_one_pair() && !decision.student_after.empty())
        cache_.put(group.pair(),
                   {std::move(decision.pairs.front().after), std::move(decision.student_after)});
      else
        cache_.forget(*group.student);
      continue;
    }
    cache_.forget(*group.student);
    const auto count = 1 + decision.pairs.size() + decision.sessions.size();
    const auto of_group = values.first(std::min(count, values.size()));
    values = values.subspan(of_group.size());
    if (++group.misses == redis_limits::cas_misses_max)
      all.fail(group, {storage_error::contended, "other gateways keep changing the student"});
    else if (of_group.size() != count || !decide_found(all, group, decision, of_group, again))
      to_read.push_back(&group);
  }
}

void redis_store::fail_call(batch& all, cas_call& call, const redisReply& reply,
                            std::vector<student_group*>& to_read) {
  const auto why =
      is_error(reply) ? failure_of(reply) : corrupt("wk_swap: a reply of a foreign type");
  for (auto* group : call.groups) {
    cache_.forget(*group->student);
    // What is stored of one student may have failed the call of all: each is tried alone.
    if (why.code != storage_error::corrupt || std::exchange(group->goes_alone, true))
      all.fail(*group, why);
    else
      to_read.push_back(group);
  }
}

stored<ok_t> redis_store::begin_round(batch& all) {
  if (auto fine = ready(); !fine) return fine.error();
  for (auto& group : all.groups) group.asked.incarnation = incarnation_tag_;
  return ok;
}

stored<ok_t> redis_store::run_batch(batch& all) {
  // Connected before anything is decided: decisions rest on the incarnation of Redis.
  if (auto fine = begin_round(all); !fine) return fine.error();
  std::vector<cas_call> decided;
  auto to_read = decide_cached(all, decided);
  while (!decided.empty() || !to_read.empty()) {
    std::vector<redis_command> commands;
    for (const auto& call : decided) commands.push_back(command_of(call));
    const auto asked = plan_look_up(std::exchange(to_read, {}));
    add_look_up(asked, commands);
    // wk_swap alone needs no question for the role: a replica refuses it.
    const auto got =
        asked.groups.empty() ? run(std::move(commands)) : run_on_master(std::move(commands));
    if (!got) return got.error();
    const std::span<const redis_reply> answered = got.value();
    std::vector<cas_call> again;
    for (std::size_t i = 0; i < decided.size(); ++i)
      take_cas(all, decided[i], answered[i], again, to_read);
    const auto values = values_of(asked, answered.subspan(decided.size()));
    if (!values) return values.error();
    if (auto fine = begin_round(all); !fine) return fine.error();
    decide_looked_up(all, asked, *values, again);
    decided = std::move(again);
  }
  return ok;
}

hot_store::merged_and_applied redis_store::merge_and_apply(std::span<const pair_progress> pairs,
                                                           merge_origin from,
                                                           std::span<const hot_request> requests) {
  assert(requests.size() <= storage_limits::batch_heartbeats_max);
  // Merges beyond one batch come first, without heartbeats.
  while (pairs.size() > storage_limits::batch_heartbeats_max) {
    const auto first = pairs.first(storage_limits::batch_heartbeats_max);
    pairs = pairs.subspan(storage_limits::batch_heartbeats_max);
    auto part = merge_and_apply(first, from, {});
    if (!part.merged && !is_of_single_pairs(part.merged.error()))
      return {part.merged.error(), part.merged.error()};
    if (!part.merged) {
      auto rest = merge_and_apply(pairs, from, requests);
      if (rest.merged) rest.merged = part.merged.error();
      return rest;
    }
  }
  std::vector<applied_credit> applied(requests.size());
  batch all{.applied = applied};
  group_by_student(all, pairs, from, requests);
  if (const auto done = run_batch(all); !done) return {done.error(), done.error()};
  stored<ok_t> merged = ok;
  if (all.failure && std::any_of(all.groups.begin(), all.groups.end(), [](const auto& group) {
        return group.has_failed && !group.asked.merges.empty();
      }))
    merged = *all.failure;
  // A store that refuses writes can still be read: only what was written proves that it is well,
  // not a duplicate, a rejection, or a pair that is missing.
  const bool is_of_store = all.failure && !is_of_single_pairs(*all.failure);
  const bool all_failed = std::all_of(applied.begin(), applied.end(), [&](const auto& each) {
    return each.state == applied_state::failed || (is_of_store && each.outcome.played.empty());
  });
  if (all.failure && all_failed) return {std::move(merged), *all.failure};
  return {std::move(merged), std::move(applied)};
}

stored<std::vector<applied_credit>> redis_store::apply(std::span<const hot_request> requests) {
  if (requests.empty()) return std::vector<applied_credit>{};
  return merge_and_apply({}, merge_origin::ledger, requests).applied;
}

stored<ok_t> redis_store::merge(std::span<const pair_progress> pairs, merge_origin from) {
  if (pairs.empty()) return ok;
  return merge_and_apply(pairs, from, {}).merged;
}

}  // namespace watchkeeper::storage
