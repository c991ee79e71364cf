import { useState } from 'preact/hooks';
import { contains, gaps, type Range } from '../core/ranges';
import { msAt, pixelRuns, xOf } from '../core/strip';
import { colour } from '../core/theme';
import { t } from '../text/en';
import { clockRange } from '../text/format';
import { Canvas, type Draw } from './canvas';
import { memo } from './memo';

export const STRIP_HEIGHT = 18;
const NAMED_GAPS_MAX = 3;

/** The missing parts in words, the first few of them. */
export function missingText(coverage: readonly Range[], durationMs: number): string {
  const missing = gaps(coverage, durationMs).filter(([from, to]) => to - from >= 1000);
  const named = missing.slice(0, NAMED_GAPS_MAX).map(([from, to]) => clockRange(from, to));
  return missing.length === 0
    ? ''
    : t.students.missing(named.join(', '), missing.length - named.length);
}

export interface StripProps {
  coverage: readonly Range[];
  again: readonly Range[];
  durationMs: number;
  width: number;
  version: number;
  label: string;
  resumeMs?: number;
  onPlay?: ((atMs: number) => void) | undefined;
}

function drawStrip(
  coverage: readonly Range[],
  again: readonly Range[],
  durationMs: number,
  resumeMs: number | undefined,
): Draw {
  return (context, deviceWidth, height, scale) => {
    context.fillStyle = colour('strip-track');
    context.fillRect(0, 0, deviceWidth, height);
    context.fillStyle = colour('strip-seen');
    for (const [from, to] of pixelRuns(coverage, durationMs, deviceWidth))
      context.fillRect(from, 0, to - from, height);
    context.fillStyle = colour('strip-again');
    for (const [from, to] of pixelRuns(again, durationMs, deviceWidth))
      context.fillRect(from, 0, to - from, height);
    if (resumeMs !== undefined && resumeMs < durationMs) {
      const x = Math.round(xOf(resumeMs, durationMs, deviceWidth));
      context.fillStyle = colour('text');
      context.fillRect(
        Math.min(Math.max(x - scale, 0), deviceWidth - 2 * scale),
        height - 5 * scale,
        2 * scale,
        5 * scale,
      );
    }
  };
}

/** What one student saw of one module, along its time. */
export const Strip = memo(function Strip({
  coverage,
  again,
  durationMs,
  width,
  version,
  label,
  resumeMs,
  onPlay,
}: StripProps) {
  const [atMs, setAt] = useState<number>();
  const move = (event: PointerEvent) => {
    const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
    setAt(msAt(event.clientX - box.left, durationMs, box.width));
  };
  const what =
    atMs === undefined
      ? ''
      : contains(again, atMs)
        ? t.students.at.again
        : contains(coverage, atMs)
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
        onPlay(msAt(event.clientX - box.left, durationMs, box.width));
      }}
    >
      <Canvas
        width={width}
        height={STRIP_HEIGHT}
        keys={[version, coverage, again, durationMs, resumeMs]}
        draw={drawStrip(coverage, again, durationMs, resumeMs)}
      />
      {atMs !== undefined && (
        <>
          <i class="strip-cursor" style={{ left: `${xOf(atMs, durationMs, width)}px` }} />
          <span
            class="tip"
            style={{
              left: `${Math.min(Math.max(xOf(atMs, durationMs, width), 56), Math.max(width - 56, 56))}px`,
            }}
          >
            {t.students.stripTip(atMs, what)}
          </span>
        </>
      )}
    </div>
  );
});
