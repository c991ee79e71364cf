// Pieces of media time: lists of [from, to).

export function unite(ranges, gap = 250) {
  const out = [];
  for (const [from, to] of [...ranges].sort((a, b) => a[0] - b[0])) {
    const last = out.at(-1);
    if (last && from - last[1] <= gap) last[1] = Math.max(last[1], to);
    else out.push([from, to]);
  }
  return out;
}

export function minus([from, to], covered) {
  const left = [];
  let at = from;
  for (const [a, b] of covered) {
    if (b <= at || a >= to) continue;
    if (a > at) left.push([at, a]);
    at = b;
  }
  if (at < to) left.push([at, to]);
  return left;
}

export const lengthOf = (ranges) => ranges.reduce((sum, [from, to]) => sum + to - from, 0);
