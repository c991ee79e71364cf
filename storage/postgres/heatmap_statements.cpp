#include "storage/postgres/statements.hpp"

/// The statements of heatmaps. The order of locks: heatmap.hpp.
namespace watchkeeper::storage::postgres {
namespace {

constexpr statement heatmap_statements[] = {
    {"read_heatmap", "SELECT duration_ms FROM heatmap WHERE module_id = $1"},
    {"lock_heatmap", "SELECT duration_ms FROM heatmap WHERE module_id = $1 FOR UPDATE"},
    {"lock_heatmaps", R"(
      SELECT module_id, duration_ms FROM heatmap WHERE module_id = ANY ($1::text[])
      ORDER BY module_id FOR KEY SHARE)"},
    {"lock_heatmaps_alone", R"(
      SELECT module_id, duration_ms FROM heatmap WHERE module_id = ANY ($1::text[])
      ORDER BY module_id FOR UPDATE)"},
    {"add_heatmap", R"(
      INSERT INTO heatmap (module_id, duration_ms) VALUES ($1, $2)
      ON CONFLICT (module_id) DO NOTHING)"},
    {"add_heatmaps", R"(
      INSERT INTO heatmap (module_id, duration_ms)
      SELECT * FROM unnest($1::text[], $2::int4[]) AS g (module_id, duration_ms)
      ORDER BY module_id ON CONFLICT (module_id) DO NOTHING)"},
    {"heatmap_parts", R"(
      SELECT part, viewer_ms, play_ms FROM heatmap_part WHERE module_id = $1)"},
    {"add_viewers", R"(
      INSERT INTO heatmap_part AS h (module_id, part, viewer_ms, play_ms)
      SELECT g.module_id, g.part, g.bins::int8[], array_fill(0::int8, ARRAY[64])
      FROM unnest($1::text[], $2::int4[], $3::text[]) AS g (module_id, part, bins)
      ORDER BY g.module_id, g.part
      ON CONFLICT (module_id, part) DO UPDATE
      SET viewer_ms = watchkeeper_add_bins(h.viewer_ms, excluded.viewer_ms))"},
    {"add_plays", R"(
      INSERT INTO heatmap_part AS h (module_id, part, viewer_ms, play_ms)
      SELECT g.module_id, g.part, array_fill(0::int8, ARRAY[64]), g.bins::int8[]
      FROM unnest($1::text[], $2::int4[], $3::text[]) AS g (module_id, part, bins)
      ORDER BY g.module_id, g.part
      ON CONFLICT (module_id, part) DO UPDATE
      SET play_ms = watchkeeper_add_bins(h.play_ms, excluded.play_ms))"},
    // Of lives that ended.
    {"take_viewers", R"(
      UPDATE heatmap_part h SET viewer_ms = watchkeeper_add_bins(h.viewer_ms, g.bins::int8[])
      FROM unnest($1::text[], $2::int4[], $3::text[]) AS g (module_id, part, bins)
      WHERE h.module_id = g.module_id AND h.part = g.part)"},
    {"note_plays", R"(
      WITH old AS (
        DELETE FROM play_writer
        WHERE written_at < now() - interval '1 day' AND writer_id <> $1)
      INSERT INTO play_writer AS w (writer_id, sequence) VALUES ($1, $2)
      ON CONFLICT (writer_id) DO UPDATE
      SET sequence = excluded.sequence, written_at = now()
      WHERE w.sequence < excluded.sequence RETURNING 1)"},
    {"right_duration", R"(
      SELECT coalesce(
        (SELECT duration_ms FROM module WHERE module_id = $1),
        (SELECT max(duration_ms) FROM progress WHERE module_id = $1), 0))"},
    {"clear_heatmap", R"(
      WITH gone AS (DELETE FROM heatmap_part WHERE module_id = $1)
      UPDATE heatmap SET duration_ms = $2 WHERE module_id = $1)"},
};

}  // namespace

void prepare_heatmap_statements(pqxx::connection& connection) {
  for (const auto& [name, sql] : heatmap_statements) connection.prepare(name, sql);
}

}  // namespace watchkeeper::storage::postgres
