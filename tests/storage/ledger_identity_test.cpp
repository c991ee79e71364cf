// Which ledger it is and how far it has come, and the numbers of the outbox that follow from it.
#include "storage/ledger_identity.hpp"

#include <boost/test/unit_test.hpp>
#include <functional>
#include <type_traits>

#include "storage/migrations.hpp"
#include "tests/storage/hot_world.hpp"
#include "tests/storage/ledger_fixtures.hpp"
#include "tests/storage/ledger_sql.hpp"
#include "tests/storage/redis/redis_server.hpp"

namespace watchkeeper::test {
using namespace storage;
namespace {

pair_progress played(std::string_view who, std::string_view what, media_ms until_ms) {
  pair_progress made{pair(who, what), {}};
  made.state.life = {1, 1};
  made.state.covered = covering({{0, until_ms}});
  made.state.duration_ms = 10'000;
  return made;
}

std::vector<std::int64_t> numbers_of(ledger& of) {
  std::vector<std::int64_t> numbers;
  for (const auto& event : need(of.completions(0, 500))) numbers.push_back(event.sequence);
  return numbers;
}

void step_through(hot_store& store) {
  std::string cursor;
  do {
    auto next = store.mark_all_dirty(cursor);
    BOOST_REQUIRE(next.has_value());
    cursor = *next;
  } while (!cursor.empty());
}

}  // namespace

BOOST_AUTO_TEST_SUITE(ledger_identities)

BOOST_AUTO_TEST_CASE_TEMPLATE(every_ledger_is_another_one, Place, places) {
  const Place place, other;
  const auto one = make_migrated(place);
  const auto seen = need(one->identity());
  BOOST_TEST(seen.history != "");
  BOOST_TEST(seen.last_sequence == 0);
  BOOST_TEST((need(place.make()->identity()) == seen));
  const auto different = need(make_migrated(other)->identity());
  BOOST_TEST(may_lack(different, seen));
  BOOST_TEST(!may_lack(seen, seen));
  auto earlier = seen;
  earlier.transactions -= 1;
  BOOST_TEST(may_lack(earlier, seen));
  BOOST_TEST(!may_lack(seen, earlier));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(what_others_rely_on_is_counted, Place, places) {
  const Place place;
  const auto tested = make_migrated(place);
  const auto kid = device(1, "s").kid;
  const auto both = played("s", "m", 4'000);
  const revoked_login ended{.id = {}, .expires_ms = wall_ms{9'000}};
  const module_record record{module("m"), "M", {}, wall_ms{1}, ""};
  const std::function<void()> writes[] = {
      [&] { need(tested->put_module(record)); },
      [&] { BOOST_TEST(need(tested->judge_next(wall_ms{1}, 10)).has_value()); },
      [&] { need(tested->put_device(device(1, "s"), {})); },
      [&] {
        need(tested->checkpoint({&both, 1}, wall_ms{1}));
      },
      [&] { need(tested->put_assignment(both.key, wall_ms{1})); },
      [&] { need(tested->remove_assignment(both.key)); },
      [&] {
        need(tested->reset_progress(both.key, {},
                                    {.actor = "a", .reason = "r", .now_ms = wall_ms{2}}));
      },
      [&] { need(tested->revoke_device(kid)); },
      [&] {
        need(tested->revoke_logins({&ended, 1}, wall_ms{1}));
      },
      [&] { need(tested->remove_module(record.id)); },
      [&] { need(tested->erase_student(both.key.student, "a", "digest", wall_ms{3}, 0)); },
  };
  auto before = need(tested->identity());
  for (const auto& write : writes) {
    write();
    const auto after = need(tested->identity());
    BOOST_TEST(after.history == before.history);
    BOOST_TEST(after.transactions > before.transactions);
    before = after;
  }
  need(tested->read({&both.key, 1}));
  need(tested->revoke_logins({}, wall_ms{1}));
  BOOST_TEST((need(tested->identity()) == before));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_number_is_the_time_unless_it_came_before, Place, places) {
  const Place place;
  const auto tested = make_migrated(place);
  enrol(*tested, names(9, [](int i) { return "s" + std::to_string(i); }));
  put_modules(*tested, {"m"}, 10'000);
  const auto master = [&](std::initializer_list<int> who, std::int64_t now_ms) {
    std::vector<pair_progress> pairs;
    for (const auto i : who) pairs.push_back(played("s" + std::to_string(i), "m", 10'000));
    need(tested->checkpoint(pairs, wall_ms{now_ms}));
  };
  master({0}, 1'000);
  master({0}, 1'500);  // it has one
  master({1, 2, 3}, 2'000);
  master({4}, 2'001);
  master({5}, 500);  // the clock was set back
  const std::vector<std::int64_t> expected{1'000, 2'000, 2'001, 2'002, 2'003, 2'004};
  BOOST_TEST(numbers_of(*tested) == expected, boost::test_tools::per_element());
  BOOST_TEST(need(tested->identity()).last_sequence == 2'004);
  // That nobody can read it any more does not make it free.
  need(tested->erase_student(student("s5"), "a", "digest", wall_ms{1}, 0));
  master({6}, 500);
  BOOST_TEST(numbers_of(*tested).back() == 2'005);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(it_goes_on_above_what_was_given_out, Place, places) {
  const Place place;
  const auto tested = make_migrated(place);
  enrol(*tested, {"s"});
  put_modules(*tested, {"m"}, 10'000);
  need(tested->go_on_above(5'000, 77));
  need(tested->go_on_above(4'000, 76));
  const auto now = need(tested->identity());
  BOOST_TEST(now.last_sequence == 5'000);
  BOOST_TEST(now.highest_epoch == 77u);
  const auto mastered = played("s", "m", 10'000);
  need(tested->checkpoint({&mastered, 1}, wall_ms{1}));
  BOOST_TEST(numbers_of(*tested).back() == 5'001);
  BOOST_TEST(need(tested->put_device(device(9, "new"), {}))->epoch == 77u);
}

/// The migrations before the one that gives the ledger its identity.
template <class Place>
void migrate_to_before(const Place& place) {
  constexpr bool is_sqlite = std::is_same_v<Place, sqlite_place>;
  execute(place, is_sqlite ? "CREATE TABLE schema_migration (number INTEGER PRIMARY KEY,"
                             " name TEXT NOT NULL, applied_at INTEGER NOT NULL DEFAULT 0) STRICT"
                           : "CREATE TABLE schema_migration (number integer PRIMARY KEY,"
                             " name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())");
  for (const auto& step : is_sqlite ? sqlite_migrations() : postgres_migrations()) {
    if (step.name.ends_with("ledger_identity")) return;
    execute(place, std::string(step.sql));
    execute(place, "INSERT INTO schema_migration (number, name) VALUES (" +
                       std::to_string(step.number) + ", '" + std::string(step.name) + "')");
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(the_numbers_of_a_ledger_from_before_go_on, Place, places) {
  const Place empty;
  migrate_to_before(empty);
  BOOST_TEST(need(make_migrated(empty)->identity()).last_sequence == 0);

  const Place place;
  migrate_to_before(place);
  for (const auto* who : {"a", "b", "c"})
    execute(place, std::string("INSERT INTO completion (student_id, module_id, rule_version,"
                               " epoch, attempt, covered_ms, duration_ms, threshold_centipercent,"
                               " mastered_ms) VALUES ('") +
                       who + "', 'm', 1, 1, 1, 9600, 10000, 9500, 5)");
  execute(place, "DELETE FROM completion WHERE student_id = 'c'");
  const auto tested = make_migrated(place);
  BOOST_TEST(need(tested->identity()).last_sequence == 3);
  enrol(*tested, {"s"});
  put_modules(*tested, {"m"}, 10'000);
  const auto mastered = played("s", "m", 10'000);
  need(tested->checkpoint({&mastered, 1}, wall_ms{2}));
  const std::vector<std::int64_t> expected{1, 2, 4};
  BOOST_TEST(numbers_of(*tested) == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(the_text_of_an_identity_is_read_again) {
  const ledger_identity identity{.history = "0A1B/00000002",
                                 .transactions = INT64_MAX,
                                 .last_sequence = 1'763'812'345'000,
                                 .highest_epoch = UINT32_MAX};
  const auto text = encode(identity);
  BOOST_TEST(text == "1 0A1B/00000002 9223372036854775807 1763812345000 4294967295");
  BOOST_REQUIRE(decode_ledger_identity(text).has_value());
  BOOST_TEST((*decode_ledger_identity(text) == identity));
  for (std::size_t i = 0; i < text.size(); ++i)
    if (const auto cut = decode_ledger_identity(text.substr(0, i)))
      BOOST_TEST(cut->highest_epoch < identity.highest_epoch);
  for (const auto* wrong : {"", "2 a 1 1 1", "1  1 1 1", "1 a 1 1", "1 a 1 1 1 ", "1 a -1 1 1",
                            "1 a 1 1 4294967296", "1 a 1 x 1", "1 a 1 1 1 1"})
    BOOST_TEST(!decode_ledger_identity(wrong).has_value(), wrong);
}

/// The ledger that a hot store remembers, and the marks of more pairs than one step takes.
template <class Make>
void test_hot_store(Make make) {
  const std::unique_ptr<hot_store> store = make(), other = make();
  BOOST_TEST(!storage::testing::must(store->known_ledger()).has_value());
  ledger_identity seen{.history = "a/1", .transactions = 3, .last_sequence = 2, .highest_epoch = 1};
  storage::testing::must(store->remember_ledger(seen));
  BOOST_TEST((storage::testing::must(other->known_ledger()) == seen));
  seen.transactions = 2;
  storage::testing::must(other->remember_ledger(seen));
  BOOST_TEST((storage::testing::must(store->known_ledger()) == seen));

  constexpr std::size_t pairs = 2 * storage_limits::mark_dirty_pairs_max + 100;
  std::vector<pair_key> keys;
  for (std::size_t i = 0; i < pairs; ++i)
    keys.push_back(pair("s:" + std::to_string(i % 97), "m" + std::to_string(i / 97)));
  storage::testing::create(*store, keys);
  BOOST_TEST(storage::testing::must(store->dirty_count()) == 0u);
  step_through(*store);
  BOOST_TEST(storage::testing::must(store->dirty_count()) == pairs);
  // They are clean again once they are in the ledger, as they were.
  const auto partition = partition_of(keys[0].student);
  const auto sample = storage::testing::must(store->read_dirty(partition, 512));
  BOOST_TEST(!sample.pairs.empty());
  storage::testing::must(store->mark_clean(partition, sample.pairs));
  BOOST_TEST(storage::testing::must(store->dirty_count()) == pairs - sample.pairs.size());
}

BOOST_AUTO_TEST_CASE(redis_remembers_the_ledger) {
  storage::testing::redis_server server;
  test_hot_store([&] { return make_redis_store(server.url()); });
}

BOOST_AUTO_TEST_CASE(the_embedded_store_remembers_the_ledger) {
  const sqlite_place folder;
  const auto path = (folder.folder / "hot.db").string();
  test_hot_store([&] { return make_embedded_store(path, durability_level::log); });
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace watchkeeper::test
