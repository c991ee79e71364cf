#include <algorithm>

#include "base/base64url.hpp"
#include "storage/heatmap_growth.hpp"
#include "storage/ledger_rules.hpp"
#include "storage/limits.hpp"
#include "storage/sqlite/ledger.hpp"
#include "storage/sqlite/ledger_rows.hpp"

namespace watchkeeper::storage {
namespace {

using kind = registry_change::kind;
using mode = sqlite_transaction::mode;

std::string_view bytes_of(std::span<const std::uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string pair_text(const pair_key& pair) {
  return std::string(pair.student.view()) + "/" + std::string(pair.module.view());
}

device_record device_from(const sqlite_statement& row) {
  device_record device;
  const auto kid = row.blob(0);
  const auto algorithm = row.integer(2);
  const auto key = row.blob(3);
  if (algorithm != 0 && algorithm != 1) throw_corrupt("a device's algorithm is unknown");
  device.key.algorithm = static_cast<signature_algorithm>(algorithm);
  if (kid.size() != device.kid.bytes.size() || key.size() != device.key.raw().size())
    throw_corrupt("a device's key is not of its algorithm's length");
  std::copy(kid.begin(), kid.end(), device.kid.bytes.begin());
  std::copy(key.begin(), key.end(), device.key.bytes.begin());
  device.student = sqlite_id<student_id>(row, 1);
  device.revoked = row.integer(4) != 0;
  device.created_ms = row.wall_time(5);
  device.epoch = static_cast<std::uint32_t>(row.integer(6));
  return device;
}

/// Inside a transaction that writes: the life that a student who enrols a device is in.
student_life enrol(sqlite_database& database, const student_id& student, const enrolment& at) {
  const auto& hot = at.in_hot_store;
  auto life = life_in(database, student);
  if (life.epoch > 0 && hot.epoch <= life.epoch) return life;
  if (life.epoch > 0) {
    // The hot store knows of a later life: an erasure has not reached this ledger, or it has come
    // back older.
    life = {hot.epoch, at.now_ms};
    remove_epochs_below(database, student, life.epoch);
    note_change(database, kind::student_erased, student.view());
  } else {
    auto& row = database.prepared(
        "SELECT CASE WHEN ?4 AND ?3 >= coalesce(e.next_epoch, 0) THEN ?3"
        " ELSE max(?2 / 1000, ?3, h.epoch, coalesce(e.next_epoch, 0)) END,"
        " coalesce(e.begins_ms, 0)"
        " FROM highest_epoch h LEFT JOIN erased_student e ON e.student_id = ?1");
    row.bind_text(1, student.view())
        .bind(2, at.now_ms)
        .bind(3, hot.epoch)
        .bind(4, hot.is_living ? 1 : 0);
    row.step();
    life = {static_cast<std::uint32_t>(row.integer(0)), row.wall_time(1)};
    row.reset();
  }
  put_life(database, student, life);
  return life;
}

/// Runs a statement on the rows of a student; gives their number.
std::int64_t change_of(sqlite_database& database, std::string_view sql, const student_id& student) {
  database.prepared(sql).bind_text(1, student.view()).run();
  return database.changes();
}

}  // namespace

// --- devices -------------------------------------------------------------------------------------

void put_life(sqlite_database& database, const student_id& student, const student_life& life) {
  database
      .prepared("INSERT OR REPLACE INTO student (student_id, epoch, begins_ms) VALUES (?1, ?2, ?3)")
      .bind_text(1, student.view())
      .bind(2, life.epoch)
      .bind(3, life.begins_ms)
      .run();
  raise_highest_epoch(database, life.epoch);
}

void raise_highest_epoch(sqlite_database& database, std::uint32_t epoch) {
  database.prepared("UPDATE highest_epoch SET epoch = ?1 WHERE epoch < ?1").bind(1, epoch).run();
}

removed_rows remove_epochs_below(sqlite_database& database, const student_id& student,
                                 std::int64_t epoch) {
  heatmap_growth seen;
  auto& rows = database.prepared(
      "SELECT module_id, coverage FROM progress WHERE student_id = ?1 AND epoch < ?2");
  rows.bind_text(1, student.view()).bind(2, epoch);
  while (rows.step()) {
    const auto module = sqlite_id<module_id>(rows, 0);
    // What cannot be read is removed like the rest. Nobody knows what it added to the heatmap.
    (void)is_readable([&] { seen.add(module, 0, decode_coverage(rows.blob(1)).pieces()); });
  }
  change_viewers(database, seen, false);
  removed_rows removed;
  database.prepared("DELETE FROM progress WHERE student_id = ?1 AND epoch < ?2")
      .bind_text(1, student.view())
      .bind(2, epoch)
      .run();
  removed.pairs = database.changes();
  database.prepared("DELETE FROM completion WHERE student_id = ?1 AND epoch < ?2")
      .bind_text(1, student.view())
      .bind(2, epoch)
      .run();
  removed.completions = database.changes();
  return removed;
}

stored<std::vector<erased_student>> sqlite_ledger::erased_students() {
  return call([&](sqlite_database& database) {
    auto& row = database.prepared(
        "SELECT student_id, next_epoch FROM erased_student WHERE erased_at >= unixepoch() - ?1");
    row.bind(1, registry_change_retention_ms / 1000);
    std::vector<erased_student> all;
    while (row.step())
      all.push_back({sqlite_id<student_id>(row, 0), static_cast<std::uint32_t>(row.integer(1))});
    return all;
  });
}

stored<student_life> sqlite_ledger::life_of(const student_id& student) {
  return call([&](sqlite_database& database) { return life_in(database, student); });
}

stored<std::optional<student_life>> sqlite_ledger::put_device(const device_record& device,
                                                              const enrolment& at) {
  return call([&](sqlite_database& database) -> std::optional<student_life> {
    sqlite_transaction work(database, mode::write);
    // First: a trigger refuses the device of somebody who is not enrolled.
    const auto life = enrol(database, device.student, at);
    database
        .prepared(
            "INSERT INTO device (kid, student_id, algorithm, public_key, revoked, created_ms)"
            " VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
            " ON CONFLICT (kid) DO UPDATE SET algorithm = excluded.algorithm,"
            " public_key = excluded.public_key, revoked = excluded.revoked"
            " WHERE student_id = excluded.student_id")
        .bind_blob(1, bytes_of(device.kid.bytes))
        .bind_text(2, device.student.view())
        .bind(3, static_cast<std::int64_t>(device.key.algorithm))
        .bind_blob(4, bytes_of(device.key.raw()))
        .bind(5, device.revoked ? 1 : 0)
        .bind(6, device.created_ms)
        .run();
    if (database.changes() == 0) return std::nullopt;  // and the enrolment is undone
    note_change(database, kind::device, device.kid.text());
    work.commit();
    return life;
  });
}

stored<std::vector<std::optional<device_record>>> sqlite_ledger::get_devices(
    std::span<const thumbprint> kids) {
  return call([&](sqlite_database& database) {
    std::vector<std::optional<device_record>> devices;
    devices.reserve(kids.size());
    sqlite_transaction reading(database, mode::read);
    for (const auto& kid : kids) {
      auto& row = database.prepared(
          "SELECT kid, student_id, algorithm, public_key, revoked, created_ms,"
          " coalesce((SELECT epoch FROM student s WHERE s.student_id = d.student_id), 0)"
          " FROM device d WHERE kid = ?1");
      row.bind_blob(1, bytes_of(kid.bytes));
      devices.emplace_back();
      if (!row.step()) continue;
      devices.back() = device_from(row);
      row.reset();
    }
    reading.commit();
    return devices;
  });
}

stored<bool> sqlite_ledger::revoke_device(const thumbprint& kid) {
  return call([&](sqlite_database& database) {
    sqlite_transaction work(database, mode::write);
    database.prepared("UPDATE device SET revoked = 1 WHERE kid = ?1")
        .bind_blob(1, bytes_of(kid.bytes))
        .run();
    if (database.changes() == 0) return false;
    note_change(database, kind::device, kid.text());
    work.commit();
    return true;
  });
}

stored<std::vector<device_record>> sqlite_ledger::devices_of(const student_id& student) {
  return call([&](sqlite_database& database) {
    auto& row = database.prepared(
        "SELECT kid, student_id, algorithm, public_key, revoked, created_ms,"
        " coalesce((SELECT epoch FROM student s WHERE s.student_id = d.student_id), 0)"
        " FROM device d WHERE student_id = ?1 ORDER BY created_ms, kid LIMIT ?2");
    row.bind_text(1, student.view())
        .bind(2, static_cast<std::int64_t>(storage_limits::list_items_max));
    std::vector<device_record> devices;
    while (row.step()) devices.push_back(device_from(row));
    return devices;
  });
}

// --- assignments ---------------------------------------------------------------------------------

stored<ok_t> sqlite_ledger::put_assignment(const pair_key& pair, wall_ms now_ms) {
  return call([&](sqlite_database& database) {
    sqlite_transaction work(database, mode::write);
    database
        .prepared(
            "INSERT INTO assignment (student_id, module_id, created_ms) VALUES (?1, ?2, ?3)"
            " ON CONFLICT DO NOTHING")
        .bind_text(1, pair.student.view())
        .bind_text(2, pair.module.view())
        .bind(3, now_ms)
        .run();
    if (database.changes() == 0) return ok;
    note_change(database, kind::assignment, pair_text(pair));
    work.commit();
    return ok;
  });
}

stored<bool> sqlite_ledger::remove_assignment(const pair_key& pair) {
  return call([&](sqlite_database& database) {
    sqlite_transaction work(database, mode::write);
    database.prepared("DELETE FROM assignment WHERE student_id = ?1 AND module_id = ?2")
        .bind_text(1, pair.student.view())
        .bind_text(2, pair.module.view())
        .run();
    if (database.changes() == 0) return false;
    note_change(database, kind::assignment, pair_text(pair));
    work.commit();
    return true;
  });
}

stored<bool> sqlite_ledger::is_assigned(const pair_key& pair) {
  return call([&](sqlite_database& database) {
    auto& row =
        database.prepared("SELECT 1 FROM assignment WHERE student_id = ?1 AND module_id = ?2");
    row.bind_text(1, pair.student.view()).bind_text(2, pair.module.view());
    const bool assigned = row.step();
    row.reset();
    return assigned;
  });
}

// --- erasure -------------------------------------------------------------------------------------

namespace {

struct erasure_order {
  std::string_view actor;
  std::string_view erasure_id;
  wall_ms at_ms;
  std::uint32_t next_epoch = 0;
};

/// Inside a transaction that writes. Gives the number of rows that went.
std::int64_t erase(sqlite_database& database, const student_id& student,
                   const erasure_order& order) {
  const auto [pairs, completions_gone] = remove_epochs_below(database, student, INT64_MAX);
  const auto assignments =
      change_of(database, "DELETE FROM assignment WHERE student_id = ?1", student);
  const auto devices = change_of(database, "DELETE FROM device WHERE student_id = ?1", student);
  change_of(database, "DELETE FROM student WHERE student_id = ?1", student);
  raise_highest_epoch(database, order.next_epoch);
  change_of(database, "UPDATE audit SET student_id = '', reason = '' WHERE student_id = ?1",
            student);
  database
      .prepared(
          "INSERT INTO erased_student (student_id, next_epoch, begins_ms) VALUES (?1, ?2, ?3)"
          " ON CONFLICT (student_id) DO UPDATE SET erased_at = unixepoch(),"
          " next_epoch = max(next_epoch, excluded.next_epoch),"
          " begins_ms = max(begins_ms, excluded.begins_ms)")
      .bind_text(1, student.view())
      .bind(2, order.next_epoch)
      .bind(3, order.at_ms)
      .run();
  database
      .prepared(
          "INSERT INTO audit (at_ms, actor, action, erasure_id, progress_rows,"
          " completion_rows, assignment_rows, device_rows)"
          " VALUES (?1, ?2, 'student-erased', ?3, ?4, ?5, ?6, ?7)")
      .bind(1, order.at_ms)
      .bind_text(2, order.actor)
      .bind_text(3, order.erasure_id)
      .bind(4, pairs)
      .bind(5, completions_gone)
      .bind(6, assignments)
      .bind(7, devices)
      .run();
  note_change(database, kind::student_erased, student.view());
  return pairs + completions_gone + assignments + devices;
}

}  // namespace

stored<bool> sqlite_ledger::erase_student(const student_id& student, std::string_view actor,
                                          std::string_view erasure_id, wall_ms now_ms,
                                          std::uint32_t next_epoch) {
  return call([&](sqlite_database& database) {
    sqlite_transaction work(database, mode::write);
    const auto next = std::max(next_epoch, life_in(database, student).epoch + 1);
    const auto gone = erase(database, student, {actor, erasure_id, now_ms, next});
    work.commit();
    return gone > 0;
  });
}

stored<bool> sqlite_ledger::repeat_erasure(const student_id& student, std::string_view erasure_id,
                                           wall_ms at_ms, std::uint32_t next_epoch) {
  return call([&](sqlite_database& database) {
    sqlite_transaction work(database, mode::write);
    if (life_in(database, student).epoch >= next_epoch) return false;
    (void)erase(database, student, {"erasure-log", erasure_id, at_ms, next_epoch});
    work.commit();
    return true;
  });
}

}  // namespace watchkeeper::storage
