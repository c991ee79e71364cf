import type { ComponentChildren } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { visibleRows } from './visible';

/** A list that scrolls with the page and has only the rows in the document that can be seen. */
export function VirtualRows({ count, row_height, onRange, children }: {
  count: number;
  row_height: number;
  onRange: (first: number, last: number) => void;
  children: (first: number, last: number) => ComponentChildren;
}) {
  const frame = useRef<HTMLDivElement>(null);
  const [[first, last], setRange] = useState<[number, number]>([0, Math.min(count, 24)]);
  useLayoutEffect(() => {
    let waiting = 0;
    const measure = () => {
      waiting = 0;
      const element = frame.current;
      if (!element) return;
      const next = visibleRows(element.getBoundingClientRect().top, innerHeight, row_height, count);
      setRange((now) => (now[0] === next[0] && now[1] === next[1] ? now : next));
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
    };
  }, [count, row_height]);
  useEffect(() => onRange(first, last), [first, last, count]);
  return (
    <div ref={frame} class="virtual" role="rowgroup" style={{ height: `${count * row_height}px` }}>
      <div role="presentation" class="virtual-rows" style={{ transform: `translateY(${first * row_height}px)` }}>
        {children(first, Math.min(last, count))}
      </div>
    </div>
  );
}
