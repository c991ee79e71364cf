import { useRef, useState } from 'preact/hooks';
import type { Heat } from '../core/heat';
import { msAt, xOf } from '../core/strip';
import { t } from '../text/en';
import { clock, fine, share } from '../text/format';
import { Canvas } from './canvas';
import { BOTTOM, drawHeat, HEIGHT, LEFT, RIGHT, type Scale, TOP } from './heat-drawing';

const KEY_STEPS: Record<string, number> = {
  ArrowRight: 1,
  ArrowUp: 1,
  ArrowLeft: -1,
  ArrowDown: -1,
  PageUp: 10,
  PageDown: -10,
  Home: -Infinity,
  End: Infinity,
};

/** The figures under the cursor. */
function Tip({
  heat,
  scale,
  atMs,
  x,
  width,
}: {
  heat: Heat;
  scale: Scale;
  atMs: number;
  x: number;
  width: number;
}) {
  const index = heat.indexAt(atMs);
  const viewers = heat.viewers[index] ?? 0;
  const plays = heat.plays[index] ?? 0;
  const shown = (n: number) =>
    scale === 'share' ? share(n / Math.max(heat.students, 1)) : fine(n);
  return (
    <div
      class="tip heat-tip"
      style={{ left: `${Math.min(Math.max(x, 92), Math.max(width - 92, 92))}px` }}
    >
      <b>{clock(atMs)}</b>
      <span>
        <i class="key key-viewers" />
        {t.heat.viewers} <em>{shown(viewers)}</em>
      </span>
      <span>
        <i class="key key-again" />
        {t.heat.again} <em>{shown(plays - viewers)}</em>
      </span>
    </div>
  );
}

interface HeatmapProps {
  heat: Heat;
  version: number;
  width: number;
  scale: Scale;
  atMs: number | undefined;
  onMove: (atMs: number | undefined) => void;
  onPlay: ((atMs: number) => void) | undefined;
}

function readOutOf(heat: Heat, index: number): string {
  const viewers = heat.viewers[index] ?? 0;
  const plays = heat.plays[index] ?? 0;
  const part = share(viewers / Math.max(heat.students, 1));
  return t.heat.readOut(heat.startOf(index), fine(viewers), part, fine(plays));
}

/** The engagement of a module over its time; a slider for the keyboard. */
export function Heatmap({ heat, version, width, scale, atMs, onMove, onPlay }: HeatmapProps) {
  const { duration_ms: durationMs, bin_ms: binMs } = heat.document;
  const plotWidth = Math.max(width - LEFT - RIGHT, 1);
  const frame = useRef<HTMLDivElement>(null);
  const [focused, setFocused] = useState(false);
  const timeAt = (event: MouseEvent) =>
    msAt(event.clientX - frame.current!.getBoundingClientRect().left - LEFT, durationMs, plotWidth);
  const index = heat.indexAt(atMs ?? 0);
  const key = (event: KeyboardEvent) => {
    if (event.key === 'Enter' && atMs !== undefined) onPlay?.(atMs);
    if (event.key === 'Escape') onMove(undefined);
    const step = KEY_STEPS[event.key];
    if (step === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    // The first key shows the cursor where it is; the following ones move it.
    const to = atMs === undefined && Number.isFinite(step) ? 0 : index + step;
    onMove(heat.startOf(Math.min(Math.max(to, 0), heat.bins - 1)));
  };
  const x = atMs === undefined ? 0 : LEFT + xOf(atMs, durationMs, plotWidth);
  return (
    <div
      ref={frame}
      class={onPlay ? 'heatmap heatmap-plays' : 'heatmap'}
      role="slider"
      tabIndex={0}
      aria-label={t.heat.position}
      aria-valuemin={0}
      aria-valuemax={Math.round(durationMs / 1000)}
      aria-valuenow={Math.round(heat.startOf(index) / 1000)}
      aria-valuetext={readOutOf(heat, index)}
      data-bin-ms={binMs}
      onKeyDown={key}
      onFocus={() => setFocused(true)}
      onBlur={() => setFocused(false)}
      onPointerMove={(event) => onMove(timeAt(event))}
      onPointerLeave={() => !focused && onMove(undefined)}
      onClick={(event) => {
        const at = timeAt(event);
        onMove(at);
        onPlay?.(at);
      }}
    >
      <Canvas
        width={width}
        height={HEIGHT}
        keys={[heat, version, scale]}
        draw={drawHeat(heat, scale)}
      />
      {atMs !== undefined && (
        <>
          <i
            class="heat-cursor"
            style={{ left: `${x}px`, top: `${TOP}px`, height: `${HEIGHT - TOP - BOTTOM}px` }}
          />
          <Tip heat={heat} scale={scale} atMs={atMs} x={x} width={width} />
        </>
      )}
    </div>
  );
}
