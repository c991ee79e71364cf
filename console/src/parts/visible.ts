/** Rows that are drawn beyond the window, so that scrolling does not show empty ones. */
export const OVERSCAN = 4;

/** Which rows of a list of equal heights lie in the window; `top` is where the list begins. Pure. */
export function visibleRows(
  top: number,
  windowHeight: number,
  rowHeight: number,
  count: number,
  overscan = OVERSCAN,
): [number, number] {
  const first = Math.max(0, Math.floor(-top / rowHeight) - overscan);
  const last = Math.min(count, Math.ceil((windowHeight - top) / rowHeight) + overscan);
  return first < last ? [first, last] : [0, Math.min(count, overscan)];
}
