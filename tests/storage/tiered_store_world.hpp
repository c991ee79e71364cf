#pragma once

#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <cstring>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/hash.hpp"
#include "storage/memory/faulty_store.hpp"
#include "storage/tiered_store.hpp"
#include "tests/base/manual_clock.hpp"
#include "tests/base/scratch_root.hpp"
#include "tests/storage/hot_world.hpp"
#include "tests/storage/loading_store.hpp"

/// What the tests of the tiered store share.
namespace watchkeeper::storage::testing {

/// A tiered store over a hot store with faults and a SQLite ledger that has the module m1, of 100
/// s.
struct tiered_store_world {
  tiered_store_world() {
    BOOST_REQUIRE(ledger_of_record->migrate().has_value());
    module_record module;
    module.id = *module_id::parse("m1");
    module.title = "one";
    module.rules.duration_ms = 100'000;
    BOOST_REQUIRE(ledger_of_record->put_module(module).has_value());
    enrol(who);
  }
  ~tiered_store_world() { std::filesystem::remove_all(folder); }

  tiered_request request(std::uint32_t sequence, media_ms from_ms, media_ms to_ms) {
    tiered_request r;
    r.credit.student = who;
    r.credit.module = *module_id::parse("m1");
    r.credit.session = *session_id::parse("s1");
    r.credit.sequence = sequence;
    r.credit.epoch = epoch;
    r.credit.interval = {from_ms, to_ms};
    r.credit.played_at_ms = clock.wall_now();
    r.credit.now_ms = clock.wall_now();
    r.credit.duration_ms = 100'000;
    r.credit.mastery_measured_ms = 95'000;
    r.credit.max_rate_permille = 2000;
    return r;
  }
  applied_credit apply_one(const tiered_request& r) {
    auto all = tiers.apply({&r, 1});
    BOOST_REQUIRE(all.size() == 1u);
    return all[0];
  }
  /// What any gateway does, past the hot store: erase(), then the ledger.
  /// Returns the epoch that the student is in.
  std::uint32_t enrol(const student_id& student) {
    device_record device;
    device.student = student;
    const auto digest = stable_hash(student.view());
    std::memcpy(device.kid.bytes.data(), &digest, sizeof digest);
    return ledger_of_record->put_device(device, {}).value().value().epoch;
  }
  void erase_in_ledger() {
    BOOST_REQUIRE(
        ledger_of_record->erase_student(who, "an admin", "asked for it", clock.wall_now(), 0)
            .has_value());
  }
  /// The student's requests are of the new epoch from now on.
  void enrol_anew() { epoch = enrol(who); }
  std::optional<progress> in_ledger() {
    const pair_key keys[] = {{who, *module_id::parse("m1")}};
    return (*ledger_of_record->read(keys))[0];
  }
  std::optional<progress> in_hot() {
    const pair_key keys[] = {{who, *module_id::parse("m1")}};
    return (*inner->read(keys))[0];
  }

  std::filesystem::path folder = test::scratch_root() / ("tiered-" + std::to_string(getpid()));
  test::manual_clock clock;
  student_id who = *student_id::parse("ann");
  std::uint32_t epoch = 1;
  std::unique_ptr<hot_store> inner = make_memory_store();
  store_fault fault = store_fault::none;     // of every call, until it is changed
  store_fault of_merge = store_fault::none;  // of that one
  faulty_store hot{*inner, [this](std::string_view operation) {
                     return operation == "merge" && of_merge != store_fault::none ? of_merge
                                                                                  : fault;
                   }};
  std::unique_ptr<ledger> ledger_of_record =
      make_sqlite_ledger((folder_made() / "ledger.db").string());
  int lost = 0;
  std::vector<bool> modes;
  loading_store tiers{
      hot,
      *ledger_of_record,
      clock,
      {.mode_changed = [this](bool degraded, const std::string&) { modes.push_back(degraded); },
       .hot_failed = [](const storage_failure&) {},
       .ledger_failed = [](const storage_failure&) {},
       .data_lost = [this] { ++lost; }}};

  std::filesystem::path folder_made() {
    std::filesystem::remove_all(folder);
    std::filesystem::create_directories(folder);
    return folder;
  }
};

/// Ignores all events.
inline tiered_store::observer no_observer() {
  return {.mode_changed = [](bool, const std::string&) {},
          .hot_failed = [](const storage_failure&) {},
          .ledger_failed = [](const storage_failure&) {},
          .data_lost = [] {}};
}

/// A hot store whose calls take two seconds and fail while it hangs. It counts the calls.
struct hanging_hot_store {
  explicit hanging_hot_store(tiered_store_world& w) : deps(w) {}
  tiered_store::observer observer() {
    return {.mode_changed = [](bool, const std::string&) {},
            .hot_failed = [](const storage_failure&) {},
            .ledger_failed = [](const storage_failure&) {},
            .data_lost = [] {},
            .heatmaps_grown = {},
            .hot_successes =
                asks_elsewhere ? [this] { return elsewhere; } : std::function<std::uint64_t()>()};
  }
  store_fault of(std::string_view operation) {
    ++asked[std::string(operation)];
    if (!hangs) return store_fault::none;
    deps.clock.advance(2'000);
    return store_fault::lost_request;
  }
  tiered_store_world& deps;
  bool hangs = false;
  bool asks_elsewhere = true;
  std::uint64_t elsewhere = 0;
  std::map<std::string, int> asked;
  faulty_store hot{*deps.inner, [this](std::string_view operation) { return of(operation); }};
};

}  // namespace watchkeeper::storage::testing
