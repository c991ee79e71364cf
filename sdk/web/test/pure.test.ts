import { describe, expect, test } from 'vitest';
import { MAX_RETRY_AFTER_MS, remainingMs, waitMs } from '../src/backoff.js';
import { joinable, type PendingHeartbeat, trim } from '../src/buffer.js';
import { Clock } from '../src/clock.js';
import { randomFrom } from './random.js';

const limits = { maxHeartbeats: 5, longestMs: 30_000 };
const none = new Set<number>();
let ids = 0;
const heartbeat = (
  fromMs: number,
  toMs: number,
  more: Partial<PendingHeartbeat> = {},
): PendingHeartbeat => ({
  id: ++ids,
  queue: 'q',
  sub: 's',
  cid: 'm',
  sid: 'one',
  sn: ids,
  fromMs,
  toMs,
  rate: 1,
  ended: { wallMs: toMs, monoMs: toMs, life: 'a' },
  ...more,
});
const spans = (heartbeats: PendingHeartbeat[]): [number, number][] =>
  heartbeats.map(({ fromMs, toMs }) => [fromMs / 1000, toMs / 1000]);

describe('the buffer', () => {
  test('joins what adjoins before anything is dropped, up to thirty seconds', () => {
    const heartbeats: PendingHeartbeat[] = [];
    let remaining: PendingHeartbeat[] = [];
    for (let i = 0; i < 15; ++i) {
      heartbeats.push(heartbeat(i * 10_000, (i + 1) * 10_000));
      const trimmed = trim([...remaining, heartbeats[i]!], limits, none);
      expect(trimmed.dropped).toEqual([]);
      remaining = trimmed.remaining;
    }
    expect(spans(remaining)).toEqual([
      [0, 30],
      [30, 60],
      [60, 90],
      [90, 120],
      [120, 150],
    ]);
    expect(remaining[0]).toMatchObject({ sn: heartbeats[0]!.sn, ended: heartbeats[2]!.ended });
    const { remaining: after, dropped } = trim(
      [...remaining, heartbeat(150_000, 160_000)],
      limits,
      none,
    );
    expect(spans(dropped)).toEqual([[0, 30]]);
    expect(spans(after)).toEqual([
      [30, 60],
      [60, 90],
      [90, 120],
      [120, 150],
      [150, 160],
    ]);
  });

  test('never joins what was sent, or belongs to different playbacks', () => {
    const a = heartbeat(0, 1000);
    const b = heartbeat(1000, 2000);
    expect(joinable(a, b, limits)).toBe(true);
    for (const other of [
      { sent: true },
      { sid: 'two' },
      { cid: 'n' },
      { sub: 't' },
      { rate: 2 },
      { fromMs: 1001 },
      { toMs: 30_001 },
      { remainder: 1 },
    ])
      expect(joinable(a, { ...b, ...other }, limits), JSON.stringify(other)).toBe(false);
    expect(joinable({ ...a, sent: true }, b, limits)).toBe(false);
    expect(joinable(a, { ...b, toMs: 30_000 }, limits)).toBe(true);
  });

  test('neither drops nor counts what is in flight', () => {
    const heartbeats = Array.from({ length: 8 }, (_, i) => heartbeat(i * 5000, i * 5000 + 1000));
    const inFlight = new Set(heartbeats.slice(0, 2).map(({ id }) => id!));
    const { remaining, dropped } = trim(heartbeats, limits, inFlight);
    expect(dropped).toEqual([heartbeats[2]]);
    expect(remaining).toHaveLength(7);
  });

  test('at any sequence of heartbeats: at most five, nothing gone unsaid, the order stays', () => {
    for (let seed = 1; seed <= 300; ++seed) {
      const random = randomFrom(seed);
      let remaining: PendingHeartbeat[] = [];
      let position = 0,
        added = 0,
        dropped = 0;
      for (let i = 0; i < 60; ++i) {
        if (random() < 0.2) position += 5_000;
        const length = 100 + Math.floor(random() * 12_000);
        const next = heartbeat(position, position + length, {
          rate: random() < 0.1 ? 2 : 1,
          sent: random() < 0.1,
        });
        position += length;
        added += length;
        const trimmed = trim([...remaining, next], limits, none);
        dropped += trimmed.dropped.reduce((ms, c) => ms + c.toMs - c.fromMs, 0);
        remaining = trimmed.remaining;
        expect(remaining.length).toBeLessThanOrEqual(5);
        expect(remaining.every((c) => c.toMs - c.fromMs <= 30_000)).toBe(true);
        expect(remaining.every((c, j) => j === 0 || c.fromMs >= remaining[j - 1]!.toMs)).toBe(true);
        expect(
          dropped + remaining.reduce((ms, c) => ms + c.toMs - c.fromMs, 0),
          `seed ${seed}`,
        ).toBe(added);
      }
    }
  });
});

describe('backoff', () => {
  test('doubles up to its limit, and takes any time below it', () => {
    const most = Array.from({ length: 9 }, (_, n) => waitMs(n, undefined, () => 1));
    expect(most).toEqual([1, 2, 4, 8, 16, 32, 60, 60, 60].map((s) => s * 1000));
    expect(waitMs(5, undefined, () => 0)).toBe(0);
    expect(waitMs(1e9, undefined, () => 1)).toBe(60_000);
  });
  test('adds its jitter to what the gateway asked for, within reason', () => {
    expect(waitMs(0, 7_000, () => 0.5)).toBe(7_500);
    expect(waitMs(0, 1e12, () => 0)).toBe(MAX_RETRY_AFTER_MS);
  });
  test('a clock that was set back does not make the wait longer', () => {
    expect(remainingMs(10_000, 4_000, 9_000)).toBe(1_000);
    expect(remainingMs(10_000, 4_000, 10_000 - 3_600_000)).toBe(0);
    expect(remainingMs(10_000, 4_000, 5_990)).toBe(4_010);
    expect(remainingMs(10_000, 4_000, 11_000)).toBe(0);
  });
});

describe('the clock', () => {
  const T = 1_763_812_345_000;
  test('goes by the device until the gateway has said what time it is', () => {
    const clock = new Clock('a');
    expect(clock.nowMs({ wallMs: 5, monoMs: 1 })).toBe(5);
    expect(clock.offsetMs({ wallMs: 5, monoMs: 1 })).toBe(0);
    clock.learn(T, 100, { wallMs: T - 3_600_000, monoMs: 100 });
    expect(clock.nowMs({ wallMs: 0, monoMs: 1_100 })).toBe(T + 1_000);
  });
  test('an hour that the device goes back changes nothing once a response has come', () => {
    const clock = new Clock('a');
    clock.learn(T, 0, { wallMs: T, monoMs: 0 });
    const ended = clock.moment({ wallMs: T + 10_000, monoMs: 10_000 });
    expect(clock.serverTimeOf(ended, { wallMs: T - 3_580_000, monoMs: 20_000 })).toBe(T + 10_000);
  });
  test('what ended before the time was known is dated by its age', () => {
    const clock = new Clock('a');
    const ended = clock.moment({ wallMs: 1_000, monoMs: 1_000 });
    clock.learn(T, 5_000, { wallMs: 5_000, monoMs: 5_000 });
    expect(clock.serverTimeOf(ended, { wallMs: 6_000, monoMs: 6_000 })).toBe(T - 4_000);
  });
  test('what an earlier page left is dated by what that page knew, or else by the offset now; never later than now', () => {
    const before = new Clock('a');
    const unsure = before.moment({ wallMs: 1_000, monoMs: 1_000 });
    before.learn(T, 2_000, { wallMs: 2_000, monoMs: 2_000 });
    const sure = before.moment({ wallMs: 3_000, monoMs: 3_000 });
    const after = new Clock('b');
    after.learn(T + 60_000, 5, { wallMs: 62_000, monoMs: 5 });
    const now = { wallMs: 62_000, monoMs: 5 };
    expect(after.serverTimeOf(sure, now)).toBe(T + 1_000);
    expect(after.serverTimeOf(unsure, now)).toBe(T - 1_000);
    expect(after.serverTimeOf({ wallMs: 3_662_000, monoMs: 9, life: 'a' }, now)).toBe(T + 60_000);
  });
});
