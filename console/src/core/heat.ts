/** The heatmap of one module: how many saw each bin, how often it was played. */
export interface Hotspot {
  from_ms: number;
  to_ms: number;
  plays_per_viewer: number;
}
export interface DropOff {
  at_ms: number;
  lost: number;
  share: number;
}
export interface HeatmapDocument {
  module: string;
  duration_ms: number;
  bin_ms: number;
  bins: number;
  viewers: number[];
  plays: number[];
  students: number;
  hotspots: Hotspot[];
  drop_offs: DropOff[];
  as_of: string;
}

/** [bin, viewers to add, plays to add] of the live stream. */
export type BinDelta = readonly [index: number, viewers: number, plays: number];

/** What was added, and when the first of it was acknowledged, by the gateway's clock. */
export interface HeatDelta {
  bins: BinDelta[];
  sinceMs: number;
}

export class Heat {
  readonly viewers: Float64Array;
  readonly plays: Float64Array;
  /** What was acknowledged before is in the document. */
  readonly asOfMs: number;

  constructor(readonly document: HeatmapDocument) {
    const { viewers, plays } = document;
    if (viewers.length !== plays.length) throw new RangeError('viewers and plays differ in length');
    this.viewers = Float64Array.from(viewers);
    this.plays = Float64Array.from(plays);
    this.asOfMs = Date.parse(document.as_of);
  }

  get bins(): number {
    return this.viewers.length;
  }

  /** Adds what the live stream brings, unless its first part was acknowledged before the document was made. */
  follow({ bins, sinceMs }: HeatDelta): void {
    if (!(sinceMs < this.asOfMs)) this.apply(bins);
  }

  /** An index out of range belongs to another binning: left out. */
  apply(deltas: readonly BinDelta[]): void {
    for (const [index, viewers, plays] of deltas) {
      if (!Number.isInteger(index) || index < 0 || index >= this.bins) continue;
      this.viewers[index] = Math.max(0, this.viewers[index]! + viewers);
      // A pass is at least as much as what it newly covered.
      this.plays[index] = Math.max(this.viewers[index]!, this.plays[index]! + plays);
    }
  }

  indexAt(atMs: number): number {
    const index = Math.floor(atMs / this.document.bin_ms);
    return Math.min(Math.max(index, 0), Math.max(this.bins - 1, 0));
  }

  startOf(index: number): number {
    return index * this.document.bin_ms;
  }

  endOf(index: number): number {
    return Math.min((index + 1) * this.document.bin_ms, this.document.duration_ms);
  }

  get peak(): number {
    return this.plays.reduce((most, value) => Math.max(most, value), 0);
  }

  /** Those who came since the document was made are at least as many as one bin has viewers. */
  get students(): number {
    const seen = this.viewers.reduce((most, value) => Math.max(most, value), 0);
    return Math.max(this.document.students, Math.ceil(seen - 0.01));
  }
}

/**
 * The mean of `values` in each of `columns` equal parts of the time axis, weighted by how much of a
 * bin lies in the part. `bin_ms` is the length of every bin but the last.
 */
export function resample(
  values: Float64Array,
  binMs: number,
  durationMs: number,
  columns: number,
): Float64Array {
  const means = new Float64Array(Math.max(columns, 0));
  if (values.length === 0 || durationMs <= 0) return means;
  const step = durationMs / columns;
  for (let column = 0; column < columns; ++column) {
    const from = column * step;
    const to = from + step;
    const first = Math.min(Math.floor(from / binMs), values.length - 1);
    let sum = 0;
    let weight = 0;
    for (let bin = first; bin < values.length && bin * binMs < to; ++bin) {
      const end = bin === values.length - 1 ? durationMs : (bin + 1) * binMs;
      const part = Math.min(to, end) - Math.max(from, bin * binMs);
      if (part <= 0) continue;
      sum += values[bin]! * part;
      weight += part;
    }
    means[column] = weight > 0 ? sum / weight : values[first]!;
  }
  return means;
}

/** A round end of a scale not below `value`, and into how many round steps it is cut. */
export function niceScale(value: number): { most: number; steps: number } {
  if (!(value > 0)) return { most: 1, steps: 2 };
  const power = 10 ** Math.floor(Math.log10(value) + 1e-9);
  const ends = [
    [1, 4],
    [1.5, 3],
    [2, 4],
    [3, 3],
    [4, 4],
    [5, 5],
    [6, 3],
    [8, 4],
    [10, 4],
  ] as const;
  const [end, steps] = ends.find(([one]) => one * power >= value * (1 - 1e-9)) ?? [10, 4];
  return { most: end * power, steps };
}

/** A step between marks of a time axis of `duration_ms` so that there are at most `most` of them. */
export function timeStep(durationMs: number, most: number): number {
  const stepsS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600];
  for (const step of stepsS) if (durationMs / (step * 1000) <= most) return step * 1000;
  return 43_200_000;
}
