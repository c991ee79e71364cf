#include <barrier>
#include <boost/test/unit_test.hpp>
#include <thread>

#include "tests/storage/ledger_fixtures.hpp"
#include "tests/storage/ledger_model.hpp"

namespace watchkeeper::test {
using namespace storage;
namespace {

constexpr int rounds = 30;
constexpr std::size_t pairs = 40;
constexpr media_ms duration_ms = 60'000;

/// What one gateway has credited when it checkpoints for the `round`-th time: each gateway sees
/// another half of the playback.
std::vector<pair_progress> batch_of(int gateway, int round, std::mt19937_64& random) {
  std::vector<pair_progress> batch;
  for (std::size_t i = 0; i < pairs; ++i) {
    auto state = blank_progress({.epoch = 1, .begins_ms = {}});
    for (int piece = gateway; piece <= 2 * round; piece += 2)
      state.covered.add({piece * 1'000, (piece + 1) * 1'000});
    state.duration_ms = duration_ms;
    state.updated_ms = wall_ms{round};
    batch.push_back({pair("s" + std::to_string(i), "m" + std::to_string(i % 3)), state});
  }
  std::shuffle(batch.begin(), batch.end(), random);  // each in an order of its own
  return batch;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(ledger_concurrency)

BOOST_AUTO_TEST_CASE_TEMPLATE(two_gateways_checkpoint_the_same_pairs, Place, places) {
  const Place place;
  const auto migrated = make_migrated(place);
  enrol(*migrated, names(int{pairs}, [](int i) { return "s" + std::to_string(i); }));
  put_modules(*migrated, {"m0", "m1", "m2"}, (2 * rounds - 1) * 1'000);
  const auto seed = ledger_seed();
  std::barrier together(2);
  std::vector<std::string> failures[2];

  const auto gateway = [&](int number) {
    const auto own = place.make();
    std::mt19937_64 random(seed + static_cast<unsigned>(number));
    for (int round = 1; round < rounds; ++round) {
      together.arrive_and_wait();
      const auto states = own->checkpoint(batch_of(number, round, random), wall_ms{1'000 + round});
      if (!states) failures[number].push_back(states.error().detail);
    }
  };
  {
    std::jthread first(gateway, 0);
    std::jthread second(gateway, 1);
  }
  BOOST_TEST(failures[0].empty(), (failures[0].empty() ? "" : failures[0][0]));
  BOOST_TEST(failures[1].empty(), (failures[1].empty() ? "" : failures[1][0]));

  const auto reader = place.make();
  for (std::size_t i = 0; i < pairs; ++i) {
    const auto key = pair("s" + std::to_string(i), "m" + std::to_string(i % 3));
    const auto state = need(reader->read(std::vector<pair_key>{key}))[0];
    BOOST_REQUIRE(state.has_value());
    BOOST_TEST(state->covered == covering({{0, (2 * rounds - 1) * 1'000}}));
    BOOST_TEST(state->mastered_ms >= wall_ms{1'000});
  }
  const auto events = need(reader->completions(0, 500));
  std::set<ledger_model::key> distinct;
  for (const auto& event : events)
    distinct.insert(ledger_model::key_of({event.student, event.module}));
  BOOST_TEST(events.size() == pairs);
  BOOST_TEST(distinct.size() == pairs);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_reader_of_the_outbox_misses_nothing, Place, places) {
  const Place place;
  const auto migrated = make_migrated(place);
  constexpr int writers = 3;
  constexpr int each = 60;
  for (int number = 0; number < writers; ++number)
    enrol(*migrated, names(each, [&](int i) {
      return "s" + std::to_string(number) + "-" + std::to_string(i);
    }));
  put_modules(*migrated, {"m"}, 1'000);
  std::atomic<int> writing{writers};
  std::atomic<int> failed{0};

  const auto write = [&](int number) {
    const auto own = place.make();
    for (int i = 0; i < each; ++i) {
      const auto id = "s" + std::to_string(number) + "-" + std::to_string(i);
      const progress state{.life = {1, 1}, .covered = covering({{0, 1'000}}), .duration_ms = 1'000};
      if (!own->checkpoint(std::vector<pair_progress>{{pair(id, "m"), state}}, wall_ms{5}))
        ++failed;
      if (!own->put_assignment(pair(id, "m"), wall_ms{5})) ++failed;
    }
    --writing;
  };
  const auto first_change = newest_change(*migrated);
  std::vector<std::jthread> threads;
  for (int i = 0; i < writers; ++i) threads.emplace_back(write, i);

  // Goes on from the last number it saw, as the dispatcher does: a number that appeared below it
  // later would be lost, and the sum too small.
  const auto reader = place.make();
  std::int64_t outbox = 0, change = first_change;
  int completions = 0, changes = 0;
  for (bool last = false; !last;) {
    last = writing == 0;
    for (const auto& event : need(reader->completions(outbox, 7))) {
      outbox = event.sequence;
      ++completions;
      last = false;
    }
    for (const auto& one : need(reader->changes(change, 7))) {
      change = one.sequence;
      ++changes;
      last = false;
    }
  }
  BOOST_TEST(failed == 0);
  BOOST_TEST(completions == writers * each);
  BOOST_TEST(changes == writers * each);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(an_erasure_and_checkpoints_at_once_leave_nothing, Place, places) {
  const Place place;
  const auto migrated = make_migrated(place);
  for (int round = 0; round < 20; ++round) {
    const auto who = "s" + std::to_string(round);
    enrol(*migrated, {who});
    std::vector<pair_progress> batch;
    for (int m = 0; m < 8; ++m)
      batch.push_back({pair(who, "m" + std::to_string(m)),
                       {.life = {1, 1}, .covered = covering({{0, 1'000}}), .duration_ms = 1'000}});
    std::barrier together(2);
    std::atomic<int> failed{0};
    {
      std::jthread checkpoints([&] {
        const auto own = place.make();
        together.arrive_and_wait();
        for (int i = 0; i < 4; ++i)
          if (!own->checkpoint(batch, wall_ms{7})) ++failed;
      });
      std::jthread erasure([&] {
        const auto own = place.make();
        together.arrive_and_wait();
        if (!own->erase_student(student(who), "admin", "00", wall_ms{8}, 0)) ++failed;
      });
    }
    BOOST_TEST(failed == 0);
    const auto reader = place.make();
    BOOST_TEST(need(reader->progress_of_student(student(who), "", 10)).items.empty());
    BOOST_TEST(need(reader->completions(0, 10)).empty());
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace watchkeeper::test
