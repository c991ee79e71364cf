// The heatmap of a module.
import { db } from './state.mjs';

export const heats = new Map();
const binMs = (module) =>
  module.duration_ms <= 600_000 ? 1000 : Math.ceil(module.duration_ms / 1000);
export function heatOf(id) {
  const module = db.modules[id];
  let heat = heats.get(id);
  if (!heat || heat.duration_ms !== module.duration_ms) {
    const bins = Math.ceil(module.duration_ms / binMs(module));
    heat = {
      duration_ms: module.duration_ms,
      bin_ms: binMs(module),
      viewers: new Float64Array(bins),
      plays: new Float64Array(bins),
    };
    heats.set(id, heat);
    for (const document of Object.values(db.progress[id] ?? {})) {
      spread(heat, heat.viewers, document.coverage);
      spread(heat, heat.plays, document.passes ?? document.coverage);
    }
  }
  return heat;
}

/** Adds the ranges to the bins `into`; `deltas[bin][which]` gets what was added. */
export function spread(heat, into, ranges, deltas, which) {
  for (const [from, to] of ranges)
    for (
      let bin = Math.floor(from / heat.bin_ms);
      bin * heat.bin_ms < to && bin < into.length;
      ++bin
    ) {
      const end = Math.min((bin + 1) * heat.bin_ms, heat.duration_ms);
      const start = bin * heat.bin_ms;
      const part = Math.max(0, Math.min(to, end) - Math.max(from, start)) / (end - start);
      into[bin] += part;
      if (!deltas) continue;
      deltas[bin] ??= [0, 0];
      deltas[bin][which] += part;
    }
}

const round = (value) => Math.round(value * 100) / 100;

function hotspotsOf(heat) {
  const hot = [];
  const ratio = [...heat.plays].map((plays, at) =>
    heat.viewers[at] > 2 ? plays / heat.viewers[at] : 0,
  );
  for (let at = 0; at < ratio.length; ++at)
    if (ratio[at] > 1.4) {
      let end = at;
      while (ratio[end + 1] > 1.4) ++end;
      if (end - at >= 4)
        hot.push({
          from_ms: at * heat.bin_ms,
          to_ms: Math.min((end + 1) * heat.bin_ms, heat.duration_ms),
          plays_per_viewer: round(
            ratio.slice(at, end + 1).reduce((a, b) => a + b) / (end + 1 - at),
          ),
        });
      at = end;
    }
  return hot.sort((a, b) => b.plays_per_viewer - a.plays_per_viewer).slice(0, 5);
}

function dropOffsOf(heat, students) {
  const drops = [];
  for (let at = 1; at < heat.viewers.length; ++at) {
    const lost = heat.viewers[at - 1] - heat.viewers[at];
    if (lost >= Math.max(3, students * 0.04))
      drops.push({
        at_ms: at * heat.bin_ms,
        lost: Math.round(lost),
        share: round(lost / students),
      });
  }
  return drops.sort((a, b) => b.lost - a.lost).slice(0, 5);
}

/** The document of `/v1/modules/{module}/heatmap`. */
export function heatmap(id) {
  const heat = heatOf(id);
  const students = Object.keys(db.progress[id] ?? {}).length;
  return {
    module: id,
    duration_ms: heat.duration_ms,
    bin_ms: heat.bin_ms,
    bins: heat.viewers.length,
    viewers: [...heat.viewers].map(round),
    plays: [...heat.plays].map(round),
    students,
    hotspots: hotspotsOf(heat),
    drop_offs: dropOffsOf(heat, students),
    as_of: new Date().toISOString(),
  };
}
