#include <map>

#include "storage/byte_codec.hpp"
#include "storage/heatmap_growth.hpp"
#include "storage/sqlite/ledger.hpp"

namespace watchkeeper::storage {
namespace {

using mode = sqlite_transaction::mode;

std::string encode_part(const heatmap_part& part) {
  std::string bytes;
  bytes.reserve(part.size() * 8);
  byte_writer out(bytes);
  for (const auto ms : part) out.i64(ms);
  return bytes;
}

heatmap_part decode_part(std::string_view bytes) {
  heatmap_part part{};
  byte_reader in(bytes);
  for (auto& ms : part) ms = in.i64();
  if (!in.good() || !in.at_end()) throw_corrupt("a part of a heatmap is not of 64 bins");
  return part;
}

/// What the bins of a module are of; nothing: it has none.
std::optional<media_ms> duration_of(sqlite_database& database, const module_id& module) {
  auto& row = database.prepared("SELECT duration_ms FROM heatmap WHERE module_id = ?1");
  row.bind_text(1, module.view());
  if (!row.step()) return std::nullopt;
  const auto duration_ms = static_cast<media_ms>(row.integer(0));
  row.reset();
  return duration_ms;
}

void set_duration(sqlite_database& database, const module_id& module, media_ms duration_ms) {
  database.prepared("INSERT OR REPLACE INTO heatmap (module_id, duration_ms) VALUES (?1, ?2)")
      .bind_text(1, module.view())
      .bind(2, duration_ms)
      .run();
}

enum class column : std::uint8_t { viewers, plays };

/// Adds (`sign` 1) or takes off (-1), not below 0.
void change_parts(sqlite_database& database, const module_id& module,
                  std::span<const std::uint64_t> sums, column which, int sign) {
  for_each_part(sums, [&](std::int32_t number, const heatmap_part& change) {
    heatmap_part parts[2]{};
    auto& row = database.prepared(
        "SELECT viewer_ms, play_ms FROM heatmap_part WHERE module_id = ?1 AND part = ?2");
    row.bind_text(1, module.view()).bind(2, number);
    if (row.step()) {
      parts[0] = decode_part(row.blob(0));
      parts[1] = decode_part(row.blob(1));
      row.reset();
    }
    auto& changed = parts[which == column::viewers ? 0 : 1];
    for (std::size_t i = 0; i < changed.size(); ++i)
      changed[i] = std::max<std::int64_t>(0, changed[i] + sign * change[i]);
    database
        .prepared(
            "INSERT OR REPLACE INTO heatmap_part (module_id, part, viewer_ms, play_ms)"
            " VALUES (?1, ?2, ?3, ?4)")
        .bind_text(1, module.view())
        .bind(2, number)
        .bind_blob(3, encode_part(parts[0]))
        .bind_blob(4, encode_part(parts[1]))
        .run();
  });
}

heatmap_bins read_bins(sqlite_database& database, const module_id& module, media_ms duration_ms) {
  heatmap_bins bins{heatmap_layout::of(duration_ms), {}, {}};
  bins.viewer_ms.resize(bins.layout.bins);
  bins.play_ms.resize(bins.layout.bins);
  auto& row =
      database.prepared("SELECT part, viewer_ms, play_ms FROM heatmap_part WHERE module_id = ?1");
  row.bind_text(1, module.view());
  while (row.step())
    if (!place_part(bins.viewer_ms, row.integer(0), decode_part(row.blob(1))) ||
        !place_part(bins.play_ms, row.integer(0), decode_part(row.blob(2))))
      throw_corrupt("a heatmap has bins that its module has not");
  return bins;
}

std::uint64_t count_students(sqlite_database& database, const module_id& module) {
  auto& row = database.prepared("SELECT count(*) FROM progress WHERE module_id = ?1");
  row.bind_text(1, module.view());
  row.step();
  const auto students = static_cast<std::uint64_t>(row.integer(0));
  row.reset();
  return students;
}

/// The duration that a recount's bins are to be of; 0: nobody knows any.
media_ms right_duration(sqlite_database& database, const module_id& module,
                        std::optional<media_ms> recorded_ms) {
  auto& row = database.prepared(
      "SELECT coalesce((SELECT duration_ms FROM module WHERE module_id = ?1),"
      " (SELECT max(duration_ms) FROM progress WHERE module_id = ?1), 0)");
  row.bind_text(1, module.view());
  row.step();
  const auto duration_ms = static_cast<media_ms>(row.integer(0));
  row.reset();
  return duration_ms > 0 ? duration_ms : recorded_ms.value_or(0);
}

/// In bins of `duration_ms`; of a duration that nobody knows, in those that hold all coverage.
heatmap_bins count_viewers(sqlite_database& database, const module_id& module,
                           media_ms duration_ms) {
  const auto for_each_coverage = [&](auto&& take) {
    auto& row = database.prepared("SELECT coverage FROM progress WHERE module_id = ?1");
    row.bind_text(1, module.view());
    while (row.step()) take(decode_coverage(row.blob(0)));
  };
  if (duration_ms <= 0)
    for_each_coverage([&](const coverage& covered) {
      if (!covered.empty()) duration_ms = std::max(duration_ms, covered.pieces().back().to_ms);
    });
  heatmap_bins counted{heatmap_layout::of(duration_ms), {}, {}};
  counted.viewer_ms.resize(counted.layout.bins);
  for_each_coverage([&](const coverage& covered) {
    for (const auto& piece : covered.pieces()) add_range(counted.viewer_ms, counted.layout, piece);
  });
  return counted;
}

void forget_old_writers(sqlite_database& database) {
  database.prepared("DELETE FROM play_writer WHERE written_at < unixepoch() - 86400").run();
}

}  // namespace

std::vector<heatmap_delta> change_viewers(sqlite_database& database, const heatmap_growth& growth,
                                          bool add) {
  std::vector<heatmap_delta> added;
  for (const auto& [module, more] : growth.modules()) {
    auto duration_ms = duration_of(database, module);
    if (!duration_ms) {
      if (!add) continue;  // counted nowhere: nothing to take off
      duration_ms = more.duration_ms;
      set_duration(database, module, *duration_ms);
    }
    heatmap_delta delta{module, *duration_ms, {}};
    const auto layout = heatmap_layout::of(*duration_ms);
    for (const auto& range : more.ranges) add_range(delta.ms, layout, range);
    change_parts(database, module, delta.ms, column::viewers, add ? 1 : -1);
    added.push_back(std::move(delta));
  }
  return added;
}

stored<std::optional<heatmap_record>> sqlite_ledger::heatmap_of(const module_id& module) {
  return call([&](sqlite_database& database) {
    sqlite_transaction reading(database, mode::read);
    std::optional<heatmap_record> found;
    if (const auto duration_ms = duration_of(database, module))
      found = {read_bins(database, module, *duration_ms), count_students(database, module)};
    reading.commit();
    return found;
  });
}

stored<std::uint64_t> sqlite_ledger::students_of(const module_id& module) {
  return call([&](sqlite_database& database) { return count_students(database, module); });
}

stored<ok_t> sqlite_ledger::add_plays(std::span<const heatmap_delta> plays, std::string_view writer,
                                      std::int64_t sequence) {
  return call([&](sqlite_database& database) {
    sqlite_transaction work(database, mode::write);
    forget_old_writers(database);
    database
        .prepared(
            "INSERT INTO play_writer (writer_id, sequence) VALUES (?1, ?2)"
            " ON CONFLICT (writer_id) DO UPDATE SET sequence = excluded.sequence,"
            " written_at = unixepoch() WHERE play_writer.sequence < excluded.sequence")
        .bind_text(1, writer)
        .bind(2, sequence)
        .run();
    if (database.changes() == 0) return ok;  // made already, when its answer was lost
    for (const auto& more : plays) {
      auto duration_ms = duration_of(database, more.module);
      if (!duration_ms) {
        duration_ms = more.duration_ms;
        set_duration(database, more.module, *duration_ms);
      }
      const auto sums =
          rebinned(more.ms, heatmap_layout::of(more.duration_ms), heatmap_layout::of(*duration_ms));
      change_parts(database, more.module, sums, column::plays, 1);
    }
    work.commit();
    return ok;
  });
}

stored<heatmap_recount> sqlite_ledger::recount_heatmap(const module_id& module, bool write) {
  return call([&](sqlite_database& database) {
    sqlite_transaction work(database, write ? mode::write : mode::read);
    const auto recorded_ms = duration_of(database, module);
    auto bins = read_bins(database, module, recorded_ms.value_or(0));
    auto counted = count_viewers(database, module, right_duration(database, module, recorded_ms));
    const auto recounted = compare_heatmaps(bins, counted, count_students(database, module));
    if (write && counted.layout.bins > 0) {
      counted.play_ms = rebinned(bins.play_ms, bins.layout, counted.layout);
      set_duration(database, module, counted.layout.duration_ms);
      database.prepared("DELETE FROM heatmap_part WHERE module_id = ?1")
          .bind_text(1, module.view())
          .run();
      change_parts(database, module, counted.viewer_ms, column::viewers, 1);
      change_parts(database, module, counted.play_ms, column::plays, 1);
    }
    work.commit();
    return recounted;
  });
}

stored<std::optional<module_id>> sqlite_ledger::next_watched_module(
    const std::optional<module_id>& after) {
  return call([&](sqlite_database& database) {
    auto& row = database.prepared(
        "SELECT min(module_id) FROM (SELECT min(module_id) AS module_id FROM progress"
        "  WHERE module_id > ?1 UNION ALL SELECT min(module_id) FROM heatmap WHERE module_id > "
        "?1)");
    row.bind_text(1, after ? after->view() : std::string_view{});
    row.step();
    std::optional<module_id> next;
    if (!row.is_null(0)) next = sqlite_id<module_id>(row, 0);
    row.reset();
    return next;
  });
}

stored<ok_t> sqlite_ledger::count_heatmaps_once() {
  auto counted = call([](sqlite_database& database) {
    auto& row = database.prepared("SELECT 1 FROM deployment WHERE key = 'heatmaps'");
    const bool found = row.step();
    row.reset();
    return found;
  });
  if (!counted) return counted.error();
  if (*counted) return ok;
  if (auto done = recount_all_heatmaps(*this); !done) return done;
  return call([](sqlite_database& database) {
    database.prepared("INSERT OR IGNORE INTO deployment (key, value) VALUES ('heatmaps', '1')")
        .run();
    return ok;
  });
}

}  // namespace watchkeeper::storage
