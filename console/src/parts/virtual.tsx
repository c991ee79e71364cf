import type { ComponentChildren } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { visibleRows } from './visible';

/** Rows that are all others than before are put in so often at most: nobody reads while they fly by. */
const REPLACED_EVERY_MS = 60;

/** A list that scrolls with the page and has only the rows in the document that can be seen. */
export function VirtualRows({
  count,
  rowHeight,
  onRange,
  children,
}: {
  count: number;
  rowHeight: number;
  onRange: (first: number, last: number) => void;
  children: (first: number, last: number) => ComponentChildren;
}) {
  const frame = useRef<HTMLDivElement>(null);
  const [[first, last], setRange] = useState<[number, number]>([0, Math.min(count, 24)]);
  const shown = useRef<[number, number]>([first, last]);
  const replacedAt = useRef(0);
  useLayoutEffect(() => {
    let waiting = 0;
    let again: ReturnType<typeof setTimeout> | undefined;
    const measure = () => {
      waiting = 0;
      const element = frame.current;
      if (!element) return;
      const next = visibleRows(element.getBoundingClientRect().top, innerHeight, rowHeight, count);
      const now = shown.current;
      if (now[0] === next[0] && now[1] === next[1]) return;
      const waitMs =
        next[0] >= now[1] || next[1] <= now[0]
          ? replacedAt.current + REPLACED_EVERY_MS - performance.now()
          : 0;
      clearTimeout(again);
      if (waitMs > 0) {
        again = setTimeout(later, waitMs);
        return;
      }
      replacedAt.current = performance.now();
      shown.current = next;
      setRange(next);
    };
    const later = () => (waiting ||= requestAnimationFrame(measure));
    measure();
    addEventListener('scroll', later, { passive: true });
    addEventListener('resize', later);
    // What stands above may grow and push the list down.
    const observer = new ResizeObserver(later);
    observer.observe(document.body);
    return () => {
      removeEventListener('scroll', later);
      removeEventListener('resize', later);
      observer.disconnect();
      cancelAnimationFrame(waiting);
      clearTimeout(again);
    };
  }, [count, rowHeight]);
  useEffect(() => onRange(first, last), [first, last, count]);
  return (
    <div ref={frame} class="virtual" role="rowgroup" style={{ height: `${count * rowHeight}px` }}>
      <div
        role="presentation"
        class="virtual-rows"
        style={{ transform: `translateY(${first * rowHeight}px)` }}
      >
        {children(first, Math.min(last, count))}
      </div>
    </div>
  );
}
