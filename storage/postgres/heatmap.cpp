#include <pqxx/nontransaction.hxx>
#include <pqxx/transaction.hxx>

#include "storage/heatmap_growth.hpp"
#include "storage/postgres/heatmap.hpp"
#include "storage/postgres/ledger.hpp"
#include "storage/postgres/row.hpp"
#include "storage/postgres/text.hpp"

namespace watchkeeper::storage::postgres {
namespace {

/// A large module takes its time, and waits for the checkpoints that are under way.
constexpr std::chrono::milliseconds recount_limit{600'000};
constexpr int rows_at_once = 2'000;

using module_durations = std::map<module_id, media_ms>;

/// What the bins of each module are of. Locks its row in `heatmap` to the end of the transaction,
/// against a recount and not against other checkpoints, in the order of the modules; makes the rows
/// that are missing. `durations` names the duration of those.
module_durations lock_heatmaps(pqxx::work& work, const module_durations& durations,
                               const char* how = "lock_heatmaps") {
  array_literal modules;
  for (const auto& [module, duration_ms] : durations) modules.add(module.view());
  module_durations found;
  const auto look = [&] {
    for (const auto& row : work.exec_prepared(how, modules.text()))
      found[id_of<module_id>(row[0])] = number_of<media_ms>(row[1]);
  };
  look();
  if (found.size() == durations.size()) return found;
  array_literal missing, missing_ms;
  for (const auto& [module, duration_ms] : durations) {
    if (found.contains(module)) continue;
    missing.add(module.view());
    missing_ms.add(std::int64_t{duration_ms});
  }
  work.exec_prepared("add_heatmaps", missing.text(), missing_ms.text());
  look();  // another gateway may have been first, with another duration
  if (found.size() != durations.size()) throw decode_error("a heatmap could not be made");
  return found;
}

std::string part_literal(const heatmap_part& part) {
  array_literal text;
  for (const auto ms : part) text.add(ms);
  return text.text();
}

/// The columns of the statements that change parts.
struct part_columns {
  array_literal modules, numbers, bins;
  std::size_t count = 0;

  void add(const module_id& module, std::span<const std::uint64_t> sums, int sign) {
    for_each_part(sums, [&](std::int32_t number, heatmap_part part) {
      for (auto& ms : part) ms *= sign;
      modules.add(module.view());
      numbers.add(std::int64_t{number});
      bins.add(part_literal(part));
      ++count;
    });
  }
  void run(pqxx::transaction_base& work, const char* statement) {
    if (count > 0) work.exec_prepared(statement, modules.text(), numbers.text(), bins.text());
  }
};

heatmap_part part_from(const pqxx::field& field) {
  const auto numbers = parse_numbers(text_of(field));
  heatmap_part part{};
  if (!numbers || numbers->size() != part.size())
    throw decode_error("a part of a heatmap is not of 64 bins");
  std::copy(numbers->begin(), numbers->end(), part.begin());
  return part;
}

heatmap_bins read_bins(pqxx::transaction_base& reading, const module_id& module,
                       media_ms duration_ms) {
  heatmap_bins bins{heatmap_layout::of(duration_ms), {}, {}};
  bins.viewer_ms.resize(bins.layout.bins);
  bins.play_ms.resize(bins.layout.bins);
  for (const auto& row : reading.exec_prepared("heatmap_parts", text(module.view()))) {
    const auto number = number_of<std::int64_t>(row[0]);
    if (!place_part(bins.viewer_ms, number, part_from(row[1])) ||
        !place_part(bins.play_ms, number, part_from(row[2])))
      throw decode_error("a heatmap has bins that its module has not");
  }
  return bins;
}

/// All coverages of a module, a few thousand at a time: as the transaction sees them now.
template <class Take>
std::uint64_t for_each_coverage(pqxx::transaction_base& work, const module_id& module,
                                Take&& take) {
  work.exec(
      "DECLARE coverages NO SCROLL CURSOR FOR SELECT coverage FROM progress WHERE module_id = " +
      work.quote(text(module.view())));
  std::uint64_t count = 0;
  for (;;) {
    const auto rows = work.exec("FETCH " + std::to_string(rows_at_once) + " FROM coverages");
    for (const auto& row : rows) {
      const auto covered = parse_multirange(text_of(row[0]));
      if (!covered) throw decode_error("a coverage is not sorted, or its gaps are not closed");
      take(*covered);
    }
    count += rows.size();
    if (rows.size() < static_cast<std::size_t>(rows_at_once)) break;
  }
  work.exec("CLOSE coverages");
  return count;
}

heatmap_recount recount(pqxx::transaction_base& work, const module_id& module, bool write) {
  work.exec("SET LOCAL statement_timeout = 0");
  const auto name = text(module.view());
  const auto right = work.exec_prepared("right_duration", name);
  const auto right_ms = number_of<media_ms>(right.at(0)[0]);
  std::optional<media_ms> recorded_ms;
  if (write && right_ms > 0) work.exec_prepared("add_heatmap", name, right_ms);
  // From here on no checkpoint adds to the module. One that has written coverage which cannot be
  // seen yet waits for this row, and adds to what is counted here.
  const auto rows = work.exec_prepared(write ? "lock_heatmap" : "read_heatmap", name);
  if (!rows.empty()) recorded_ms = number_of<media_ms>(rows[0][0]);

  auto duration_ms = right_ms > 0 ? right_ms : recorded_ms.value_or(0);
  if (duration_ms <= 0)
    for_each_coverage(work, module, [&](const coverage& covered) {
      if (!covered.empty()) duration_ms = std::max(duration_ms, covered.pieces().back().to_ms);
    });
  const auto bins = read_bins(work, module, recorded_ms.value_or(0));
  heatmap_bins counted{heatmap_layout::of(duration_ms), {}, {}};
  counted.viewer_ms.resize(counted.layout.bins);
  const auto students = for_each_coverage(work, module, [&](const coverage& covered) {
    for (const auto& piece : covered.pieces()) add_range(counted.viewer_ms, counted.layout, piece);
  });
  const auto recounted = compare_heatmaps(bins, counted, students);
  if (!write || counted.layout.bins == 0) return recounted;

  counted.play_ms = rebinned(bins.play_ms, bins.layout, counted.layout);
  work.exec_prepared("clear_heatmap", name, duration_ms);
  part_columns viewers, plays;
  viewers.add(module, counted.viewer_ms, 1);
  plays.add(module, counted.play_ms, 1);
  viewers.run(work, "add_viewers");
  plays.run(work, "add_plays");
  return recounted;
}

}  // namespace

std::vector<heatmap_delta> change_viewers(pqxx::work& work, const heatmap_growth& growth,
                                          bool add) {
  if (growth.modules().empty()) return {};
  module_durations durations;
  for (const auto& [module, more] : growth.modules()) durations[module] = more.duration_ms;
  // What is taken off is updated in any order: nobody else may be at it.
  const auto locked = lock_heatmaps(work, durations, add ? "lock_heatmaps" : "lock_heatmaps_alone");
  std::vector<heatmap_delta> changed;
  part_columns parts;
  for (const auto& [module, more] : growth.modules()) {
    heatmap_delta delta{module, locked.at(module), {}};
    const auto layout = heatmap_layout::of(delta.duration_ms);
    for (const auto& range : more.ranges) add_range(delta.ms, layout, range);
    parts.add(module, delta.ms, add ? 1 : -1);
    changed.push_back(std::move(delta));
  }
  parts.run(work, add ? "add_viewers" : "take_viewers");
  return changed;
}

stored<std::optional<heatmap_record>> postgres_ledger::heatmap_of(const module_id& module) {
  return session_.call([&](pqxx::connection& connection) {
    // One view of the durations and the parts.
    pqxx::transaction<pqxx::repeatable_read, pqxx::read_only> reading(connection);
    const auto name = text(module.view());
    std::optional<heatmap_record> found;
    const auto rows = reading.exec_prepared("read_heatmap", name);
    if (!rows.empty()) {
      const auto students = reading.exec_prepared("students_of_module", name);
      found = {read_bins(reading, module, number_of<media_ms>(rows[0][0])),
               number_of<std::uint64_t>(students.at(0)[0])};
    }
    return found;
  });
}

stored<std::uint64_t> postgres_ledger::students_of(const module_id& module) {
  return session_.call([&](pqxx::connection& connection) {
    pqxx::nontransaction reading(connection);
    return number_of<std::uint64_t>(
        reading.exec_prepared("students_of_module", text(module.view())).at(0)[0]);
  });
}

stored<ok_t> postgres_ledger::add_plays(std::span<const heatmap_delta> plays,
                                        std::string_view writer, std::int64_t sequence) {
  module_durations durations;
  for (const auto& more : plays) durations[more.module] = more.duration_ms;
  return session_.call([&](pqxx::connection& connection) {
    pqxx::work work(connection);
    if (work.exec_prepared("note_plays", text(writer), sequence).empty())
      return ok;  // made already
    if (!durations.empty()) {
      const auto locked = lock_heatmaps(work, durations);
      part_columns parts;
      // In the order of the modules: so are the rows locked.
      std::map<module_id, bin_sums> sums;
      for (const auto& more : plays)
        add_sums(sums[more.module], rebinned(more.ms, heatmap_layout::of(more.duration_ms),
                                             heatmap_layout::of(locked.at(more.module))));
      for (const auto& [module, ms] : sums) parts.add(module, ms, 1);
      parts.run(work, "add_plays");
    }
    work.commit();
    return ok;
  });
}

stored<heatmap_recount> postgres_ledger::recount_heatmap(const module_id& module, bool write) {
  return session_.call(
      [&](pqxx::connection& connection) {
        if (!write) {
          pqxx::transaction<pqxx::repeatable_read, pqxx::read_only> reading(connection);
          return recount(reading, module, false);
        }
        pqxx::work work(connection);
        const auto recounted = recount(work, module, true);
        work.commit();
        return recounted;
      },
      recount_limit);
}

stored<std::optional<module_id>> postgres_ledger::next_watched_module(
    const std::optional<module_id>& after) {
  return session_.call([&](pqxx::connection& connection) {
    pqxx::nontransaction reading(connection);
    const auto rows =
        reading.exec_prepared("next_watched_module", after ? text(after->view()) : std::string());
    std::optional<module_id> next;
    if (!rows.at(0)[0].is_null()) next = id_of<module_id>(rows[0][0]);
    return next;
  });
}

stored<ok_t> postgres_ledger::count_heatmaps_once() {
  auto counted = session_.call([](pqxx::connection& connection) {
    pqxx::nontransaction reading(connection);
    return !reading.exec("SELECT FROM deployment WHERE key = 'heatmaps'").empty();
  });
  if (!counted) return counted.error();
  if (*counted) return ok;
  if (auto done = recount_all_heatmaps(*this); !done) return done;
  return session_.call([](pqxx::connection& connection) {
    pqxx::nontransaction writing(connection);
    writing.exec(
        "INSERT INTO deployment (key, value) VALUES ('heatmaps', '1') ON CONFLICT (key) DO "
        "NOTHING");
    return ok;
  });
}

}  // namespace watchkeeper::storage::postgres
