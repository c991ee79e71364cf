// The tiered store over a real Redis that still replies but does not write, or not everything.
#include <boost/test/unit_test.hpp>

#include "storage/redis/keys.hpp"
#include "tests/storage/hot_world.hpp"
#include "tests/storage/redis/redis_server.hpp"
#include "tests/storage/tiered_store_world.hpp"

using namespace watchkeeper;
using namespace watchkeeper::storage;
using namespace watchkeeper::storage::testing;

namespace {

struct redis_and_ledger {
  redis_and_ledger() {
    BOOST_REQUIRE(ledger_of_record->migrate().has_value());
    for (const auto* name : {"ada", "bob", "cyd"})
      must(ledger_of_record->put_device(
          {.kid = kid_of(static_cast<std::uint8_t>(*name)), .student = id_of<student_id>(name)},
          {}));
  }
  tiered_request request(std::string_view student, std::uint32_t sequence) {
    const auto from_ms = static_cast<media_ms>(sequence) * 1'000;
    tiered_request made;
    made.credit =
        heartbeat(pair_of(student, "m1"), sequence, from_ms, from_ms + 1'000, some_time_ms).credit;
    made.credit.device = kid_of(static_cast<std::uint8_t>(student.front()));
    return made;
  }
  applied_credit apply_one(const tiered_request& asked) { return tiers.apply({&asked, 1}).at(0); }

  redis_server server;
  temporary_directory folder;
  test::manual_clock clock;
  std::unique_ptr<hot_store> hot = make_redis_store(server.url());
  std::unique_ptr<ledger> ledger_of_record = make_sqlite_ledger(folder.file("ledger.db"));
  std::vector<std::string> failures;
  loading_store tiers{
      *hot,
      *ledger_of_record,
      clock,
      {.mode_changed = [](bool, const std::string&) {},
       .hot_failed = [this](const storage_failure& f) { failures.push_back(f.detail); },
       .ledger_failed = [](const storage_failure&) {},
       .data_lost = [] {}}};
};

}  // namespace

BOOST_AUTO_TEST_SUITE(tiered_redis)

BOOST_AUTO_TEST_CASE(what_needed_no_write_does_not_hide_that_redis_refuses_to_write) {
  // What is asked for ada beside bob's heartbeat, each of which is decided without a write.
  const auto duplicate = [](tiered_request&) {};
  const auto mismatch = [](tiered_request& r) { r.credit.module = id_of<module_id>("m2"); };
  const auto limited = [](tiered_request& r) {
    r.credit.sequence = 7;
    r.credit.max_rate_permille = 0;
  };
  const auto erased = [](tiered_request& r) { r.credit.student = id_of<student_id>("cyd"); };
  const std::vector<std::function<void(tiered_request&)>> idle{duplicate, mismatch, limited,
                                                               erased};
  for (std::size_t i = 0; i < idle.size(); ++i)
    for (const bool bob_is_first : {true, false})
      BOOST_TEST_CONTEXT("case " << i << ", bob " << (bob_is_first ? "first" : "last")) {
        redis_and_ledger w;
        BOOST_CHECK(w.apply_one(w.request("ada", 0)).state == applied_state::done);
        auto other_module = w.request("ada", 0);
        other_module.credit.module = id_of<module_id>("m2");
        other_module.credit.session = id_of<session_id>("t");
        BOOST_CHECK(w.apply_one(other_module).state == applied_state::done);
        BOOST_CHECK(w.apply_one(w.request("bob", 0)).state == applied_state::done);
        must(w.hot->end_epochs_below(id_of<student_id>("cyd"), 2, some_time_ms));
        w.server.command({"CONFIG", "SET", "maxmemory-policy", "noeviction", "maxmemory", "1"});
        auto of_ada = w.request("ada", 0);
        idle[i](of_ada);
        std::vector<tiered_request> both{of_ada, w.request("bob", 1)};
        const std::size_t bob = bob_is_first ? 0 : 1;
        if (bob_is_first) std::swap(both[0], both[1]);
        const auto applied = w.tiers.apply(both);
        BOOST_CHECK(applied[bob].state == applied_state::done);
        BOOST_CHECK(applied[bob].outcome.status == credit_status::credited);
        BOOST_TEST(w.tiers.degraded());
        BOOST_REQUIRE_EQUAL(w.failures.size(), 1u);
        BOOST_TEST(w.failures[0].find("OOM") != std::string::npos);
      }
}

BOOST_AUTO_TEST_CASE(a_value_that_cannot_be_read_does_not_hide_that_redis_refuses_to_write) {
  redis_and_ledger w;
  for (const auto* name : {"ada", "bob", "cyd"})
    BOOST_CHECK(w.apply_one(w.request(name, 0)).state == applied_state::done);
  const auto sick = pair_of("cyd", "m1");
  w.server.command({"SET", redis_keys::progress(partition_of(sick.student), sick), "short"});
  w.server.command({"CONFIG", "SET", "maxmemory-policy", "noeviction", "maxmemory", "1"});
  // Bob's values are known, so he is refused first; then the others are read.
  const tiered_request asked[] = {w.request("ada", 0), w.request("bob", 1), w.request("cyd", 0)};
  BOOST_CHECK(w.tiers.apply(asked)[1].state == applied_state::done);
  BOOST_TEST(w.tiers.degraded());
}

BOOST_AUTO_TEST_CASE(heartbeats_that_fail_beside_others_are_reported) {
  redis_and_ledger w;
  for (const auto* name : {"ada", "bob"})
    BOOST_CHECK(w.apply_one(w.request(name, 0)).state == applied_state::done);
  const auto sick = pair_of("bob", "m1");
  w.server.command({"SET", redis_keys::progress(partition_of(sick.student), sick), "short"});
  const tiered_request asked[] = {w.request("ada", 1), w.request("bob", 1)};
  const auto applied = w.tiers.apply(asked);
  BOOST_CHECK(applied[0].state == applied_state::done);
  BOOST_CHECK(applied[1].state == applied_state::failed);
  BOOST_TEST(!w.tiers.degraded());
  BOOST_REQUIRE_EQUAL(w.failures.size(), 1u);
  BOOST_TEST(w.failures[0] == "1 of 2 heartbeats failed, the first of bob/m1");
}

BOOST_AUTO_TEST_SUITE_END()
