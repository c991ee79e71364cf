import { type Heat, niceScale, resample, timeStep } from '../core/heat';
import { xOf } from '../core/strip';
import { colour } from '../core/theme';
import { clock, decimal, fine, share } from '../text/format';
import type { Draw } from './canvas';

export type Scale = 'share' | 'absolute';

/** The frame around the plot, in CSS pixels. */
export const HEIGHT = 252;
export const LEFT = 46;
export const RIGHT = 10;
export const TOP = 26;
export const BOTTOM = 24;
const LANE = 12;

/** Where things are, in device pixels. */
interface Layout {
  context: CanvasRenderingContext2D;
  scale: number;
  width: number;
  height: number;
  left: number;
  plotWidth: number;
  top: number;
  laneTop: number;
  floor: number;
}

function layoutOf(
  context: CanvasRenderingContext2D,
  width: number,
  height: number,
  scale: number,
): Layout {
  const left = Math.round(LEFT * scale);
  const laneTop = height - Math.round((BOTTOM + LANE) * scale);
  return {
    context,
    scale,
    width,
    height,
    left,
    plotWidth: width - left - Math.round(RIGHT * scale),
    top: Math.round(TOP * scale),
    laneTop,
    floor: laneTop - Math.round(6 * scale),
  };
}

/** Lines at quarters of the scale, under everything. */
function drawScale(layout: Layout, scaleBy: Scale, most: number, steps: number): void {
  const { context, scale, left, plotWidth, top, floor } = layout;
  context.textAlign = 'right';
  for (let step = 0; step <= steps; ++step) {
    const value = (most * step) / steps;
    const y = Math.round(floor - ((floor - top) * step) / steps);
    context.fillStyle = colour(step === 0 ? 'line-strong' : 'line');
    context.fillRect(left, y, plotWidth, Math.max(1, Math.round(scale)));
    context.fillStyle = colour('muted');
    const number = most >= 10_000 ? `${fine(value / 1000)}k` : decimal(value);
    context.fillText(scaleBy === 'share' ? share(value) : number, left - 8 * scale, y);
  }
}

function drawArea(layout: Layout, values: Float64Array, most: number, name: string): void {
  const { context, left, plotWidth, top, floor } = layout;
  context.fillStyle = colour(name);
  context.beginPath();
  context.moveTo(left, floor);
  for (let x = 0; x < plotWidth; ++x) {
    const y = floor - (values[x]! / most) * (floor - top);
    context.lineTo(left + x, y);
    context.lineTo(left + x + 1, y);
  }
  context.lineTo(left + plotWidth, floor);
  context.fill();
}

/** The lane: the same in one hue, so that it reads at a glance. */
function drawLane(layout: Layout, plays: Float64Array, peak: number): void {
  const { context, scale, left, plotWidth, laneTop } = layout;
  const ramp = [0, 1, 2, 3, 4, 5, 6].map((step) => colour(`heat-${step}`));
  for (let x = 0; x < plotWidth; ++x) {
    const step = plays[x]! <= 0 ? 0 : 1 + Math.min(5, Math.floor((plays[x]! / peak) * 6 - 1e-9));
    context.fillStyle = ramp[Math.max(step, 0)]!;
    context.fillRect(left + x, laneTop, 1, Math.round(LANE * scale));
  }
}

function drawTimes(layout: Layout, durationMs: number): void {
  const { context, scale, width, height, left, plotWidth } = layout;
  context.fillStyle = colour('muted');
  const stepMs = timeStep(durationMs, Math.max(2, Math.floor(plotWidth / (76 * scale))));
  const textY = height - Math.round(9 * scale);
  for (let at = 0; at <= durationMs; at += stepMs) {
    const x = left + xOf(at, durationMs, plotWidth);
    context.textAlign = at === 0 ? 'left' : x > width - 30 * scale ? 'right' : 'center';
    context.fillText(clock(at), at === 0 ? left : Math.min(x, width - 2 * scale), textY);
  }
}

/** Hotspots are brackets with a number, drop-offs a falling edge with a letter. */
function drawMarks(
  layout: Layout,
  { hotspots, drop_offs: dropOffs, duration_ms: durationMs }: Heat['document'],
): void {
  const { context, scale, left, plotWidth, top, floor } = layout;
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
}

export function drawHeat(heat: Heat, scaleBy: Scale): Draw {
  return (context, width, height, scale) => {
    const { duration_ms: durationMs, bin_ms: binMs } = heat.document;
    const layout = layoutOf(context, width, height, scale);
    const { plotWidth } = layout;
    if (plotWidth <= 0 || layout.floor <= layout.top) return;
    const whole = scaleBy === 'share' ? Math.max(heat.students, 1) : 1;
    const viewers = resample(heat.viewers, binMs, durationMs, plotWidth);
    const plays = resample(heat.plays, binMs, durationMs, plotWidth);
    const { most, steps } = niceScale(heat.peak / whole);
    const font = `${Math.round(11.5 * scale)}px ${getComputedStyle(document.body).fontFamily}`;
    context.font = font;
    context.textBaseline = 'middle';
    drawScale(layout, scaleBy, most, steps);
    // Plays behind, viewers before: what stays visible of the plays is rewatching.
    drawArea(layout, plays, whole * most, 'heat-again');
    drawArea(layout, viewers, whole * most, 'heat-viewers');
    drawLane(layout, plays, Math.max(heat.peak, 1e-9));
    drawTimes(layout, durationMs);
    context.textAlign = 'center';
    context.font = `600 ${font}`;
    drawMarks(layout, heat.document);
  };
}

export const letter = (at: number): string => String.fromCharCode(65 + (at % 26));
