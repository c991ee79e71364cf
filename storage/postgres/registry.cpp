#include <algorithm>
#include <pqxx/nontransaction.hxx>
#include <pqxx/transaction.hxx>

#include "base/base64url.hpp"
#include "storage/heatmap_growth.hpp"
#include "storage/ledger_rules.hpp"
#include "storage/limits.hpp"
#include "storage/postgres/heatmap.hpp"
#include "storage/postgres/ledger.hpp"
#include "storage/postgres/lives.hpp"
#include "storage/postgres/row.hpp"
#include "storage/postgres/text.hpp"

// A statement that stands alone is a transaction: one round trip.
namespace watchkeeper::storage::postgres {
namespace {

std::string_view bytes_of(std::span<const std::uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string pair_text(const pair_key& pair) {
  return std::string(pair.student.view()) + "/" + std::string(pair.module.view());
}

device_record device_from(const pqxx::row& row) {
  device_record device;
  const auto kid = parse_bytea(text_of(row[0]));
  const auto algorithm = number_of<int>(row[2]);
  const auto key = parse_bytea(text_of(row[3]));
  if (algorithm != 0 && algorithm != 1) throw decode_error("a device's algorithm is unknown");
  device.key.algorithm = static_cast<signature_algorithm>(algorithm);
  if (!kid || kid->size() != device.kid.bytes.size() || !key ||
      key->size() != device.key.raw().size())
    throw decode_error("a device's key is not of its algorithm's length");
  std::copy(kid->begin(), kid->end(), device.kid.bytes.begin());
  std::copy(key->begin(), key->end(), device.key.bytes.begin());
  device.student = id_of<student_id>(row[1]);
  device.revoked = row[4].as<bool>();
  device.created_ms = wall_time_of(row[5]);
  device.epoch = number_of<std::uint32_t>(row[6]);
  return device;
}

/// One transaction of put_device(), under one of the erasure locks.
struct enrolled {
  std::optional<student_life> life;
  bool is_older = false;  // nothing is written: the hot store knows of a later life, and only the
                          // exclusive lock will do
};
enrolled enrol(pqxx::connection& connection, const device_record& device, const enrolment& at,
               std::string_view lock) {
  const auto kid = bytea(bytes_of(device.kid.bytes));
  const auto student = text(device.student.view());
  const auto& hot = at.in_hot_store;
  pqxx::work work(connection);
  const auto owner = work.exec_prepared("owner_of", kid);
  if (!owner.empty() && text_of(owner[0][0]) != student) return {};
  // A statement of its own: the next one has to see what an erasure that it waited for did.
  work.exec_prepared(text(lock));
  const auto drawn = work.exec_prepared("enrol", student, at.now_ms.value(),
                                        std::int64_t{hot.epoch}, hot.is_living);
  auto life = life_from(drawn.at(0), 0);
  if (life.epoch < hot.epoch) {
    if (lock != "lock_erasure") return {.life = std::nullopt, .is_older = true};
    // An erasure has not reached this ledger, or it has come back older.
    life = {hot.epoch, at.now_ms};
    (void)remove_epochs_below(work, device.student, life.epoch);
    put_life(work, device.student, life);
    work.exec_prepared("note_erased", student);
  }
  const auto rows =
      work.exec_prepared("put_device", kid, student, static_cast<int>(device.key.algorithm),
                         bytea(bytes_of(device.key.raw())), device.revoked,
                         device.created_ms.value(), device.kid.text());
  if (rows.empty()) return {};  // another gateway was first, for another student
  work.commit();
  return {.life = life};
}

}  // namespace

stored<std::optional<student_life>> postgres_ledger::put_device(const device_record& device,
                                                                const enrolment& at) {
  return session_.call([&](pqxx::connection& connection) {
    auto [life, is_older] = enrol(connection, device, at, "lock_erasure_shared");
    // What the ledger has of the student is to go: no checkpoint must run.
    if (is_older) life = enrol(connection, device, at, "lock_erasure").life;
    return life;
  });
}

stored<std::vector<std::optional<device_record>>> postgres_ledger::get_devices(
    std::span<const thumbprint> kids) {
  std::vector<std::optional<device_record>> devices(kids.size());
  if (kids.empty()) return devices;
  return session_.call([&](pqxx::connection& connection) {
    array_literal requested;
    for (const auto& kid : kids) requested.add_bytes(bytes_of(kid.bytes));
    pqxx::nontransaction reading(connection);
    const auto rows = reading.exec_prepared("get_devices", requested.text());
    std::vector<device_record> found;
    found.reserve(rows.size());
    for (const auto& row : rows) found.push_back(device_from(row));
    const auto by_kid = [](const device_record& a, const thumbprint& b) { return a.kid < b; };
    std::sort(found.begin(), found.end(),
              [](const auto& a, const auto& b) { return a.kid < b.kid; });
    for (std::size_t i = 0; i < kids.size(); ++i) {
      const auto at = std::lower_bound(found.begin(), found.end(), kids[i], by_kid);
      if (at != found.end() && at->kid == kids[i]) devices[i] = *at;
    }
    return std::move(devices);
  });
}

stored<bool> postgres_ledger::revoke_device(const thumbprint& kid) {
  return session_.call([&](pqxx::connection& connection) {
    pqxx::nontransaction writing(connection);
    return !writing.exec_prepared("revoke_device", bytea(bytes_of(kid.bytes)), kid.text()).empty();
  });
}

stored<std::vector<device_record>> postgres_ledger::devices_of(const student_id& student) {
  return session_.call([&](pqxx::connection& connection) {
    pqxx::nontransaction reading(connection);
    const auto rows =
        reading.exec_prepared("devices_of", text(student.view()),
                              static_cast<std::int64_t>(storage_limits::list_items_max));
    std::vector<device_record> devices;
    devices.reserve(rows.size());
    for (const auto& row : rows) devices.push_back(device_from(row));
    return devices;
  });
}

stored<ok_t> postgres_ledger::put_assignment(const pair_key& pair, wall_ms now_ms) {
  return session_.call([&](pqxx::connection& connection) {
    pqxx::nontransaction writing(connection);
    writing.exec_prepared("put_assignment", text(pair.student.view()), text(pair.module.view()),
                          now_ms.value(), pair_text(pair));
    return ok;
  });
}

stored<bool> postgres_ledger::remove_assignment(const pair_key& pair) {
  return session_.call([&](pqxx::connection& connection) {
    pqxx::nontransaction writing(connection);
    return !writing
                .exec_prepared("remove_assignment", text(pair.student.view()),
                               text(pair.module.view()), pair_text(pair))
                .empty();
  });
}

stored<bool> postgres_ledger::is_assigned(const pair_key& pair) {
  return session_.call([&](pqxx::connection& connection) {
    pqxx::nontransaction reading(connection);
    return !reading
                .exec_prepared("is_assigned", text(pair.student.view()), text(pair.module.view()))
                .empty();
  });
}

namespace {

/// Inside a transaction: the student's epoch, which nobody else changes until the commit.
std::uint32_t lock_epoch_of(pqxx::work& work, const student_id& student) {
  // A statement of its own: the next one has to see what the checkpoints it waited for wrote.
  work.exec_prepared("lock_erasure");
  array_literal students;
  students.add(student.view());
  const auto lives = work.exec_prepared("lives", students.text());
  return lives.empty() ? 0 : life_from(lives[0], 1).epoch;
}

/// Gives the number of rows that went.
std::int64_t erase(pqxx::work& work, const student_id& student, std::string_view actor,
                   std::string_view erasure_id, wall_ms at_ms, std::uint32_t next_epoch) {
  const auto [pairs, completions_gone] = remove_epochs_below(work, student, INT64_MAX);
  const auto rows =
      work.exec_prepared("erase_student", text(student.view()), text(actor), text(erasure_id),
                         at_ms.value(), pairs, completions_gone, std::int64_t{next_epoch});
  return number_of<std::int64_t>(rows.at(0)[0]);
}

}  // namespace

stored<bool> postgres_ledger::erase_student(const student_id& student, std::string_view actor,
                                            std::string_view erasure_id, wall_ms now_ms,
                                            std::uint32_t next_epoch) {
  return session_.call([&](pqxx::connection& connection) {
    pqxx::work work(connection);
    const auto next = std::max(next_epoch, lock_epoch_of(work, student) + 1);
    const auto gone = erase(work, student, actor, erasure_id, now_ms, next);
    work.commit();
    return gone > 0;
  });
}

stored<bool> postgres_ledger::repeat_erasure(const student_id& student, std::string_view erasure_id,
                                             wall_ms at_ms, std::uint32_t next_epoch) {
  return session_.call([&](pqxx::connection& connection) {
    pqxx::work work(connection);
    if (lock_epoch_of(work, student) >= next_epoch) return false;
    (void)erase(work, student, "erasure-log", erasure_id, at_ms, next_epoch);
    work.commit();
    return true;
  });
}

/// The server's vacuum and checkpoints do the rest (docs/privacy.md).
stored<trace_removal> postgres_ledger::remove_traces() {
  return session_.call([](pqxx::connection& connection) {
    pqxx::nontransaction writing(connection);
    writing.exec_prepared("forget_old");
    return trace_removal::done;
  });
}

stored<std::vector<registry_change>> postgres_ledger::changes(std::int64_t after_sequence,
                                                              std::size_t limit) {
  return session_.call([&](pqxx::connection& connection) {
    pqxx::nontransaction reading(connection);
    const auto rows = reading.exec_prepared("changes", after_sequence,
                                            static_cast<std::int64_t>(page_items(limit)));
    std::vector<registry_change> items;
    items.reserve(rows.size());
    for (const auto& row : rows) {
      const auto kind = number_of<int>(row[1]);
      if (kind < 0 || kind > 4) throw decode_error("a registry change is of an unknown kind");
      items.push_back({.sequence = number_of<std::int64_t>(row[0]),
                       .what = static_cast<registry_change::kind>(kind),
                       .key = text(text_of(row[2]))});
    }
    // Writes forget old rows; where nobody writes any more, ids must not stay for ever either.
    if (items.empty() && ++idle_polls_ >= forget_after_idle_polls) {
      idle_polls_ = 0;
      reading.exec_prepared("forget_old");
    }
    return items;
  });
}

stored<std::string> postgres_ledger::health() {
  return session_.call([&](pqxx::connection& connection) {
    pqxx::nontransaction reading(connection);
    const auto rows = reading.exec_prepared("health");
    if (text_of(rows.at(0)[2]) == "on")
      throw pqxx::failure("the server has become read-only; perhaps it is a standby now");
    auto version = text(text_of(rows.at(0)[0]));
    version.erase(std::min(version.find(' '), version.size()));  // "15.18 (Debian 15.18-0…)"
    return "PostgreSQL " + version + ", synchronous_commit " + text(text_of(rows.at(0)[1]));
  });
}

}  // namespace watchkeeper::storage::postgres

namespace watchkeeper::storage {

std::unique_ptr<ledger> make_postgres_ledger(const std::string& url,
                                             const postgres_time_limits& limits) {
  return std::make_unique<postgres::postgres_ledger>(url, limits);
}

}  // namespace watchkeeper::storage
