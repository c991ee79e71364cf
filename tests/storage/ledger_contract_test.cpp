#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <limits>
#include <numeric>

#include "storage/limits.hpp"
#include "tests/storage/ledger_fixtures.hpp"
#include "tests/storage/ledger_model.hpp"

namespace watchkeeper::test {
using namespace storage;
namespace {

/// Random calls on the adapter and the model; every answer and, after each call, what can be read.
class random_walk {
 public:
  random_walk(ledger& tested, std::uint64_t seed) : tested_(tested), random_(seed) {}

  void step() {
    switch (random_() % 15) {
      case 0:
      case 1:
      case 2:
      case 3:
        return checkpoint();
      case 4:
        return put_module();
      case 5:
        a_module();
        BOOST_TEST(need(tested_.remove_module(last_module_)) == model_.remove_module(last_module_));
        return;
      case 6:
      case 7:
        return put_device();
      case 8: {
        const auto kid = device(number(), "x").kid;
        BOOST_TEST(need(tested_.revoke_device(kid)) == model_.revoke_device(kid));
        return;
      }
      case 9: {
        const auto key = a_pair();
        need(tested_.put_assignment(key, now_ms_));
        model_.put_assignment(key);
        return;
      }
      case 10: {
        const auto key = a_pair();
        BOOST_TEST(need(tested_.remove_assignment(key)) == model_.remove_assignment(key));
        return;
      }
      case 11:
        if (random_() % 4 == 0) {
          const auto who = a_student();
          const auto next = static_cast<std::uint32_t>(random_() % 3);
          BOOST_TEST(need(tested_.erase_student(who, "admin", "digest", now_ms_, next)) ==
                     model_.erase_student(who, now_ms_, next));
        }
        return;
      case 12:
        return reset();
      case 13:
        return judge();
      default:
        return compare();
    }
  }

  void compare() {
    compare_progress();
    compare_heatmaps();
    compare_registry();
    compare_changes();
  }

 private:
  std::uint8_t number() { return static_cast<std::uint8_t>(random_() % 6); }
  student_id a_student() { return student("s" + std::to_string(number())); }
  module_id a_module() { return last_module_ = module("m:" + std::to_string(number())); }
  pair_key a_pair() { return {a_student(), a_module()}; }

  void checkpoint() {
    now_ms_ += 1'000;
    std::map<ledger_model::key, pair_progress> batch;
    for (auto left = 1 + random_() % 6; left > 0; --left) {
      const auto key = a_pair();
      batch[ledger_model::key_of(key)] = {key, any_progress(key)};
    }
    std::vector<pair_progress> given;
    for (const auto& [key, one] : batch) given.push_back(one);
    std::shuffle(given.begin(), given.end(), random_);
    const auto states = need(tested_.checkpoint(given, now_ms_));
    const auto expected = model_.checkpoint(given, now_ms_);
    BOOST_TEST(states == expected, boost::test_tools::per_element());
    compare_completions();
  }

  /// Mostly of the life that the model has.
  progress any_progress(const pair_key& key) {
    auto state = random_progress(random_, 12'000);
    if (const auto found = model_.students.find(std::string(key.student.view()));
        found != model_.students.end())
      state.life.epoch = found->second.epoch;
    if (const auto found = model_.pairs.find(ledger_model::key_of(key));
        found != model_.pairs.end())
      state.life.attempt = found->second.life.attempt;
    if (random_() % 16 == 0) state.life.epoch += 1;
    if (random_() % 16 == 0 && state.life.epoch > 0) state.life.epoch -= 1;
    if (random_() % 16 == 0) state.life.attempt += 1;
    if (random_() % 16 == 0 && state.life.attempt > 1) state.life.attempt -= 1;
    if (random_() % 8 == 0) state.begins_ms = now_ms_;
    return state;
  }

  void reset() {
    const auto key = a_pair();
    std::optional<progress> known;
    if (random_() % 2 == 0) known = any_progress(key);
    const auto begun =
        need(tested_.reset_progress(key, known, {.actor = "a", .reason = "r", .now_ms = now_ms_}));
    const auto expected = model_.reset_progress(key, known, now_ms_);
    BOOST_REQUIRE(begun.has_value() == expected.has_value());
    if (begun) BOOST_TEST(*begun == *expected);
  }

  void put_module() {
    module_record record{a_module(), "Title \"\\'{},\xc3\xa9 NULL", {}, now_ms_};
    record.rules.duration_ms = 8'000 + static_cast<media_ms>(random_() % 3) * 4'000;
    record.rules.mastery_centipercent = 5'000 + static_cast<std::int32_t>(random_() % 5'001);
    if (random_() % 2 == 0) record.preview_url = "https://video.example/a'b?c=1";
    // What somebody else has changed meanwhile is not replaced.
    std::optional<module_record> replaces;
    if (random_() % 3 == 0) replaces = need(tested_.get_module(record.id));
    if (replaces && random_() % 3 == 0) replaces->title += "!";
    const auto known = model_.modules.find(std::string(record.id.view()));
    const bool is_refused =
        replaces && (known == model_.modules.end() || known->second != *replaces);
    const auto put = need(tested_.put_module(record, replaces ? &*replaces : nullptr));
    BOOST_REQUIRE(put.has_value() == !is_refused);
    if (!put) return;
    const auto expected = model_.put_module(record);
    BOOST_TEST(put->module == expected.module);
    BOOST_TEST(put->is_new == expected.is_new);
  }

  void judge() {
    now_ms_ += 1'000;
    const auto pairs_max = 1 + random_() % 4;
    const auto step = need(tested_.judge_next(now_ms_, pairs_max));
    const auto expected = model_.judge_next(now_ms_, pairs_max);
    BOOST_REQUIRE(step.has_value() == expected.has_value());
    if (step) {
      BOOST_TEST(step->module == expected->module);
      BOOST_REQUIRE(step->mastered.size() == expected->mastered.size());
      for (std::size_t i = 0; i < step->mastered.size(); ++i) {
        BOOST_TEST(step->mastered[i].key == expected->mastered[i].key);
        BOOST_TEST(step->mastered[i].state == expected->mastered[i].state);
      }
    }
    BOOST_TEST((need(tested_.judgings(100)) == model_.unfinished()));
    compare_completions();
  }

  void put_device() {
    const auto n = number();
    auto record = device(n, a_student().view(), n % 2 == 0);
    record.created_ms += static_cast<std::int64_t>(random_() % 3);
    enrolment at;
    if (random_() % 8 == 0)
      at.in_hot_store = {static_cast<std::uint32_t>(model_.highest_epoch + random_() % 2),
                         random_() % 2 == 0};
    if (random_() % 8 == 0) at.now_ms = wall_ms{1'000 * (model_.highest_epoch + 1)};
    const auto life = need(tested_.put_device(record, at));
    const auto expected = model_.put_device(record, at);
    BOOST_REQUIRE(life.has_value() == expected.has_value());
    if (!life) return;
    BOOST_TEST(life->epoch == expected->epoch);
    BOOST_TEST(life->begins_ms == expected->begins_ms);
  }

  /// What is new in the outbox since the last look is what the model has more.
  void compare_completions() {
    const auto fresh = need(tested_.completions(outbox_read_, 500));
    for (auto event : fresh) {
      BOOST_TEST(event.sequence > outbox_read_);
      outbox_read_ = event.sequence;
      const auto expected = model_.completions.find(
          {ledger_model::key_of({event.student, event.module}), event.life});
      BOOST_REQUIRE(expected != model_.completions.end());
      event.sequence = expected->second.sequence;  // any order within a checkpoint
      BOOST_TEST(event == expected->second);
    }
    const auto all = need(tested_.completions(0, 500));
    BOOST_TEST(all.size() == model_.completions.size());
    for (unsigned n = 0; n < 6; ++n) {
      const completion_filter wanted{pair("s" + std::to_string(n), "m:0").student,
                                     n % 2 == 0 ? module_id{} : pair("s0", "m:1").module};
      auto expected = all;
      std::erase_if(expected, [&](const auto& event) {
        return event.student != wanted.student ||
               (!wanted.module.empty() && event.module != wanted.module);
      });
      BOOST_TEST(need(tested_.completions(0, 500, wanted)) == expected);
    }
    compare_newest(all);
    compare_summaries();
  }

  /// The same from the other end, in pages that do not divide it.
  void compare_newest(const std::vector<completion>& all) {
    std::vector<completion> found;
    for (auto before = std::numeric_limits<std::int64_t>::max();;) {
      const auto page = need(tested_.newest_completions(before, 7));
      if (page.empty()) break;
      before = page.back().sequence;
      found.insert(found.end(), page.begin(), page.end());
    }
    BOOST_TEST((found == std::vector(all.rbegin(), all.rend())));
    if (all.empty()) return;
    auto expected = all;
    std::erase_if(expected, [&](const auto& event) { return event.student != all[0].student; });
    std::reverse(expected.begin(), expected.end());
    BOOST_TEST(need(tested_.newest_completions(all.back().sequence + 1, 500,
                                               {.student = all[0].student})) == expected);
  }

  void compare_summaries() {
    std::map<std::string, module_summary> expected;
    std::map<std::string, std::int64_t> centipercent;
    for (const auto& [key, state] : model_.pairs) {
      const auto name = key.second;
      auto& summary = expected[name];
      summary.module = *module_id::parse(name);
      ++summary.students;
      if (state.mastered_ms != never) ++summary.mastered;
      const auto known_ms = model_.duration_of(name);
      const auto duration_ms = known_ms > 0 ? known_ms : state.duration_ms;
      centipercent[name] +=
          completion_centipercent(state.covered.measured(duration_ms).covered_ms(), duration_ms);
    }
    const auto found = need(tested_.summarize_modules());
    BOOST_REQUIRE(found.size() == expected.size());
    auto next = expected.begin();
    for (const auto& summary : found) {
      auto& [name, wanted] = *next++;
      wanted.average_centipercent = static_cast<std::int32_t>(centipercent[name] / wanted.students);
      BOOST_TEST(summary == wanted, name);
    }
  }

  void compare_progress() {
    std::vector<pair_key> keys;
    for (unsigned s = 0; s < 6; ++s)
      for (unsigned m = 0; m < 6; ++m)
        keys.push_back(pair("s" + std::to_string(s), "m:" + std::to_string(m)));
    keys.push_back(keys.front());
    const auto states = need(tested_.read(keys));
    BOOST_REQUIRE(states.size() == keys.size());
    for (std::size_t i = 0; i < keys.size(); ++i) {
      const auto expected = model_.pairs.find(ledger_model::key_of(keys[i]));
      BOOST_TEST(states[i].has_value() == (expected != model_.pairs.end()));
      if (states[i] && expected != model_.pairs.end()) BOOST_TEST(*states[i] == expected->second);
    }

    const auto who = a_student();
    std::vector<std::pair<std::string, progress>> listed;
    std::string cursor;
    for (bool more = true; more;) {
      const auto limit = 1 + random_() % 4;
      auto part = need(tested_.progress_of_student(who, cursor, limit));
      BOOST_TEST(part.items.size() <= limit);
      for (auto& item : part.items) {
        BOOST_TEST(item.key.student == who);
        BOOST_TEST(item.duration_ms == model_.duration_of(std::string(item.key.module.view())));
        listed.emplace_back(item.key.module.view(), item.state);
      }
      more = part.next.has_value();
      if (more) cursor = *part.next;
    }
    std::vector<std::pair<std::string, progress>> expected;
    for (const auto& [key, state] : model_.pairs)
      if (key.first == who.view()) expected.emplace_back(key.second, state);
    BOOST_TEST(listed == expected);

    a_module();
    const auto of_module = need(tested_.progress_of_module(last_module_, "s2", 500));
    std::size_t after_s2 = 0;
    for (const auto& [key, state] : model_.pairs)
      after_s2 += key.second == last_module_.view() && key.first > "s2" ? 1 : 0;
    BOOST_TEST(of_module.items.size() == after_s2);
    BOOST_TEST(!of_module.next.has_value());
  }

  /// The bins are what the coverages of the model give, one millisecond after the other.
  void compare_heatmaps() {
    const auto id = a_module();
    const auto found = need(tested_.heatmap_of(id));
    const auto layout = found ? found->bins.layout : heatmap_layout{};
    bin_sums expected(layout.bins);
    std::size_t students = 0;
    for (const auto& [key, state] : model_.pairs) {
      if (key.second != id.view()) continue;
      ++students;
      for (const auto& piece : state.covered.pieces())
        for (auto at = piece.from_ms; at < piece.to_ms; ++at) {
          BOOST_REQUIRE(found.has_value());
          if (at < layout.duration_ms) ++expected[layout.bin_at(at)];
        }
    }
    if (!found) return;
    BOOST_TEST(found->students == students);
    BOOST_TEST(found->bins.viewer_ms == expected, boost::test_tools::per_element());
  }

  void compare_registry() {
    const auto id = a_module();
    const auto record = need(tested_.get_module(id));
    const auto known = model_.modules.find(std::string(id.view()));
    BOOST_TEST(record.has_value() == (known != model_.modules.end()));
    if (record && known != model_.modules.end()) BOOST_TEST(*record == known->second);

    std::vector<module_record> modules;
    for (std::optional<std::string> cursor{""}; cursor;) {
      auto part = need(tested_.list_modules(*cursor, 2));
      modules.insert(modules.end(), part.items.begin(), part.items.end());
      cursor = part.next;
    }
    BOOST_TEST(modules.size() == model_.modules.size());
    auto expected = model_.modules.begin();
    for (const auto& one : modules) BOOST_TEST(one == (expected++)->second);

    std::vector<thumbprint> kids;
    for (std::uint8_t n = 0; n < 7; ++n) kids.push_back(device(n, "x").kid);
    kids.push_back(kids[2]);
    const auto devices = need(tested_.get_devices(kids));
    BOOST_REQUIRE(devices.size() == kids.size());
    for (std::size_t i = 0; i < kids.size(); ++i) {
      const auto found = model_.devices.find(kids[i]);
      BOOST_TEST(devices[i].has_value() == (found != model_.devices.end()));
      if (devices[i] && found != model_.devices.end())
        BOOST_TEST(*devices[i] == model_.with_epoch(found->second));
    }
    const auto who = a_student();
    BOOST_TEST(need(tested_.devices_of(who)) == model_.devices_of(who));

    const auto key = a_pair();
    BOOST_TEST(need(tested_.is_assigned(key)) ==
               model_.assignments.contains(ledger_model::key_of(key)));
  }

  void compare_changes() {
    for (auto part = need(tested_.changes(changes_read_, 3)); !part.empty();
         part = need(tested_.changes(changes_read_, 3)))
      for (const auto& change : part) {
        BOOST_TEST(change.sequence > changes_read_);
        changes_read_ = change.sequence;
        BOOST_REQUIRE(changes_seen_ < model_.changes.size());
        const auto& [what, key] = model_.changes[changes_seen_++];
        BOOST_TEST(change.what == what);
        BOOST_TEST(change.key == key);
      }
    BOOST_TEST(changes_seen_ == model_.changes.size());
    const auto identity = need(tested_.identity());
    BOOST_TEST(identity.highest_epoch == model_.highest_epoch);
    BOOST_TEST(identity.last_sequence >= outbox_read_);
    BOOST_TEST(identity.transactions >= transactions_);
    transactions_ = identity.transactions;
  }

  std::int64_t transactions_ = 0;
  ledger& tested_;
  ledger_model model_;
  std::mt19937_64 random_;
  wall_ms now_ms_{1'700'000'100'000};
  module_id last_module_;
  std::int64_t outbox_read_ = 0;
  std::int64_t changes_read_ = 0;
  std::size_t changes_seen_ = 0;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(ledger_contract)

BOOST_AUTO_TEST_CASE_TEMPLATE(any_sequence_of_calls_equals_the_model, Place, places) {
  const auto seed = ledger_seed();
  BOOST_TEST_CONTEXT(Place::name << ", replay: WATCHKEEPER_SEED=" << seed) {
    for (std::uint64_t round = 0; round < 3; ++round) {
      const Place place;
      const auto tested = make_migrated(place);
      random_walk walk(*tested, seed + round);
      for (int i = 0; i < 120; ++i) walk.step();
      walk.compare();
    }
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_full_batch_comes_back_in_its_order, Place, places) {
  const Place place;
  const auto tested = make_migrated(place);
  enrol(*tested, names(1'000, [](int i) { return "s" + std::to_string(i); }));
  std::mt19937_64 random(ledger_seed());
  std::vector<pair_progress> batch;
  for (std::size_t i = 0; i < storage_limits::checkpoint_batch_pairs_max; ++i)
    batch.push_back({pair("s" + std::to_string(i * 7919 % 1000), "m" + std::to_string(i)),
                     random_progress(random, 1'000'000)});
  for (auto& one : batch) one.state.mastered_ms = never;
  auto states = need(tested->checkpoint(batch, wall_ms{5}));
  for (std::size_t i = 0; i < batch.size(); ++i) BOOST_TEST(states[i] == batch[i].state);
  states = need(tested->checkpoint(batch, wall_ms{6}));
  for (std::size_t i = 0; i < batch.size(); ++i) BOOST_TEST(states[i] == batch[i].state);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_union_keeps_the_longest_pieces, Place, places) {
  const Place place;
  const auto tested = make_migrated(place);
  need(tested->put_module({module("m"), "M", {.duration_ms = 4'000'000}, wall_ms{1}}));
  enrol(*tested, {"s"});
  auto even = blank_progress({.epoch = 1, .begins_ms = {}}), odd = even;
  for (media_ms i = 0; i < static_cast<media_ms>(limits::coverage_intervals_max); ++i) {
    even.covered.add({i * 2'000, i * 2'000 + 500});
    odd.covered.add({i * 2'000 + 1'000, i * 2'000 + 1'000 + (i % 2 == 0 ? 400 : 600)});
  }
  even.duration_ms = odd.duration_ms = 4'000'000;
  const auto key = pair("s", "m");
  need(tested->checkpoint(std::vector<pair_progress>{{key, even}}, wall_ms{1}));
  auto states = need(tested->checkpoint(std::vector<pair_progress>{{key, odd}}, wall_ms{2}));
  auto united = even;
  merge(united, odd);
  BOOST_TEST(united.covered.pieces().size() == limits::coverage_intervals_max);
  BOOST_TEST(states[0] == united);
  BOOST_TEST(need(tested->read(std::vector<pair_key>{key}))[0] == united);
  // The viewers are those of what is left.
  const auto map = need(tested->heatmap_of(module("m")));
  const auto& viewers = map->bins.viewer_ms;
  BOOST_TEST(std::accumulate(viewers.begin(), viewers.end(), std::uint64_t{0}) ==
             static_cast<std::uint64_t>(united.covered.covered_ms()));
  // Again, from either side: nothing more is lost.
  for (const auto& copy : {even, odd, united})
    BOOST_TEST(need(tested->checkpoint(std::vector<pair_progress>{{key, copy}}, wall_ms{3}))[0] ==
               united);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(strange_arguments_are_harmless, Place, places) {
  const Place place;
  const auto tested = make_migrated(place);
  enrol(*tested, {"NULL"});
  need(tested->checkpoint(
      std::vector<pair_progress>{{pair("NULL", "null"), {.life = {1, 1}, .begins_ms = {}}}},
      wall_ms{1}));
  BOOST_TEST(need(tested->read(std::vector<pair_key>{pair("NULL", "null")}))[0].has_value());
  BOOST_TEST(need(tested->read({})).empty());
  BOOST_TEST(need(tested->checkpoint({}, wall_ms{1})).empty());
  BOOST_TEST(need(tested->get_devices({})).empty());
  for (const std::string_view cursor : {"\xff", "a b", "' OR 1=1 --", "{", "%"}) {
    BOOST_TEST(need(tested->progress_of_student(student("NULL"), cursor, 10)).items.empty());
    BOOST_TEST(need(tested->progress_of_module(module("null"), cursor, 10)).items.empty());
    BOOST_TEST(need(tested->list_modules(cursor, 10)).items.empty());
  }
  BOOST_TEST(need(tested->progress_of_student(student("NULL"), "", 0)).items.size() == 1u);
  BOOST_TEST(need(tested->progress_of_student(student("NULL"), "", 1'000'000)).items.size() == 1u);
  BOOST_TEST(!need(tested->revoke_device(device(9, "x").kid)));
  BOOST_TEST(!need(tested->health()).empty());
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_pair_in_very_many_pieces_counts_like_any_other, Place, places) {
  const Place place;
  const auto tested = make_migrated(place);
  enrol(*tested, {"s"});
  for (const media_ms from_ms : {0, 1'000'000}) {
    pair_progress part{pair("s", "m"), {.life = {1, 1}, .duration_ms = 2'000'000}};
    for (int i = 0; i < 700; ++i)
      part.state.covered.add({from_ms + i * 1'000, from_ms + i * 1'000 + 500});
    need(tested->checkpoint(std::vector{part}, wall_ms{1}));
  }
  const auto found = need(tested->summarize_modules());
  BOOST_REQUIRE(found.size() == 1u);
  BOOST_TEST(found[0].students == 1);
  BOOST_TEST(found[0].average_centipercent == 2'560);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace watchkeeper::test
