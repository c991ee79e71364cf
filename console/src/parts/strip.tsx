import { useState } from 'preact/hooks';
import { contains, gaps, type Range } from '../core/ranges';
import { msAt, pixelRuns, xOf } from '../core/strip';
import { colour } from '../core/theme';
import { t } from '../text/en';
import { clockRange } from '../text/format';
import { Canvas } from './canvas';
import { memo } from './memo';

export const STRIP_HEIGHT = 18;
const NAMED_GAPS_MAX = 3;

/** The missing parts in words, the first few of them. */
export function missingText(coverage: readonly Range[], duration_ms: number): string {
  const missing = gaps(coverage, duration_ms).filter(([from, to]) => to - from >= 1000);
  const named = missing.slice(0, NAMED_GAPS_MAX).map(([from, to]) => clockRange(from, to));
  return missing.length === 0
    ? ''
    : t.students.missing(named.join(', '), missing.length - named.length);
}

export interface StripProps {
  coverage: readonly Range[];
  again: readonly Range[];
  duration_ms: number;
  width: number;
  version: number;
  label: string;
  resume_ms?: number;
  onPlay?: ((at_ms: number) => void) | undefined;
}

/** What one student saw of one module, along its time. */
export const Strip = memo(function Strip({
  coverage,
  again,
  duration_ms,
  width,
  version,
  label,
  resume_ms,
  onPlay,
}: StripProps) {
  const [at_ms, setAt] = useState<number>();
  const move = (event: PointerEvent) => {
    const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
    setAt(msAt(event.clientX - box.left, duration_ms, box.width));
  };
  const what =
    at_ms === undefined
      ? ''
      : contains(again, at_ms)
        ? t.students.at.again
        : contains(coverage, at_ms)
          ? t.students.at.seen
          : t.students.at.missing;
  return (
    <div
      class={onPlay ? 'strip strip-plays' : 'strip'}
      role="img"
      aria-label={label}
      onPointerMove={move}
      onPointerLeave={() => setAt(undefined)}
      onClick={(event) => {
        if (!onPlay) return;
        const box = event.currentTarget.getBoundingClientRect();
        onPlay(msAt(event.clientX - box.left, duration_ms, box.width));
      }}
    >
      <Canvas
        width={width}
        height={STRIP_HEIGHT}
        keys={[version, coverage, again, duration_ms, resume_ms]}
        draw={(context, device_width, height, scale) => {
          context.fillStyle = colour('strip-track');
          context.fillRect(0, 0, device_width, height);
          context.fillStyle = colour('strip-seen');
          for (const [from, to] of pixelRuns(coverage, duration_ms, device_width))
            context.fillRect(from, 0, to - from, height);
          context.fillStyle = colour('strip-again');
          for (const [from, to] of pixelRuns(again, duration_ms, device_width))
            context.fillRect(from, 0, to - from, height);
          if (resume_ms !== undefined && resume_ms < duration_ms) {
            const x = Math.round(xOf(resume_ms, duration_ms, device_width));
            context.fillStyle = colour('text');
            context.fillRect(
              Math.min(Math.max(x - scale, 0), device_width - 2 * scale),
              height - 5 * scale,
              2 * scale,
              5 * scale,
            );
          }
        }}
      />
      {at_ms !== undefined && (
        <>
          <i class="strip-cursor" style={{ left: `${xOf(at_ms, duration_ms, width)}px` }} />
          <span
            class="tip"
            style={{
              left: `${Math.min(Math.max(xOf(at_ms, duration_ms, width), 56), Math.max(width - 56, 56))}px`,
            }}
          >
            {t.students.strip_tip(at_ms, what)}
          </span>
        </>
      )}
    </div>
  );
});
