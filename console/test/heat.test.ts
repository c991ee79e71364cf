import { describe, expect, test } from 'vitest';
import { Heat, type HeatmapDocument, niceScale, resample, timeStep } from '../src/core/heat';

const made = (over: Partial<HeatmapDocument> = {}): HeatmapDocument => ({
  module: 'm',
  duration_ms: 3500,
  bin_ms: 1000,
  bins: 4,
  viewers: [2, 2, 1, 1],
  plays: [2, 3, 1, 1],
  students: 2,
  hotspots: [],
  drop_offs: [],
  as_of: '2026-01-01T00:00:00Z',
  ...over,
});

describe('a heatmap', () => {
  test('adds what the stream brings, bin by bin', () => {
    const heat = new Heat(made());
    heat.apply([
      [0, 1, 1],
      [3, 0.5, 0.75],
    ]);
    expect([...heat.viewers]).toEqual([3, 2, 1, 1.5]);
    expect([...heat.plays]).toEqual([3, 3, 1, 1.75]);
  });
  test('follows the stream from where the document ends, and counts nothing twice', () => {
    const heat = new Heat(made({ as_of: '2026-01-01T00:00:00.500Z' }));
    const asOfMs = Date.parse('2026-01-01T00:00:00.500Z');
    heat.follow({ bins: [[0, 1, 1]], sinceMs: asOfMs - 1 });
    expect([...heat.viewers]).toEqual([2, 2, 1, 1]);
    heat.follow({ bins: [[0, 1, 1]], sinceMs: asOfMs });
    expect([...heat.viewers]).toEqual([3, 2, 1, 1]);
  });
  test('leaves out bins of another binning', () => {
    const heat = new Heat(made());
    heat.apply([
      [-1, 1, 1],
      [4, 1, 1],
      [1.5, 1, 1],
      [NaN, 1, 1],
    ]);
    expect([...heat.viewers]).toEqual([2, 2, 1, 1]);
  });
  test('plays are never fewer than viewers, and nothing falls below nought', () => {
    const heat = new Heat(made());
    heat.apply([
      [2, 3, 0],
      [0, -5, -5],
    ]);
    expect(heat.plays[2]).toBe(4);
    expect([heat.viewers[0], heat.plays[0]]).toEqual([0, 0]);
  });
  test('does not change the document it was made of', () => {
    const document = made();
    new Heat(document).apply([[0, 1, 1]]);
    expect(document.viewers).toEqual([2, 2, 1, 1]);
  });
  test('knows its bins; the last one is shorter', () => {
    const heat = new Heat(made());
    expect([0, 999, 1000, 3499, 9999, -5].map((at) => heat.indexAt(at))).toEqual([
      0, 0, 1, 3, 3, 0,
    ]);
    expect([heat.startOf(3), heat.endOf(3), heat.endOf(0)]).toEqual([3000, 3500, 1000]);
  });
  test('counts the students that came since', () => {
    const heat = new Heat(made());
    expect(heat.students).toBe(2);
    heat.apply([[0, 1.5, 1.5]]);
    expect(heat.students).toBe(4);
  });
  test('refuses lists that differ', () =>
    expect(() => new Heat(made({ plays: [1] }))).toThrow(RangeError));
});

describe('resampling', () => {
  const values = Float64Array.from([2, 2, 1, 1]);
  test('to the bins themselves changes nothing', () =>
    expect([...resample(Float64Array.from([3, 1, 4]), 1000, 3000, 3)]).toEqual([3, 1, 4]));
  test('weighs by time, the short last bin as well', () => {
    expect([...resample(values, 1000, 3500, 1)][0]).toBeCloseTo((2 + 2 + 1 + 0.5) / 3.5, 12);
    const [left, right] = resample(values, 1000, 3500, 2);
    expect(left).toBeCloseTo(2, 12);
    expect(right).toBeCloseTo((2 * 0.25 + 1 * 1.5) / 1.75, 12);
  });
  test('keeps the integral, up and down', () => {
    const many = Float64Array.from({ length: 1000 }, (_, at) => Math.sin(at) + 2);
    const sum = many.reduce((a, b) => a + b) / 1000;
    for (const columns of [7, 333, 1000, 2917]) {
      const means = resample(many, 3600, 3_600_000, columns);
      expect(means.reduce((a, b) => a + b) / columns).toBeCloseTo(sum, 9);
    }
  });
  test('gives nothing for nothing', () => {
    expect(resample(values, 1000, 3500, 0).length).toBe(0);
    expect([...resample(new Float64Array(0), 1000, 0, 2)]).toEqual([0, 0]);
  });
});

describe('scales', () => {
  test.each([
    [0, 1],
    [0.3, 0.3],
    [0.31, 0.4],
    [1, 1],
    [1.43, 1.5],
    [7, 8],
    [9, 10],
    [101, 150],
    [400, 400],
  ])('%d goes to %d', (value, most) => expect(niceScale(value).most).toBeCloseTo(most, 9));
  test.each([
    [3000, 5, 1000],
    [600_000, 8, 120_000],
    [600_000, 20, 30_000],
    [86_400_000, 8, 14_400_000],
  ])('%d ms in %d steps', (duration, most, step) => expect(timeStep(duration, most)).toBe(step));
});
