#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <map>
#include <random>
#include <string>

#include "storage/hot_store.hpp"

namespace watchkeeper::storage::testing {

inline std::uint64_t seed_or(std::uint64_t fixed) {
  const char* const chosen = std::getenv("WATCHKEEPER_SEED");
  return chosen ? std::strtoull(chosen, nullptr, 10) : fixed;
}

template <class Id>
Id id_of(std::string_view text) {
  return Id::parse(text).value();
}
inline pair_key pair_of(std::string_view student, std::string_view module) {
  return {id_of<student_id>(student), id_of<module_id>(module)};
}
inline thumbprint kid_of(std::uint8_t number) {
  thumbprint kid;
  kid.bytes.fill(number);
  return kid;
}

constexpr wall_ms some_time_ms{1'763'812'345'000};

/// A heartbeat like most: device 1, session "s", rate 2.2, of a module of ten minutes.
inline hot_request heartbeat(const pair_key& pair, std::uint32_t sequence, media_ms from_ms,
                             media_ms to_ms, wall_ms now_ms = some_time_ms) {
  hot_request request;
  auto& credit = request.credit;
  credit.student = pair.student;
  credit.module = pair.module;
  credit.device = kid_of(1);
  credit.session = id_of<session_id>("s");
  credit.sequence = sequence;
  credit.epoch = 1;
  credit.interval = {from_ms, to_ms};
  credit.played_at_ms = credit.now_ms = now_ms;
  credit.duration_ms = 600'000;
  credit.mastery_measured_ms = 570'000;
  credit.max_rate_permille = 2000;
  return request;
}

inline std::string text_of(const coverage& covered) {
  std::string text;
  for (const auto& piece : covered.pieces())
    text += fmt::format("[{},{})", piece.from_ms, piece.to_ms);
  return text;
}
inline std::string text_of(const progress& p) {
  return fmt::format(
      "life {}.{} from {} duration {} playtime {} resume {}@{} updated {} mastered {} {}",
      p.life.epoch, p.life.attempt, p.begins_ms.value(), p.duration_ms, p.playtime_ms, p.resume_ms,
      p.resume_at_ms.value(), p.updated_ms.value(), p.mastered_ms.value(), text_of(p.covered));
}
inline std::string text_of(const applied_credit& a) {
  const auto& o = a.outcome;
  return fmt::format(
      "state {} status {} why {} stale {} life {}.{} credited {} played {}-{} newly {} covered {} "
      "duration {} playtime "
      "{} resume {} "
      "updated {} mastered {} {}",
      int(a.state), int(o.status), int(o.why), int(o.stale), o.now.life.epoch, o.now.life.attempt,
      o.credited_ms, o.played.from_ms, o.played.to_ms, o.newly_mastered, o.now.covered_ms,
      o.now.duration_ms, o.now.playtime_ms, o.now.resume_ms, o.now.updated_ms.value(),
      o.now.mastered_ms.value(), a.covered ? text_of(*a.covered) : "-");
}
inline std::string text_of(const pair_key& key) {
  return fmt::format("{}/{}", key.student.view(), key.module.view());
}

/// Fails the test with what went wrong.
template <class T>
T must(stored<T> applied) {
  if (!applied)
    throw std::runtime_error(
        fmt::format("storage error {}: {}", int(applied.error().code), applied.error().detail));
  return std::move(applied).value();
}

/// The first attempt of the first epoch, with nothing in it.
inline progress blank() {
  return blank_progress({.epoch = 1, .begins_ms = never});
}

/// Creates the pairs, empty.
inline void create(hot_store& store, std::vector<pair_key> keys) {
  std::vector<pair_progress> pairs;
  for (const auto& key : keys) pairs.push_back({key, blank()});
  must(store.merge(pairs, merge_origin::ledger));
}

inline applied_credit apply_one(hot_store& store, const hot_request& request) {
  return must(store.apply(std::span(&request, 1))).at(0);
}

inline storage_error error_of_apply(hot_store& store, const hot_request& request) {
  const auto applied = store.apply(std::span(&request, 1));
  BOOST_REQUIRE(!applied.has_value());
  return applied.error().code;
}

/// Walks over all pairs.
inline std::vector<idle_pair> read_all_idle(hot_store& store, wall_ms now_ms,
                                            std::int64_t idle_ms) {
  std::vector<idle_pair> all;
  std::string cursor;
  do {
    auto found = must(store.read_idle(cursor, now_ms, idle_ms));
    all.insert(all.end(), found.pairs.begin(), found.pairs.end());
    cursor = std::move(found.cursor);
  } while (!cursor.empty());
  return all;
}

/// As after a checkpoint.
inline void clean_all(hot_store& store) {
  for (std::uint32_t p = 0; p < limits::partitions; ++p) {
    const auto partition = static_cast<partition_index>(p);
    must(store.mark_clean(partition, must(store.read_dirty(partition, 10'000)).pairs));
  }
}

/// Takes out what was idle for so long, and says how many that were.
inline std::uint64_t retire_all(hot_store& store, wall_ms now_ms, std::int64_t idle_ms) {
  return must(store.retire(read_all_idle(store, now_ms, idle_ms), now_ms));
}

/// Plays random operations against a store and the model, and compares every answer.
class contract_run {
 public:
  /// `stores` share their data; each operation goes to one of them. `advance_max_ms` a heartbeat.
  contract_run(std::vector<hot_store*> stores, std::uint64_t seed, std::int64_t advance_max_ms,
               std::int64_t back_max_ms)
      : stores_(std::move(stores)),
        model_(make_memory_store()),
        random_(seed),
        seed_(seed),
        advance_max_ms_(advance_max_ms),
        back_max_ms_(back_max_ms) {}

  void run(int operations) {
    for (int i = 0; i < operations; ++i) {
      const auto before = failures_;
      operation();
      if (failures_ != before) {
        BOOST_ERROR(fmt::format("operation {} of WATCHKEEPER_SEED={}", i, seed_));
        return;
      }
    }
    read_all();
    const auto has = [&](applied_state state, credit_status status, problem why) {
      BOOST_TEST(outcomes_.contains({int(state), int(status), int(why)}),
                 "nothing was " << int(state) << '/' << int(status) << '/' << describe(why).name);
    };
    using enum credit_status;
    has(applied_state::done, credited, problem::none);
    has(applied_state::done, duplicate, problem::none);
    has(applied_state::done, rejected, problem::stale_token);
    has(applied_state::done, rejected, problem::session_mismatch);
    has(applied_state::done, rejected, problem::unknown_device);
    has(applied_state::pair_missing, rejected, problem::none);
    if (advance_max_ms_ <= 100)
      has(applied_state::done, limited, problem::none);  // time goes slowly
  }

 private:
  std::size_t below(std::size_t n) {
    return std::uniform_int_distribution<std::size_t>(0, n - 1)(random_);
  }
  bool chance(double p) { return std::bernoulli_distribution(p)(random_); }
  media_ms between(media_ms low, media_ms high) {
    return std::uniform_int_distribution<media_ms>(low, high)(random_);
  }
  hot_store& store() { return *stores_[below(stores_.size())]; }

  // Ids that a careless key format would confuse.
  student_id any_student() {
    constexpr std::string_view names[] = {"a", "a:b", "student-3", "~@.:_"};
    return id_of<student_id>(names[below(4)]);
  }
  module_id any_module() {
    constexpr std::string_view names[] = {"m", "b:m", "c"};
    return id_of<module_id>(names[below(3)]);
  }
  pair_key any_pair() { return {any_student(), any_module()}; }

  void same(std::string_view what, const std::string& model, const std::string& tested) {
    if (model == tested) return;
    ++failures_;
    BOOST_ERROR(fmt::format("{}\n  model:  {}\n  tested: {}", what, model, tested));
  }

  hot_request any_request() {
    const auto pair = any_pair();
    hot_request request = heartbeat(pair, 0, 0, 1);
    auto& credit = request.credit;
    // A device belongs to one student.
    credit.device = kid_of(static_cast<std::uint8_t>(pair.student.view().size() * 2 + below(2)));
    // Usually a session of this module alone; at times one that another module may be bound to.
    credit.session = id_of<session_id>(
        chance(0.9) ? fmt::format("s{}-{}", below(2), pair.module.view()) : std::string("shared"));
    credit.epoch = any_epoch_of(pair.student);
    auto& next = next_sequence_[{text_of(pair), std::string(credit.session.view())}];
    const auto kind = below(100);
    if (kind < 65)
      credit.sequence = next++;
    else if (kind < 75)
      credit.sequence = next == 0 ? 0 : next - 1;
    else if (kind < 90)
      credit.sequence = next - std::min<std::uint32_t>(next, static_cast<std::uint32_t>(below(90)));
    else
      credit.sequence = next += static_cast<std::uint32_t>(below(100));

    static constexpr media_ms durations[] = {600'000, 20'000, 5'000};
    const auto kind_of_module = pair.module.view().size() % 3;
    credit.duration_ms = durations[kind_of_module];
    credit.mastery_measured_ms = credit.duration_ms * 95 / 100;
    auto& position = position_[text_of(pair)];
    if (chance(0.3)) position = between(0, credit.duration_ms - 1);
    if (chance(0.1)) position = std::min(credit.duration_ms - 1, position + between(1, 600));
    if (position >= credit.duration_ms - 1) position = 0;
    const media_ms longest = chance(0.05) ? 30'000 : chance(0.5) ? 2'000 : 300;
    const media_ms to = std::min(credit.duration_ms, position + between(1, longest));
    credit.interval = {position, to};
    position = to;

    now_ms_ += static_cast<std::int64_t>(below(static_cast<std::size_t>(advance_max_ms_) + 1));
    credit.now_ms = now_ms_;
    if (back_max_ms_ > 0 && chance(0.1))
      credit.now_ms -= between(0, static_cast<media_ms>(back_max_ms_));
    credit.played_at_ms = credit.now_ms - between(-1000, 5000);
    credit.max_rate_permille = chance(0.8) ? 2000 : between(0, 4000);
    request.want_coverage = chance(0.3);
    return request;
  }

  /// Mostly the one that the student is in.
  std::uint32_t any_epoch_of(const student_id& student) {
    auto epoch = epochs_.try_emplace(std::string(student.view()), 1u).first->second;
    if (chance(0.03)) epoch += 1;
    if (chance(0.03)) epoch -= 1;
    return epoch;
  }

  progress any_progress(const student_id& student) {
    progress p;
    p.life = {any_epoch_of(student), chance(0.97) ? 1u : 2u};
    if (chance(0.05)) p.begins_ms = now_ms_ - between(0, 4'000);
    const auto pieces = below(6);
    for (std::size_t i = 0; i < pieces; ++i) {
      const auto from = between(0, 20'000);
      p.covered.add({from, from + between(1, 1500)});
    }
    p.duration_ms = between(5'000, 600'000);
    p.playtime_ms = between(0, 100'000);
    p.resume_ms = between(0, 20'000);
    p.resume_at_ms = now_ms_ - between(0, 10'000);
    p.updated_ms = chance(0.2) ? never : now_ms_ - between(0, 10'000);
    p.mastered_ms = chance(0.1) ? now_ms_ - between(0, 10'000) : never;
    return p;
  }

  pair_progress any_pair_and_progress() {
    const auto key = any_pair();
    return {key, any_progress(key.student)};
  }
  merge_origin any_origin() {
    return chance(0.5)   ? merge_origin::ledger
           : chance(0.8) ? merge_origin::ledger_and_memory
                         : merge_origin::memory;
  }

  void operation() {
    const auto kind = below(100);
    if (kind < 32)
      apply();
    else if (kind < 40)
      merge_and_apply();
    else if (kind < 58)
      merge();
    else if (kind < 59)
      read_idle();
    else if (kind < 60)
      retire();
    else if (kind < 70)
      read_all();
    else if (kind < 80)
      read_dirty();
    else if (kind < 90)
      mark_clean();
    else if (kind < 93)
      modules_of();
    else if (kind < 96)
      count();
    else if (kind < 97)
      mark_all_dirty();
    else
      end_epochs();
  }

  void apply() {
    std::vector<hot_request> requests(chance(0.1) ? 1 + below(200) : 1 + below(12));
    for (auto& request : requests) request = any_request();
    same_answers(requests, must(model_->apply(requests)), must(store().apply(requests)));
  }

  void merge_and_apply() {
    std::vector<hot_request> requests(below(6));
    for (auto& request : requests) request = any_request();
    std::vector<pair_progress> pairs(below(4));
    for (auto& pair : pairs) pair = any_pair_and_progress();
    for (const auto& request : requests)  // nearly always that of a request
      if (chance(0.7))
        pairs.push_back({request.credit.pair(), any_progress(request.credit.student)});
    const auto from = any_origin();
    auto expected = model_->merge_and_apply(pairs, from, requests);
    auto got = store().merge_and_apply(pairs, from, requests);
    must(std::move(expected.merged));
    must(std::move(got.merged));
    same_answers(requests, must(std::move(expected.applied)), must(std::move(got.applied)));
  }

  void mark_all_dirty() {
    for (auto* const marked : {model_.get(), &store()}) {
      std::string cursor;
      do cursor = must(marked->mark_all_dirty(cursor));
      while (!cursor.empty());
    }
  }

  void same_answers(const std::vector<hot_request>& requests,
                    const std::vector<applied_credit>& expected,
                    const std::vector<applied_credit>& got) {
    BOOST_REQUIRE_EQUAL(expected.size(), got.size());
    for (std::size_t i = 0; i < got.size(); ++i) {
      same(fmt::format("apply [{}] {} sn {}", i, text_of(requests[i].credit.pair()),
                       requests[i].credit.sequence),
           text_of(expected[i]), text_of(got[i]));
      outcomes_[{int(got[i].state), int(got[i].outcome.status), int(got[i].outcome.why)}]++;
    }
  }

  void merge() {
    std::vector<pair_progress> pairs(1 + below(4));
    for (auto& pair : pairs) pair = any_pair_and_progress();
    const auto from = any_origin();
    must(model_->merge(pairs, from));
    must(store().merge(pairs, from));
  }

  void read_all() {
    std::vector<pair_key> keys;
    for (int i = 0; i < 8; ++i) keys.push_back(any_pair());
    const auto expected = must(model_->read(keys));
    const auto got = must(store().read(keys));
    BOOST_REQUIRE_EQUAL(expected.size(), got.size());
    for (std::size_t i = 0; i < got.size(); ++i)
      same("read " + text_of(keys[i]), expected[i] ? text_of(*expected[i]) : "none",
           got[i] ? text_of(*got[i]) : "none");
  }

  /// Everything that is dirty, by its key; the versions are each store's own.
  std::map<std::string, dirty_pair> dirty_of(hot_store& from, partition_index partition) {
    std::map<std::string, dirty_pair> found;
    for (auto& pair : must(from.read_dirty(partition, 1000)).pairs) found[text_of(pair.key)] = pair;
    return found;
  }

  void read_dirty() {
    const auto partition = partition_of(any_student());
    captured_model_ = dirty_of(*model_, partition);
    captured_ = dirty_of(store(), partition);
    captured_partition_ = partition;
    const auto list = [](const auto& pairs) {
      std::string text;
      for (const auto& [name, pair] : pairs) text += name + " " + text_of(pair.state) + "\n";
      return text;
    };
    same("read_dirty", list(captured_model_), list(captured_));
    const auto some = must(store().read_dirty(partition, 2)).pairs;
    same("read_dirty, two", std::to_string(std::min<std::size_t>(2, captured_model_.size())),
         std::to_string(some.size()));
  }

  /// Of pairs read some operations ago: some have changed since.
  void mark_clean() {
    std::vector<dirty_pair> of_model, of_store;
    for (const auto& [name, pair] : captured_model_) {
      if (chance(0.3)) continue;
      of_model.push_back(pair);
      of_store.push_back(captured_.at(name));
    }
    must(model_->mark_clean(captured_partition_, of_model));
    must(store().mark_clean(captured_partition_, of_store));
    count();
  }

  void read_idle() {
    const auto idle_ms = static_cast<std::int64_t>(below(6'000));
    const auto found = [&](hot_store& from) {
      std::map<std::string, idle_pair> by_name;
      for (auto& pair : read_all_idle(from, now_ms_, idle_ms)) by_name[text_of(pair.key)] = pair;
      return by_name;
    };
    idle_model_ = found(*model_);
    idle_ = found(store());
    const auto list = [](const auto& pairs) {
      std::string text;
      for (const auto& [name, pair] : pairs) text += name + " " + text_of(pair.state) + "\n";
      return text;
    };
    same("read_idle", list(idle_model_), list(idle_));
  }

  /// Those read some operations ago: some have changed since, or are marked.
  void retire() {
    std::vector<idle_pair> of_model, of_store;
    for (const auto& [name, pair] : idle_model_) {
      if (chance(0.3)) continue;
      of_model.push_back(pair);
      of_store.push_back(idle_.at(name));
    }
    same("retire", std::to_string(must(model_->retire(of_model, now_ms_))),
         std::to_string(must(store().retire(of_store, now_ms_))));
    read_all();
  }

  void modules_of() {
    const auto student = any_student();
    const auto list = [](std::vector<module_id> modules) {
      std::sort(modules.begin(), modules.end());
      std::string text;
      for (const auto& module : modules) text += std::string(module.view()) + " ";
      return text;
    };
    same("modules_of", list(must(model_->modules_of(student))),
         list(must(store().modules_of(student))));
  }

  void count() {
    same("dirty_count", std::to_string(must(model_->dirty_count())),
         std::to_string(must(store().dirty_count())));
  }

  /// Most of the time the student is in the next epoch then.
  void end_epochs() {
    const auto student = any_student();
    auto& epoch = epochs_.try_emplace(std::string(student.view()), 1u).first->second;
    if (chance(0.7)) ++epoch;
    const auto ended = any_epoch_of(student);
    must(model_->end_epochs_below(student, ended, now_ms_));
    must(store().end_epochs_below(student, ended, now_ms_));
    const auto text = [&](hot_store& from) {
      const auto known = must(from.find_student(student, now_ms_));
      return fmt::format("{} {}", known.epoch, known.is_living ? "living" : "ended");
    };
    same("find_student", text(*model_), text(store()));
  }

  std::vector<hot_store*> stores_;
  std::unique_ptr<hot_store> model_;
  std::mt19937_64 random_;
  std::uint64_t seed_;
  std::int64_t advance_max_ms_;
  std::int64_t back_max_ms_;
  wall_ms now_ms_ = some_time_ms;
  std::map<std::pair<std::string, std::string>, std::uint32_t> next_sequence_;
  std::map<std::string, media_ms> position_;
  std::map<std::string, std::uint32_t> epochs_;
  std::map<std::string, dirty_pair> captured_model_, captured_;
  std::map<std::string, idle_pair> idle_model_, idle_;
  partition_index captured_partition_ = 0;
  std::map<std::tuple<int, int, int>, int> outcomes_;
  int failures_ = 0;
};

}  // namespace watchkeeper::storage::testing
