/** Sets of media time: sorted, disjoint [from_ms, to_ms) pairs, ends not included. */
export type Range = readonly [from_ms: number, to_ms: number];

/** What the gateway closes when it unites two pieces (protocol section 5, rule 4). */
export const CLOSED_GAP_MS = 250;

/** The union; gaps of up to `gapMs` are closed. Neither input is changed. */
export function unite(a: readonly Range[], b: readonly Range[], gapMs = 0): Range[] {
  if (b.length === 0) return a.slice();
  const all = [...a, ...b].filter(([from, to]) => to > from).sort((x, y) => x[0] - y[0]);
  const united: [number, number][] = [];
  for (const [from, to] of all) {
    const last = united[united.length - 1];
    if (last && from - last[1] <= gapMs) last[1] = Math.max(last[1], to);
    else united.push([from, to]);
  }
  return united;
}

/** What of `a` is not in `b`; `b` is sorted and disjoint. */
export function subtract(a: readonly Range[], b: readonly Range[]): Range[] {
  const left: Range[] = [];
  for (const [from, to] of a) {
    let at = from;
    for (const [cutFrom, cutTo] of b) {
      if (cutTo <= at) continue;
      if (cutFrom >= to) break;
      if (cutFrom > at) left.push([at, cutFrom]);
      at = Math.max(at, cutTo);
    }
    if (at < to) left.push([at, to]);
  }
  return left;
}

/** What is not covered between 0 and the end. */
export function gaps(covered: readonly Range[], durationMs: number): Range[] {
  return subtract([[0, durationMs]], covered);
}

export function lengthOf(ranges: readonly Range[]): number {
  return ranges.reduce((sum, [from, to]) => sum + to - from, 0);
}

/** Whether `atMs` lies in one of them. Binary search. */
export function contains(ranges: readonly Range[], atMs: number): boolean {
  let low = 0;
  let high = ranges.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ranges[middle]![1] <= atMs) low = middle + 1;
    else high = middle;
  }
  const found = ranges[low];
  return found !== undefined && found[0] <= atMs;
}
