import type { Range } from './ranges';

/** Where `atMs` lies on `width` pixels; not rounded. */
export function xOf(atMs: number, durationMs: number, width: number): number {
  return durationMs > 0 ? (Math.min(Math.max(atMs, 0), durationMs) / durationMs) * width : 0;
}

/** The media time under a pixel, within the module. */
export function msAt(x: number, durationMs: number, width: number): number {
  if (width <= 0) return 0;
  return Math.min(Math.max(Math.round((x / width) * durationMs), 0), Math.max(durationMs - 1, 0));
}

/**
 * Ranges as whole device pixels [from, to). Every piece keeps at least one pixel, and so does every
 * gap between two pieces for as long as there is room: a skipped second must not vanish because the
 * video is long. Neighbours that meet for want of room become one.
 */
export function pixelRuns(
  ranges: readonly Range[],
  durationMs: number,
  width: number,
): [number, number][] {
  const runs: [number, number][] = [];
  for (const [fromMs, toMs] of ranges) {
    let from = Math.round(xOf(fromMs, durationMs, width));
    let to = Math.round(xOf(toMs, durationMs, width));
    const last = runs[runs.length - 1];
    if (last && from <= last[1]) {
      if (last[1] - last[0] > 1 && from < last[1] + 1) {
        // Take the pixel from whichever piece has more of them.
        if (to - from > last[1] - last[0]) from = last[1] + 1;
        else {
          last[1] = Math.max(last[0] + 1, from - 1);
          from = Math.max(from, last[1] + 1);
        }
      } else from = last[1] + 1;
    }
    if (to <= from) to = from + 1;
    if (from >= width) {
      from = width - 1;
      to = width;
    }
    to = Math.min(to, width);
    if (last && from <= last[1]) last[1] = Math.max(last[1], to);
    else runs.push([from, to]);
  }
  return runs;
}
