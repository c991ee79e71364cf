/** Rows that are drawn beyond the window, so that scrolling does not show empty ones. */
export const OVERSCAN = 4;

/** Which rows of a list of equal heights lie in the window; `top` is where the list begins. Pure. */
export function visibleRows(
  top: number,
  window_height: number,
  row_height: number,
  count: number,
  overscan = OVERSCAN,
): [number, number] {
  const first = Math.max(0, Math.floor(-top / row_height) - overscan);
  const last = Math.min(count, Math.ceil((window_height - top) / row_height) + overscan);
  return first < last ? [first, last] : [0, Math.min(count, overscan)];
}
