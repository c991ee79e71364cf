#pragma once

#include <array>
#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <ostream>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.hpp"
#include "storage/ledger.hpp"
#include "tests/base/scratch_root.hpp"
#include "tests/storage/postgres/postgres_server.hpp"

/// What the tests of both ledgers share.
namespace watchkeeper::test {
using namespace storage;

inline std::uint64_t ledger_seed() {
  const char* given = std::getenv("WATCHKEEPER_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : 20251122;
}

/// A place for a ledger that is new and empty; any number of instances may work on it.
struct sqlite_place {
  static constexpr const char* name = "SQLite";
  std::filesystem::path folder;
  std::string url;

  sqlite_place() {
    auto path = (test::scratch_root() / "wk-ledger-XXXXXX").string();
    BOOST_REQUIRE(::mkdtemp(path.data()) != nullptr);
    folder = path;
    url = (folder / "ledger.db").string();
  }
  ~sqlite_place() {
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
  }
  sqlite_place(const sqlite_place&) = delete;
  sqlite_place& operator=(const sqlite_place&) = delete;
  [[nodiscard]] std::unique_ptr<ledger> make() const { return make_sqlite_ledger(url); }
};

/// For tests that are not about these limits: a busy machine must not break them.
inline constexpr postgres_time_limits patient{
    .connect = std::chrono::seconds(60),
    .statement = std::chrono::seconds(60),
    .call = std::chrono::seconds(90),
};

struct postgres_place {
  static constexpr const char* name = "PostgreSQL";
  std::string url = postgres_server::instance().new_database();
  [[nodiscard]] std::unique_ptr<ledger> make() const { return make_postgres_ledger(url, patient); }
};

using places = std::tuple<sqlite_place, postgres_place>;

/// The value, or a failed test that says why there is none.
template <class T>
T need(stored<T>&& result) {
  if (!result) BOOST_FAIL("storage failure: " + result.error().detail);
  return std::move(result).value();
}

template <class Place>
std::unique_ptr<ledger> make_migrated(const Place& place) {
  auto made = place.make();
  need(made->migrate());
  return made;
}

inline student_id student(std::string_view text) {
  return student_id::parse(text).value();
}
inline module_id module(std::string_view text) {
  return module_id::parse(text).value();
}
inline pair_key pair(std::string_view s, std::string_view m) {
  return {student(s), module(m)};
}

/// Enrols a device for each student, so that their progress is written: in epoch 1, if the ledger
/// is new.
inline void enrol(ledger& into, const std::vector<std::string>& students) {
  for (const auto& who : students) {
    device_record device;
    device.student = student(who);
    const auto digest = stable_hash(who);
    for (std::size_t i = 0; i < device.kid.bytes.size(); ++i)
      device.kid.bytes[i] = static_cast<std::uint8_t>(digest >> 8 * (i % 8));
    BOOST_REQUIRE(need(into.put_device(device, {})).has_value());
  }
}

/// The number of the last change of the registry; 0: there is none.
inline std::int64_t newest_change(ledger& of) {
  std::int64_t newest = 0;
  for (;;) {
    const auto some = need(of.changes(newest, 1'000));
    if (some.empty()) return newest;
    newest = some.back().sequence;
  }
}

/// Puts modules with a threshold of 95 %.
inline void put_modules(ledger& into, const std::vector<std::string>& modules,
                        media_ms duration_ms) {
  for (const auto& id : modules)
    need(into.put_module({module(id), "Title", {.duration_ms = duration_ms}, wall_ms{1}}));
}

/// The names that `name(i)` gives for i from 0 to `count`.
template <class Name>
std::vector<std::string> names(int count, Name&& name) {
  std::vector<std::string> all;
  for (int i = 0; i < count; ++i) all.push_back(name(i));
  return all;
}

inline coverage covering(std::initializer_list<media_interval> pieces) {
  coverage made;
  for (const auto& piece : pieces) made.add(piece);
  return made;
}

inline device_record device(std::uint8_t number, std::string_view owner, bool eddsa = false) {
  device_record made;
  made.kid.bytes.fill(number);
  made.kid.bytes[0] = '\\';  // bytes that mean something in a text form
  made.kid.bytes[1] = 0;
  made.student = student(owner);
  made.key.algorithm = eddsa ? signature_algorithm::eddsa : signature_algorithm::es256;
  for (std::size_t i = 0; i < made.key.raw().size(); ++i)
    made.key.bytes[i] = static_cast<std::uint8_t>(number + i);
  made.created_ms = wall_ms{1'000 + number};
  return made;
}

/// Pieces on a grid that makes gaps of 0, 249, 250, 251 ms and large ones all likely.
inline coverage random_coverage(std::mt19937_64& random, int pieces_max, media_ms duration_ms) {
  static constexpr std::array<media_ms, 6> gaps{0, 1, 249, 250, 251, 4'000};
  coverage made;
  const auto pieces = static_cast<int>(random() % static_cast<unsigned>(pieces_max + 1));
  auto at = static_cast<media_ms>(random() % 3'000);
  for (int i = 0; i < pieces && at < duration_ms; ++i) {
    const auto length = static_cast<media_ms>(1 + random() % 3'000);
    made.add({at, std::min(at + length, duration_ms)});
    at += length + gaps[random() % gaps.size()];
  }
  return made;
}

inline progress random_progress(std::mt19937_64& random, media_ms duration_ms) {
  progress made;
  made.life = {1, 1};
  made.covered = random_coverage(random, 6, duration_ms);
  made.duration_ms = duration_ms;
  made.playtime_ms = static_cast<std::int64_t>(random() % 100'000);
  made.resume_ms = static_cast<media_ms>(random() % 20'000);
  made.resume_at_ms = static_cast<wall_ms>(1'700'000'000'000 + random() % 5);
  made.updated_ms = static_cast<wall_ms>(1'700'000'000'000 + random() % 5);
  if (random() % 12 == 0) made.mastered_ms = static_cast<wall_ms>(1'600'000'000'000 + random() % 9);
  return made;
}

}  // namespace watchkeeper::test

/// So that a check that fails can say what the values were.
namespace watchkeeper {
inline std::ostream& operator<<(std::ostream& out, const progress& p) {
  out << "{";
  for (const auto& piece : p.covered.pieces())
    out << "[" << piece.from_ms << "," << piece.to_ms << ")";
  return out << " life " << p.life.epoch << "." << p.life.attempt << " from " << p.begins_ms.value()
             << " duration " << p.duration_ms << " playtime " << p.playtime_ms << " resume "
             << p.resume_ms << "@" << p.resume_at_ms.value() << " updated " << p.updated_ms.value()
             << " mastered " << p.mastered_ms.value() << "}";
}
}  // namespace watchkeeper

namespace watchkeeper::storage {
inline std::ostream& operator<<(std::ostream& out, const completion& c) {
  return out << "{" << c.student.view() << "/" << c.module.view() << " v" << c.rule_version << " "
             << c.life.epoch << "." << c.life.attempt << " " << c.covered_ms << "/" << c.duration_ms
             << " >= " << c.threshold_centipercent << " at " << c.mastered_ms.value() << "}";
}
}  // namespace watchkeeper::storage
