import { useRef, useState } from 'preact/hooks';
import { type Heat, niceScale, resample, timeStep } from '../core/heat';
import { msAt, xOf } from '../core/strip';
import { colour } from '../core/theme';
import { t } from '../text/en';
import { clock, decimal, fine, share } from '../text/format';
import { Canvas, type Draw } from './canvas';

export type Scale = 'share' | 'absolute';

const HEIGHT = 252;
const LEFT = 46;
const RIGHT = 10;
const TOP = 26;
const LANE = 12;
const BOTTOM = 24;

function draw(heat: Heat, scaleBy: Scale): Draw {
  return (context, width, height, scale) => {
    const { duration_ms: durationMs, bin_ms: binMs, hotspots, drop_offs: dropOffs } = heat.document;
    const { students } = heat;
    const left = Math.round(LEFT * scale);
    const plotWidth = width - left - Math.round(RIGHT * scale);
    const top = Math.round(TOP * scale);
    const laneTop = height - Math.round((BOTTOM + LANE) * scale);
    const floor = laneTop - Math.round(6 * scale);
    const tall = floor - top;
    if (plotWidth <= 0 || tall <= 0) return;
    const whole = scaleBy === 'share' ? Math.max(students, 1) : 1;
    const viewers = resample(heat.viewers, binMs, durationMs, plotWidth);
    const plays = resample(heat.plays, binMs, durationMs, plotWidth);
    const { most, steps } = niceScale(heat.peak / whole);
    const font = `${Math.round(11.5 * scale)}px ${getComputedStyle(document.body).fontFamily}`;
    context.font = font;
    context.textBaseline = 'middle';

    // Lines at quarters of the scale, under everything.
    context.textAlign = 'right';
    for (let step = 0; step <= steps; ++step) {
      const value = (most * step) / steps;
      const y = Math.round(floor - (tall * step) / steps);
      context.fillStyle = colour(step === 0 ? 'line-strong' : 'line');
      context.fillRect(left, y, plotWidth, Math.max(1, Math.round(scale)));
      context.fillStyle = colour('muted');
      context.fillText(
        scaleBy === 'share'
          ? share(value)
          : most >= 10_000
            ? `${fine(value / 1000)}k`
            : decimal(value),
        left - 8 * scale,
        y,
      );
    }

    // Plays behind, viewers before: what stays visible of the plays is rewatching.
    const area = (values: Float64Array, name: string) => {
      context.fillStyle = colour(name);
      context.beginPath();
      context.moveTo(left, floor);
      for (let x = 0; x < plotWidth; ++x) {
        const y = floor - (values[x]! / whole / most) * tall;
        context.lineTo(left + x, y);
        context.lineTo(left + x + 1, y);
      }
      context.lineTo(left + plotWidth, floor);
      context.fill();
    };
    area(plays, 'heat-again');
    area(viewers, 'heat-viewers');

    // The lane: the same in one hue, so that it reads at a glance.
    const ramp = [0, 1, 2, 3, 4, 5, 6].map((step) => colour(`heat-${step}`));
    const peak = Math.max(heat.peak, 1e-9);
    for (let x = 0; x < plotWidth; ++x) {
      const step = plays[x]! <= 0 ? 0 : 1 + Math.min(5, Math.floor((plays[x]! / peak) * 6 - 1e-9));
      context.fillStyle = ramp[Math.max(step, 0)]!;
      context.fillRect(left + x, laneTop, 1, Math.round(LANE * scale));
    }

    // Marks of time.
    context.fillStyle = colour('muted');
    const stepMs = timeStep(durationMs, Math.max(2, Math.floor(plotWidth / (76 * scale))));
    const textY = height - Math.round(9 * scale);
    for (let at = 0; at <= durationMs; at += stepMs) {
      const x = left + xOf(at, durationMs, plotWidth);
      context.textAlign = at === 0 ? 'left' : x > width - 30 * scale ? 'right' : 'center';
      context.fillText(clock(at), at === 0 ? left : Math.min(x, width - 2 * scale), textY);
    }

    // Hotspots are brackets with a number, drop-offs a falling edge with a letter.
    context.textAlign = 'center';
    context.font = `600 ${font}`;
    hotspots.forEach((spot, at) => {
      const from = left + xOf(spot.from_ms, durationMs, plotWidth);
      const to = left + xOf(spot.to_ms, durationMs, plotWidth);
      context.fillStyle = colour('heat-again');
      context.fillRect(from, top - 7 * scale, Math.max(to - from, 3 * scale), 3 * scale);
      context.fillStyle = colour('text');
      context.fillText(String(at + 1), (from + to) / 2, top - 15 * scale);
    });
    dropOffs.forEach((drop, at) => {
      const x = left + xOf(drop.at_ms, durationMs, plotWidth);
      context.strokeStyle = colour('drop');
      context.lineWidth = 1.5 * scale;
      context.setLineDash([4 * scale, 3 * scale]);
      context.beginPath();
      context.moveTo(x, top - 4 * scale);
      context.lineTo(x, floor);
      context.stroke();
      context.setLineDash([]);
      context.fillStyle = colour('drop');
      context.fillText(letter(at), x, top - 15 * scale);
    });
  };
}

export const letter = (at: number): string => String.fromCharCode(65 + (at % 26));

/** The engagement of a module over its time; a slider for the keyboard. */
export function Heatmap({
  heat,
  version,
  width,
  scale,
  atMs,
  onMove,
  onPlay,
}: {
  heat: Heat;
  version: number;
  width: number;
  scale: Scale;
  atMs: number | undefined;
  onMove: (atMs: number | undefined) => void;
  onPlay: ((atMs: number) => void) | undefined;
}) {
  const { duration_ms: durationMs, bin_ms: binMs } = heat.document;
  const { students } = heat;
  const plotWidth = Math.max(width - LEFT - RIGHT, 1);
  const frame = useRef<HTMLDivElement>(null);
  const [focused, setFocused] = useState(false);
  const timeAt = (event: MouseEvent) =>
    msAt(event.clientX - frame.current!.getBoundingClientRect().left - LEFT, durationMs, plotWidth);
  const index = heat.indexAt(atMs ?? 0);
  const viewers = heat.viewers[index] ?? 0;
  const plays = heat.plays[index] ?? 0;
  const readOut = t.heat.readOut(
    heat.startOf(index),
    fine(viewers),
    share(viewers / Math.max(students, 1)),
    fine(plays),
  );
  const key = (event: KeyboardEvent) => {
    const steps: Record<string, number> = {
      ArrowRight: 1,
      ArrowUp: 1,
      ArrowLeft: -1,
      ArrowDown: -1,
      PageUp: 10,
      PageDown: -10,
      Home: -Infinity,
      End: Infinity,
    };
    if (event.key === 'Enter' && atMs !== undefined) onPlay?.(atMs);
    if (event.key === 'Escape') onMove(undefined);
    const step = steps[event.key];
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
      aria-valuetext={readOut}
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
        draw={draw(heat, scale)}
      />
      {atMs !== undefined && (
        <>
          <i
            class="heat-cursor"
            style={{ left: `${x}px`, top: `${TOP}px`, height: `${HEIGHT - TOP - BOTTOM}px` }}
          />
          <div
            class="tip heat-tip"
            style={{ left: `${Math.min(Math.max(x, 92), Math.max(width - 92, 92))}px` }}
          >
            <b>{clock(atMs)}</b>
            <span>
              <i class="key key-viewers" />
              {t.heat.viewers}{' '}
              <em>{scale === 'share' ? share(viewers / Math.max(students, 1)) : fine(viewers)}</em>
            </span>
            <span>
              <i class="key key-again" />
              {t.heat.again}{' '}
              <em>
                {scale === 'share'
                  ? share((plays - viewers) / Math.max(students, 1))
                  : fine(plays - viewers)}
              </em>
            </span>
          </div>
        </>
      )}
    </div>
  );
}

const TABLE_ROWS_MAX = 60;

/** The same in words: at most so many rows, each the mean of its bins. */
export function HeatTable({ heat }: { heat: Heat }) {
  const { duration_ms: durationMs, bin_ms: binMs } = heat.document;
  const { students } = heat;
  const rows = Math.min(heat.bins, TABLE_ROWS_MAX);
  const viewers = resample(heat.viewers, binMs, durationMs, rows);
  const plays = resample(heat.plays, binMs, durationMs, rows);
  const { time, viewers: seen, share: part, plays: all, again } = t.heat.column;
  return (
    <div class="scroll" tabIndex={0} role="group" aria-label={t.heat.title}>
      <table>
        <thead>
          <tr>
            <th scope="col">{time}</th>
            <th scope="col" class="right">
              {seen}
            </th>
            <th scope="col" class="right">
              {part}
            </th>
            <th scope="col" class="right">
              {all}
            </th>
            <th scope="col" class="right">
              {again}
            </th>
          </tr>
        </thead>
        <tbody>
          {Array.from(viewers, (value, row) => (
            <tr key={row}>
              <th scope="row">{`${clock((row * durationMs) / rows)}–${clock(((row + 1) * durationMs) / rows)}`}</th>
              <td class="right">{fine(value)}</td>
              <td class="right">{share(value / Math.max(students, 1))}</td>
              <td class="right">{fine(plays[row]!)}</td>
              <td class="right">{fine(plays[row]! - value)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
