import type { Range } from './ranges';

/** Where `at_ms` lies on `width` pixels; not rounded. */
export function xOf(at_ms: number, duration_ms: number, width: number): number {
  return duration_ms > 0 ? (Math.min(Math.max(at_ms, 0), duration_ms) / duration_ms) * width : 0;
}

/** The media time under a pixel, within the module. */
export function msAt(x: number, duration_ms: number, width: number): number {
  if (width <= 0) return 0;
  return Math.min(Math.max(Math.round((x / width) * duration_ms), 0), Math.max(duration_ms - 1, 0));
}

/**
 * Ranges as whole device pixels [from, to). Every piece keeps at least one pixel, and so does every
 * gap between two pieces for as long as there is room: a skipped second must not vanish because the
 * video is long. Neighbours that meet for want of room become one.
 */
export function pixelRuns(
  ranges: readonly Range[],
  duration_ms: number,
  width: number,
): [number, number][] {
  const runs: [number, number][] = [];
  for (const [from_ms, to_ms] of ranges) {
    let from = Math.round(xOf(from_ms, duration_ms, width));
    let to = Math.round(xOf(to_ms, duration_ms, width));
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
