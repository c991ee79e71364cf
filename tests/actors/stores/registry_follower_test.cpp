// What becomes of the copies of the registry when something changes, and when the ledger goes away.
#include "actors/stores/registry_follower.hpp"

#include <boost/test/unit_test.hpp>
#include <map>

#include "tests/actors/simulation/simulated_ledger.hpp"
#include "tests/actors/support.hpp"

using namespace watchkeeper;
using namespace watchkeeper::actors;
using namespace watchkeeper::actors::testing;

namespace {

/// A ledger of a registry and its changes.
class changing_ledger final : public simulated_ledger {
 public:
  using simulated_ledger::simulated_ledger;
  storage::stored<std::vector<storage::registry_change>> changes(std::int64_t after,
                                                                 std::size_t limit) override {
    if (is_away) return away();
    std::vector<storage::registry_change> found;
    for (const auto& change : log)
      if (change.sequence > after && found.size() < limit) found.push_back(change);
    if (goes_away_behind_changes) is_away = true;
    return found;
  }
  storage::stored<std::vector<std::optional<device_record>>> get_devices(
      std::span<const thumbprint> kids) override {
    if (is_away) return away();
    ++questions;
    if (is_unreadable)
      return storage::storage_failure{storage::storage_error::corrupt,
                                      "a row is not of the format"};
    std::vector<std::optional<device_record>> found;
    for (const auto& kid : kids) {
      const auto row = devices.find(kid);
      found.push_back(row == devices.end() ? std::nullopt : std::optional(row->second));
    }
    if (meanwhile) meanwhile();
    return found;
  }
  storage::stored<std::optional<module_record>> get_module(const module_id& id) override {
    if (is_away) return away();
    ++questions;
    const auto row = modules.find(id);
    return row == modules.end() ? std::optional<module_record>{} : row->second;
  }
  storage::stored<bool> is_assigned(const pair_key& pair) override {
    if (is_away) return away();
    ++questions;
    return assigned.contains(pair);
  }

  storage::stored<std::vector<storage::erased_student>> erased_students() override {
    if (is_away) return away();
    return simulated_ledger::erased_students();
  }
  storage::stored<std::vector<storage::recorded_pair>> look_up(
      std::span<const pair_key> keys) override {
    if (is_away) return away();
    return simulated_ledger::look_up(keys);
  }
  void changed(storage::registry_change::kind what, std::string key) {
    log.push_back({static_cast<std::int64_t>(log.size()) + 1, what, std::move(key)});
  }
  void put(const device_record& device) {
    devices[device.kid] = device;
    changed(storage::registry_change::kind::device, device.kid.text());
  }
  void put(const module_record& module) {
    modules[module.id] = module;
    changed(storage::registry_change::kind::module, std::string(module.id.view()));
  }

  std::vector<storage::registry_change> log;
  std::map<thumbprint, device_record> devices;
  std::map<module_id, module_record> modules;
  std::map<pair_key, bool> assigned;
  std::function<void()> meanwhile;  // after a device was read, before it is taken
  bool is_away = false;
  bool is_unreadable = false;  // devices
  bool goes_away_behind_changes = false;
  int questions = 0;

 private:
  static storage::storage_failure away() { return {storage::storage_error::unavailable, "away"}; }
};

struct following {
  following() {
    module.id = module_named("m1");
    module.rules.duration_ms = 600'000;
    ledger.put(module);
    device = made_device(1);
    ledger.put(device);
    BOOST_REQUIRE(follower.follow().has_value());
    cache();
  }
  static device_record made_device(int number) {
    device_record made;
    made.kid.bytes[0] = static_cast<std::uint8_t>(number);
    made.kid.bytes[1] = static_cast<std::uint8_t>(number >> 8);
    made.student = student(number);
    return made;
  }
  /// The ledger has the second attempt of the student's pair.
  void begun_anew(int who) {
    auto& state = shared.pairs[test::ledger_model::key_of({student(who), module_named("m1")})];
    state = blank();
    state.life.attempt = 2;
  }
  /// As the reader does for a heartbeat.
  void cache() {
    registry_cache.put_module(module.id, ledger.modules[module.id],
                              registry_cache.generation(module.id), clock.monotonic_now());
    cache(device);
  }
  void cache(const device_record& which) {
    registry_cache.put_device(which.kid, ledger.devices[which.kid],
                              registry_cache.generation(which.kid), clock.monotonic_now());
  }
  registry::devices_cache::lookup cached_device() const {
    return registry_cache.find_device(device.kid, clock.monotonic_now());
  }
  registry::modules_cache::lookup cached_module() const {
    return registry_cache.find_module(module.id, clock.monotonic_now());
  }

  test::manual_clock clock;
  test::ledger_model shared{.has_everybody = true};
  store_weather fine;
  store_link link;
  fate never;
  std::mt19937_64 random{1};
  weather_plan plan{fine, link, never, random};
  changing_ledger ledger{shared, plan, never};
  registry registry_cache;
  std::vector<student_id> erased;
  std::vector<std::uint32_t> next_epochs;  // of `erased`
  std::vector<pair_key> reset;
  int room = 1000;  // for erasures
  ledger_memory memory;
  std::vector<storage::erased_student> logged;
  bool log_is_full = false;
  registry_follower follower{
      {.ledger = ledger,
       .registry_cache = registry_cache,
       .time = clock,
       .student_erased =
           [this](const storage::erased_student& who) {
             if (room == 0) return false;
             --room;
             erased.push_back(who.student);
             next_epochs.push_back(who.next_epoch);
             return true;
           },
       .progress_reset =
           [this](const storage::pair_progress& begun) {
             if (room == 0) return false;
             --room;
             reset.push_back(begun.key);
             BOOST_TEST(begun.state.life.attempt == 2u);
             return true;
           },
       .erased = [this](std::span<const storage::erased_student> all) -> storage::stored<ok_t> {
         if (log_is_full)
           return storage::storage_failure{storage::storage_error::unavailable, "full"};
         logged.assign(all.begin(), all.end());
         return ok;
       },
       .memory = &memory}};
  module_record module;
  device_record device;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(registry_following)

BOOST_AUTO_TEST_CASE(what_is_in_use_is_renewed) {
  following f;
  f.device.revoked = true;
  f.ledger.put(f.device);
  f.module.rules.duration_ms = 300'000;
  f.ledger.put(f.module);
  BOOST_TEST(f.follower.follow().has_value());
  BOOST_REQUIRE(f.cached_device().entry);
  BOOST_TEST(f.cached_device().entry->record.revoked);
  BOOST_REQUIRE(f.cached_module().entry);
  BOOST_TEST(f.cached_module().entry->rules.duration_ms == 300'000);
}

BOOST_AUTO_TEST_CASE(a_deleted_record_is_cached_as_absent) {
  following f;
  f.ledger.modules.clear();
  f.ledger.changed(storage::registry_change::kind::module, "m1");
  BOOST_TEST(f.follower.follow().has_value());
  BOOST_TEST(f.cached_module().is_cached);
  BOOST_TEST(!f.cached_module().entry);
}

BOOST_AUTO_TEST_CASE(what_is_not_in_use_is_not_read) {
  following f;
  for (int i = 2; i < 700; ++i) f.ledger.put(following::made_device(i));
  BOOST_TEST(f.follower.follow().has_value());
  BOOST_TEST(f.ledger.questions == 0);
}

BOOST_AUTO_TEST_CASE(many_devices_in_use_are_read_together_and_all_renewed) {
  following f;
  constexpr int count = 1200;  // several in each stripe of the registry, and more than a question
  for (int i = 1; i <= count; ++i) {
    f.ledger.devices[following::made_device(i).kid] = following::made_device(i);
    f.cache(following::made_device(i));
  }
  for (int i = 1; i <= count; ++i) {
    auto changed = following::made_device(i);
    changed.revoked = true;
    f.ledger.put(changed);
  }
  BOOST_TEST(f.follower.follow().has_value());
  BOOST_TEST(f.ledger.questions == 3);
  int renewed = 0;
  for (int i = 1; i <= count; ++i) {
    const auto entry =
        f.registry_cache.find_device(following::made_device(i).kid, f.clock.monotonic_now()).entry;
    renewed += entry && entry->record.revoked ? 1 : 0;
  }
  BOOST_TEST(renewed == count);
}

BOOST_AUTO_TEST_CASE(a_ledger_that_goes_away_behind_its_changes_takes_nothing_with_it) {
  following f;
  f.ledger.put(f.device);
  f.ledger.put(f.module);
  f.ledger.goes_away_behind_changes = true;
  BOOST_TEST(!f.follower.follow().has_value());
  BOOST_TEST(f.cached_device().entry);
  BOOST_TEST(f.cached_module().entry);
  // It is back: now the change is heard.
  f.ledger.goes_away_behind_changes = f.ledger.is_away = false;
  f.ledger.devices[f.device.kid].revoked = true;
  BOOST_TEST(f.follower.follow().has_value());
  BOOST_REQUIRE(f.cached_device().entry);
  BOOST_TEST(f.cached_device().entry->record.revoked);
}

BOOST_AUTO_TEST_CASE(what_cannot_be_read_holds_up_no_other_change) {
  following f;
  f.ledger.put(f.device);
  f.module.rules.duration_ms = 300'000;
  f.ledger.put(f.module);
  f.ledger.is_unreadable = true;
  BOOST_TEST(f.follower.follow().has_value());
  BOOST_TEST(!f.cached_device().is_cached);
  BOOST_REQUIRE(f.cached_module().entry);
  BOOST_TEST(f.cached_module().entry->rules.duration_ms == 300'000);
}

BOOST_AUTO_TEST_CASE(a_ledger_that_stays_away_leaves_the_copies_until_it_is_back) {
  following f;
  f.ledger.is_away = true;
  for (int i = 0; i < 200; ++i) {
    f.clock.advance(60'000);
    BOOST_TEST(!f.follower.follow().has_value());
  }
  BOOST_TEST(f.cached_device().entry);
  BOOST_TEST(f.cached_module().entry);
  // Changes may have been missed meanwhile: nothing that was read before is trusted.
  f.ledger.is_away = false;
  BOOST_TEST(f.follower.follow().has_value());
  BOOST_TEST(!f.cached_device().is_cached);
  BOOST_TEST(!f.cached_module().is_cached);
  f.cache();
  BOOST_TEST(f.follower.follow().has_value());
  BOOST_TEST(f.cached_device().entry);
}

BOOST_AUTO_TEST_CASE(a_read_from_before_the_change_does_not_come_back) {
  following f;
  const auto generation = f.registry_cache.generation(f.device.kid);
  const auto old = f.device;
  f.device.revoked = true;
  f.ledger.put(f.device);
  BOOST_TEST(f.follower.follow().has_value());
  f.registry_cache.put_device(old.kid, old, generation,
                              f.clock.monotonic_now());  // a reader that was slow
  BOOST_REQUIRE(f.cached_device().entry);
  BOOST_TEST(f.cached_device().entry->record.revoked);
}

BOOST_AUTO_TEST_CASE(what_another_put_in_its_place_meanwhile_is_read_again) {
  following f;
  f.ledger.put(f.device);
  f.ledger.meanwhile = [&] {
    f.ledger.meanwhile = {};
    f.registry_cache.forget_device(f.device.kid);
    f.cache(f.device);
  };
  BOOST_TEST(f.follower.follow().has_value());
  BOOST_TEST(!f.cached_device().is_cached);
}

BOOST_AUTO_TEST_CASE(an_erasure_is_done_once_though_the_ledger_fails_behind_it) {
  following f;
  const auto other = following::made_device(2);
  f.ledger.devices[other.kid] = other;
  f.cache(other);
  f.ledger.changed(storage::registry_change::kind::student_erased, "student-1");
  f.ledger.put(other);
  f.ledger.goes_away_behind_changes = true;
  BOOST_TEST(!f.follower.follow().has_value());
  BOOST_TEST(!f.cached_device().is_cached);
  f.ledger.goes_away_behind_changes = f.ledger.is_away = false;
  BOOST_TEST(f.follower.follow().has_value());
  BOOST_TEST((f.erased == std::vector<student_id>{student(1)}));
}

BOOST_AUTO_TEST_CASE(erasures_that_have_to_wait_are_done_later_in_order_and_once) {
  following f;
  for (const auto* who : {"student-3", "student-4", "student-1", "student-5"})
    f.ledger.changed(storage::registry_change::kind::student_erased, who);
  f.room = 2;
  BOOST_TEST(f.follower.follow().has_value());
  BOOST_TEST((f.erased == std::vector<student_id>{student(3), student(4)}));
  BOOST_TEST(f.follower.follow().has_value());
  BOOST_TEST(f.erased.size() == 2u);
  f.room = 1000;
  BOOST_TEST(f.follower.follow().has_value());
  BOOST_TEST((f.erased == std::vector<student_id>{student(3), student(4), student(1), student(5)}));
  BOOST_TEST(!f.cached_device().is_cached);
  BOOST_TEST(f.follower.follow().has_value());
  BOOST_TEST(f.erased.size() == 4u);
}

BOOST_AUTO_TEST_CASE(resets_and_erasures_are_done_in_order_and_once) {
  following f;
  for (const int who : {3, 5}) f.begun_anew(who);
  f.ledger.changed(storage::registry_change::kind::progress_reset, "student-3/m1");
  f.ledger.changed(storage::registry_change::kind::student_erased, "student-4");
  f.ledger.changed(storage::registry_change::kind::progress_reset, "no pair");
  f.ledger.changed(storage::registry_change::kind::progress_reset, "student-5/m1");
  f.room = 1;
  BOOST_TEST(f.follower.follow().has_value());
  BOOST_TEST(f.reset.size() == 1u);
  BOOST_TEST(f.erased.empty());
  f.room = 1000;
  BOOST_TEST(f.follower.follow().has_value());
  BOOST_REQUIRE(f.reset.size() == 2u);
  BOOST_CHECK(f.reset[1] == (pair_key{student(5), module_named("m1")}));
  BOOST_TEST((f.erased == std::vector<student_id>{student(4)}));
}

BOOST_AUTO_TEST_CASE(a_reset_whose_attempt_cannot_be_read_has_to_wait) {
  following f;
  f.begun_anew(3);
  f.ledger.changed(storage::registry_change::kind::progress_reset, "student-4/m1");  // erased since
  f.ledger.changed(storage::registry_change::kind::progress_reset, "student-3/m1");
  f.ledger.goes_away_behind_changes = true;
  (void)f.follower.follow();
  BOOST_TEST(f.reset.empty());
  f.ledger.goes_away_behind_changes = f.ledger.is_away = false;
  BOOST_TEST(f.follower.follow().has_value());
  BOOST_CHECK(f.reset == (std::vector<pair_key>{{student(3), module_named("m1")}}));
}

BOOST_AUTO_TEST_CASE(assignments_are_renewed_up_to_a_limit_and_forgotten_beyond_it) {
  following f;
  constexpr int count = static_cast<int>(registry_follower::read_alone_max) + 10;
  std::vector<pair_key> pairs;
  for (int i = 0; i < count; ++i) {
    pairs.push_back({student(i), f.module.id});
    f.registry_cache.put_assignment(
        pairs.back(), true, 1, f.registry_cache.generation(pairs.back()), f.clock.monotonic_now());
  }
  for (const auto& pair : pairs)
    f.ledger.changed(storage::registry_change::kind::assignment,
                     std::string(pair.student.view()) + "/m1");
  BOOST_TEST(f.follower.follow().has_value());
  BOOST_TEST(f.ledger.questions == static_cast<int>(registry_follower::read_alone_max));
  int unassigned = 0, forgotten = 0;
  for (const auto& pair : pairs) {
    const auto found = f.registry_cache.find_assignment(pair, 1, f.clock.monotonic_now());
    unassigned += found.is_cached && !found.entry ? 1 : 0;
    forgotten += found.is_cached ? 0 : 1;
  }
  BOOST_TEST(unassigned == static_cast<int>(registry_follower::read_alone_max));
  BOOST_TEST(forgotten == 10);
}

BOOST_AUTO_TEST_CASE(an_erasure_is_told_with_the_epoch_below_which_it_ended_all) {
  following f;
  f.shared.next_lives["student-1"] = {.epoch = 7, .begins_ms = {}};
  for (const auto* who : {"student-1", "student-2"})
    f.ledger.changed(storage::registry_change::kind::student_erased, who);
  BOOST_TEST(f.follower.follow().has_value());
  // The second is enrolled, in epoch 1, and the ledger does not know the erasure any more.
  BOOST_TEST((f.next_epochs == std::vector<std::uint32_t>{7, 1}));
  f.next_epochs.clear();
  f.shared.has_everybody = false;  // of the third it knows nothing at all
  f.ledger.changed(storage::registry_change::kind::student_erased, "student-3");
  BOOST_TEST(f.follower.follow().has_value());
  BOOST_TEST((f.next_epochs == std::vector<std::uint32_t>{UINT32_MAX}));
}

BOOST_AUTO_TEST_CASE(an_erasure_ends_the_assignments_of_the_student_alone) {
  following f;
  const pair_key erased{student(1), f.module.id}, other{student(2), f.module.id};
  const auto cached = [&](const pair_key& pair) {
    return f.registry_cache.find_assignment(pair, 1, f.clock.monotonic_now()).is_cached;
  };
  for (const auto& pair : {erased, other})
    f.registry_cache.put_assignment(pair, true, 1, f.registry_cache.generation(pair),
                                    f.clock.monotonic_now());
  f.ledger.changed(storage::registry_change::kind::student_erased, "student-1");
  BOOST_TEST(f.follower.follow().has_value());
  BOOST_TEST(!cached(erased));
  BOOST_TEST(cached(other));
}

/// Numbers of the lost ledger are behind those that it gives out again.
BOOST_FIXTURE_TEST_CASE(after_the_ledger_went_back_everything_is_read_anew, following) {
  const storage::ledger_identity seen{
      .history = "a", .transactions = 9, .last_sequence = 0, .highest_epoch = 1};
  auto older = seen;
  older.transactions = 3;
  BOOST_TEST(!memory.sees(seen, memory.take()));
  const auto backup = ledger.log;
  for (int i = 0; i < 5; ++i) ledger.put(module);
  BOOST_REQUIRE(follower.follow().has_value());
  cache();
  ledger.log = backup;
  ledger.devices.clear();
  ledger.is_away = true;
  BOOST_TEST(memory.sees(older, memory.take()));
  BOOST_TEST(!follower.follow().has_value());
  BOOST_TEST(cached_device().entry);  // nothing is better yet
  ledger.is_away = false;
  BOOST_REQUIRE(follower.follow().has_value());
  BOOST_TEST(!cached_device().is_cached);
  BOOST_TEST(!cached_module().is_cached);
  // The next changes have numbers that it has seen before.
  cache();
  module.rules.duration_ms = 1'000;
  ledger.put(module);
  BOOST_REQUIRE(follower.follow().has_value());
  BOOST_REQUIRE(cached_module().entry);
  BOOST_TEST(cached_module().entry->rules.duration_ms == 1'000);
  // Once more when the ledger has its erasures again.
  memory.caught_up(older);
  BOOST_REQUIRE(follower.follow().has_value());
  BOOST_TEST(!cached_module().is_cached);
  cache();
  BOOST_REQUIRE(follower.follow().has_value());
  BOOST_TEST(cached_module().is_cached);
}

/// By another gateway, which has noticed the loss sooner.
BOOST_FIXTURE_TEST_CASE(an_erasure_between_the_loss_and_its_notice_is_heard_of, following) {
  const storage::ledger_identity seen{
      .history = "a", .transactions = 9, .last_sequence = 0, .highest_epoch = 1};
  BOOST_TEST(!memory.sees(seen, memory.take()));
  const auto backup = ledger.log;
  for (int i = 0; i < 5; ++i) ledger.put(module);
  BOOST_REQUIRE(follower.follow().has_value());
  ledger.log = backup;
  ledger.changed(storage::registry_change::kind::student_erased, "s1");
  auto older = seen;
  older.transactions = 4;
  BOOST_TEST(memory.sees(older, memory.take()));
  BOOST_REQUIRE(follower.follow().has_value());
  BOOST_REQUIRE(erased.size() == 1u);
  BOOST_TEST(erased[0].view() == "s1");
  BOOST_REQUIRE(follower.follow().has_value());
  BOOST_TEST(erased.size() == 1u);
}

BOOST_FIXTURE_TEST_CASE(an_erasure_counts_as_read_when_it_is_logged, following) {
  shared.next_lives["s1"] = {.epoch = 7, .begins_ms = {}};
  ledger.changed(storage::registry_change::kind::student_erased, "s1");
  log_is_full = true;
  BOOST_TEST(!follower.follow().has_value());
  BOOST_TEST(erased.size() == 1u);
  log_is_full = false;
  BOOST_REQUIRE(follower.follow().has_value());
  BOOST_TEST(erased.size() == 1u);
  BOOST_REQUIRE(logged.size() == 1u);
  BOOST_TEST(logged[0].next_epoch == 7u);
}

BOOST_AUTO_TEST_SUITE_END()
