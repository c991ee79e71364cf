// Sets of media time: [from, to) pairs in milliseconds, as the gateway keeps them.

/** Gaps up to so much are closed: players report their position four times a second. */
export const gapClosedMs = 250;

/** The union, sorted; gaps up to `gapMs` are closed. */
export function union(intervals, gapMs = gapClosedMs) {
  const sorted = intervals.filter(([from, to]) => to > from).sort((a, b) => a[0] - b[0]);
  const joined = [];
  for (const [from, to] of sorted) {
    const last = joined.at(-1);
    if (last && from - last[1] <= gapMs) last[1] = Math.max(last[1], to);
    else joined.push([from, to]);
  }
  return joined;
}

export const lengthOf = (intervals) => intervals.reduce((sum, [from, to]) => sum + to - from, 0);
export const contains = (set, [from, to]) => set.some(([a, b]) => a <= from && to <= b);
export const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);
