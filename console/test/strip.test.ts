import { describe, expect, test } from 'vitest';
import { contains, gaps, lengthOf, type Range, subtract, unite } from '../src/core/ranges';
import { msAt, pixelRuns, xOf } from '../src/core/strip';

describe('ranges', () => {
  test('a union closes what meets, and small gaps where asked', () => {
    expect(
      unite(
        [[0, 10]],
        [
          [10, 20],
          [5, 7],
          [30, 40],
        ],
      ),
    ).toEqual([
      [0, 20],
      [30, 40],
    ]);
    expect(
      unite(
        [
          [0, 10_000],
          [15_000, 15_000],
        ],
        [[10_200, 20_000]],
        250,
      ),
    ).toEqual([[0, 20_000]]);
    expect(unite([[0, 10_000]], [[10_251, 20_000]], 250).length).toBe(2);
  });
  test('a difference', () => {
    expect(
      subtract(
        [[0, 100]],
        [
          [10, 20],
          [90, 200],
        ],
      ),
    ).toEqual([
      [0, 10],
      [20, 90],
    ]);
    expect(
      subtract(
        [
          [0, 10],
          [20, 30],
        ],
        [[0, 30]],
      ),
    ).toEqual([]);
    expect(gaps([[10, 20]], 50)).toEqual([
      [0, 10],
      [20, 50],
    ]);
  });
  test('sets add up, whatever they are', () => {
    let seed = 7;
    const random = () => {
      seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
      return seed / 2_147_483_648;
    };
    for (let turn = 0; turn < 300; ++turn) {
      const make = (): Range[] =>
        Array.from({ length: 8 }, () => Math.floor(random() * 1000)).map((from) => [
          from,
          from + 1 + Math.floor(random() * 120),
        ]);
      const a = unite(make(), []);
      const b = unite(unite([], make()), []);
      const both = unite(unite([], a), b);
      expect(lengthOf(both)).toBe(lengthOf(b) + lengthOf(subtract(unite([], a), b)));
      for (let at = 0; at < 1200; at += 13)
        expect(contains(both, at)).toBe(both.some(([from, to]) => from <= at && at < to));
    }
  });
});

describe('the geometry of a strip', () => {
  test('time to pixel and back', () => {
    expect(xOf(300_000, 600_000, 400)).toBe(200);
    expect(xOf(-5, 600_000, 400)).toBe(0);
    expect(xOf(700_000, 600_000, 400)).toBe(400);
    expect(msAt(200, 600_000, 400)).toBe(300_000);
    expect(msAt(-3, 600_000, 400)).toBe(0);
    expect(msAt(400, 600_000, 400)).toBe(599_999);
    expect(msAt(5, 600_000, 0)).toBe(0);
  });
  test('a gap lies where it was skipped', () =>
    expect(
      pixelRuns(
        [
          [0, 150_000],
          [300_000, 600_000],
        ],
        600_000,
        400,
      ),
    ).toEqual([
      [0, 100],
      [200, 400],
    ]));
  test('a short piece and a short gap keep a pixel each', () => {
    expect(pixelRuns([[0, 1000]], 86_400_000, 300)).toEqual([[0, 1]]);
    expect(pixelRuns([[86_399_000, 86_400_000]], 86_400_000, 300)).toEqual([[299, 300]]);
    const runs = pixelRuns(
      [
        [0, 3_600_000],
        [3_601_000, 7_200_000],
      ],
      7_200_000,
      300,
    );
    expect(runs.length).toBe(2);
    expect(runs[1]![0] - runs[0]![1]).toBe(1);
  });
  test('pixels never overlap and never leave the strip, even when there is no room', () => {
    let seed = 3;
    const random = () => {
      seed = (seed * 16_807) % 2_147_483_647;
      return seed / 2_147_483_647;
    };
    for (let turn = 0; turn < 400; ++turn) {
      const width = 1 + Math.floor(random() * 60);
      const pieces = unite(
        [],
        Array.from({ length: Math.floor(random() * 120) }, () => Math.floor(random() * 60_000)).map(
          (from) => [from, from + 50 + random() * 3000] as const,
        ),
        250,
      );
      let last = -1;
      for (const [from, to] of pixelRuns(pieces, 63_000, width)) {
        expect(from).toBeGreaterThan(last);
        expect(to).toBeGreaterThan(from);
        expect(to).toBeLessThanOrEqual(width);
        last = to - 1;
      }
    }
  });
});
