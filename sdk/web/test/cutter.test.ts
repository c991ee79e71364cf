import { describe, expect, test } from 'vitest';
import {
  type Cause,
  Cutter,
  type Interval,
  MAX_DRIFT,
  MAX_SPARE_MS,
  MAX_STEP_MS,
  MIN_INTERVAL_MS,
  type Snapshot,
  TOLERANCE_MS,
} from '../src/cutter.js';
import { randomFrom } from './random.js';

const limits = { heartbeatMs: 10_000 };
const at = (atMs: number, positionMs: number, more: Partial<Snapshot> = {}): Snapshot => ({
  atMs,
  positionMs,
  rate: 1,
  isPlaying: true,
  ...more,
});

/** Plays from 0 with four observations a second. */
function play(cutter: Cutter, untilMs: number, rate = 1): Interval[] {
  const out: Interval[] = [];
  for (let t = 0; t <= untilMs; t += 250) out.push(...cutter.observe(at(t, t * rate, { rate })));
  return out;
}

describe('the cutter', () => {
  test('gives a heartbeat for each ten seconds of media, whatever the rate', () => {
    expect(play(new Cutter(limits.heartbeatMs), 25_000)).toEqual([
      { fromMs: 0, toMs: 10_000, rate: 1 },
      { fromMs: 10_000, toMs: 20_000, rate: 1 },
    ]);
    expect(play(new Cutter(limits.heartbeatMs), 12_500, 2)).toEqual([
      { fromMs: 0, toMs: 10_000, rate: 2 },
      { fromMs: 10_000, toMs: 20_000, rate: 2 },
    ]);
  });

  test('reports up to the very position of a pause, and nothing while paused', () => {
    const cutter = new Cutter(limits.heartbeatMs);
    play(cutter, 3_000);
    expect(cutter.observe(at(3_100, 3_100, { isPlaying: false }), 'cut')).toEqual([
      { fromMs: 0, toMs: 3_100, rate: 1 },
    ]);
    expect(cutter.observe(at(60_000, 3_100, { isPlaying: false }))).toEqual([]);
    expect(cutter.observe(at(61_000, 3_100))).toEqual([]);
    expect(cutter.observe(at(62_000, 4_100), 'cut')).toEqual([
      { fromMs: 3_100, toMs: 4_100, rate: 1 },
    ]);
  });

  test('does not take a seek for playing, announced or not', () => {
    for (const cause of ['jump', 'tick'] as Cause[]) {
      const cutter = new Cutter(limits.heartbeatMs);
      play(cutter, 2_000);
      expect(cutter.observe(at(2_100, 55_000), cause)).toEqual([
        { fromMs: 0, toMs: 2_000, rate: 1 },
      ]);
      expect(cutter.observe(at(3_100, 56_000), 'cut')).toEqual([
        { fromMs: 55_000, toMs: 56_000, rate: 1 },
      ]);
    }
  });

  test('cuts where the rate changes', () => {
    const cutter = new Cutter(limits.heartbeatMs);
    play(cutter, 1_000);
    expect(cutter.observe(at(1_200, 1_200, { rate: 2 }))).toEqual([
      { fromMs: 0, toMs: 1_200, rate: 1 },
    ]);
    expect(cutter.observe(at(2_200, 3_200, { rate: 2 }), 'cut')).toEqual([
      { fromMs: 1_200, toMs: 3_200, rate: 2 },
    ]);
  });

  test('reports nothing at a rate that no token can carry', () => {
    for (const rate of [0.1, 8, Number.NaN])
      expect(play(new Cutter(limits.heartbeatMs), 5_000, rate)).toEqual([]);
  });

  test('does not know what happened while it did not look', () => {
    const cutter = new Cutter(limits.heartbeatMs);
    play(cutter, 1_000);
    const t = 1_000 + MAX_STEP_MS;
    expect(cutter.observe(at(t + 1, t + 1))).toEqual([{ fromMs: 0, toMs: 1_000, rate: 1 }]);
  });

  test('believes no clock that goes back', () => {
    const cutter = new Cutter(limits.heartbeatMs);
    play(cutter, 1_000);
    expect(cutter.observe(at(-3_600_000, 1_100))).toEqual([{ fromMs: 0, toMs: 1_000, rate: 1 }]);
    expect(cutter.observe(at(-3_599_000, 2_100), 'cut')).toEqual([
      { fromMs: 1_100, toMs: 2_100, rate: 1 },
    ]);
  });

  test('is silent about less than a tenth of a second', () => {
    const cutter = new Cutter(limits.heartbeatMs);
    cutter.observe(at(0, 0));
    expect(cutter.observe(at(MIN_INTERVAL_MS - 1, MIN_INTERVAL_MS - 1), 'cut')).toEqual([]);
    cutter.observe(at(1_000, 5_000), 'jump');
    expect(
      cutter.observe(at(1_000 + MIN_INTERVAL_MS, 5_000 + MIN_INTERVAL_MS), 'cut'),
    ).toHaveLength(1);
  });

  test('scrubbing gives no heartbeats of a few milliseconds', () => {
    const cutter = new Cutter(limits.heartbeatMs);
    const reported: Interval[] = [];
    for (let i = 0; i < 50; ++i) {
      reported.push(...cutter.observe(at(i * 200, i * 3_000), 'jump'));
      reported.push(
        ...cutter.observe(at(i * 200 + MIN_INTERVAL_MS - 1, i * 3_000 + MIN_INTERVAL_MS - 1)),
      );
    }
    expect(reported).toEqual([]);
  });

  test('loses nothing to short pieces that follow each other', () => {
    const cutter = new Cutter(limits.heartbeatMs);
    const reported: Interval[] = [];
    const step = MIN_INTERVAL_MS - 10;
    for (let i = 0; i < 10; ++i) {
      cutter.observe(at(i * 1_000, i * step));
      reported.push(
        ...cutter.observe(at(i * 1_000 + step, (i + 1) * step, { isPlaying: false }), 'cut'),
      );
    }
    expect(reported.map(({ fromMs, toMs }) => [fromMs, toMs])).toEqual(
      Array.from({ length: 5 }, (_, i) => [2 * i * step, 2 * (i + 1) * step]),
    );
  });

  test('takes a short piece along only where playback goes on from its end, at its rate', () => {
    for (const next of [at(1_000, 51), at(1_000, 49), at(1_000, 50, { rate: 2 })]) {
      const cutter = new Cutter(limits.heartbeatMs);
      cutter.observe(at(0, 0));
      cutter.observe(at(50, 50, { isPlaying: false }), 'cut');
      cutter.observe(next);
      expect(
        cutter.observe({ ...next, atMs: 2_000, positionMs: next.positionMs + 1_000 }, 'cut'),
      ).toEqual([{ fromMs: next.positionMs, toMs: next.positionMs + 1_000, rate: next.rate }]);
    }
  });

  test('reports the end of the media however short it is', () => {
    const cutter = new Cutter(limits.heartbeatMs);
    expect(play(cutter, 10_000)).toHaveLength(1);
    expect(cutter.observe(at(10_030, 10_030, { isPlaying: false, ended: true }), 'cut')).toEqual([
      { fromMs: 10_000, toMs: 10_030, rate: 1 },
    ]);
    expect(cutter.observe(at(10_040, 10_030, { isPlaying: false, ended: true }), 'cut')).toEqual(
      [],
    );
  });
});

interface Played {
  from: number;
  to: number;
  rate: number;
}

/** A player that is used at random, and a slow record of every stretch that it truly played in view. */
function simulate(seed: number): { played: Played[]; reported: Interval[] } {
  const random = randomFrom(seed);
  const cutter = new Cutter(2_000 + Math.floor(random() * 28_001));
  const played: Played[] = [];
  const reported: Interval[] = [];
  let now = random() * 1e6,
    position = random() * 60_000,
    rate = 1;
  let paused = true,
    hidden = false,
    stalled = false;
  let stretch: Played | undefined;
  const look = (cause: Cause = 'tick'): void => {
    const isPlaying = !paused && !hidden && !stalled;
    reported.push(...cutter.observe({ atMs: now, positionMs: position, rate, isPlaying }, cause));
    if (!isPlaying || cause === 'jump' || (stretch && stretch.rate !== rate)) stretch = undefined;
    if (!isPlaying || stretch) return;
    // What goes on from where a pause began is the same stretch.
    const last = played.at(-1);
    if (last?.to === position && last.rate === rate) stretch = last;
    else {
      stretch = { from: position, to: position, rate };
      played.push(stretch);
    }
  };
  const pass = (): void => {
    const ms = 1 + random() * 249;
    now += ms;
    if (paused || stalled) return;
    position += ms * rate;
    if (stretch) stretch.to = position;
  };
  for (let i = 0; i < 400; ++i) {
    pass();
    const dice = random();
    if (dice < 0.8) look();
    else if (dice < 0.84) {
      paused = !paused;
      look(paused ? 'cut' : 'tick');
    } else if (dice < 0.88) {
      position = random() * 600_000;
      look('jump');
    } else if (dice < 0.91) {
      rate = [0.25, 0.5, 1, 1.5, 2, 4][Math.floor(random() * 6)]!;
      look();
    } else if (dice < 0.95) {
      hidden = !hidden;
      look();
    } else {
      stalled = !stalled;
      look(stalled ? 'cut' : 'tick');
    }
  }
  look('cut');
  return { played, reported };
}

describe('how far the cutter believes the position', () => {
  test('a late position is believed, once and for all up to the next interruption', () => {
    const cutter = new Cutter(limits.heartbeatMs);
    cutter.observe(at(0, 0));
    const passedMs = 300 * MAX_DRIFT;
    expect(cutter.observe(at(300, passedMs + TOLERANCE_MS))).toEqual([]);
    expect(cutter.observe(at(600, 2 * passedMs + TOLERANCE_MS + 1))).toEqual([
      { fromMs: 0, toMs: passedMs + TOLERANCE_MS, rate: 1 },
    ]);
  });

  test('small steps forward, each within reason, do not add up', () => {
    const cutter = new Cutter(limits.heartbeatMs);
    const reported: Interval[] = [];
    for (let i = 0; i <= 100; ++i)
      reported.push(...cutter.observe(at(i * 250, i * 450), i === 100 ? 'cut' : 'tick'));
    // In 25 s of time 45 s of media went by; each run may be ahead by the tolerance, and is cut then.
    for (const { fromMs, toMs } of reported)
      expect(toMs - fromMs).toBeLessThanOrEqual(3 * TOLERANCE_MS + 450);
  });
});

describe('a stall that the browser did not report', () => {
  const sum = (reported: Interval[]): number =>
    reported.reduce((ms, { fromMs, toMs }) => ms + toMs - fromMs, 0);

  test('is no room for a jump beyond what a late position may make up for', () => {
    for (const rate of [0.25, 1, 4]) {
      // The position stands for 20 s and then moves at once.
      for (const [aheadMs, counts] of [
        [0, true],
        [1, false],
        [18_000, false],
      ] as [number, boolean][]) {
        const cutter = new Cutter(limits.heartbeatMs);
        for (let t = 0; t <= 20_000; t += 250)
          expect(cutter.observe(at(t, 0, { rate }))).toEqual([]);
        const positionMs = (250 * MAX_DRIFT + MAX_SPARE_MS + aheadMs) * rate + (aheadMs ? 1 : 0);
        const reported = cutter.observe(at(20_250, positionMs, { rate }), 'cut');
        expect(sum(reported), `${aheadMs} ms too far at ${rate}`).toBe(
          counts ? Math.floor(positionMs) : 0,
        );
      }
    }
  });

  test('does not add up with others', () => {
    const cutter = new Cutter(limits.heartbeatMs);
    const reported: Interval[] = [];
    for (let stall = 0; stall < 10; ++stall) {
      for (let t = 0; t < 10_000; t += 250)
        reported.push(...cutter.observe(at(stall * 10_000 + t, stall * 250)));
    }
    reported.push(...cutter.observe(at(100_000, 60_000), 'cut'));
    expect(sum(reported)).toBe(9 * 250);
  });

  test('costs nothing where the position was only reported late, up to a second', () => {
    for (const rate of [0.25, 0.3, 1, 1.1, 3.7, 4]) {
      const cutter = new Cutter(limits.heartbeatMs);
      const reported: Interval[] = [];
      for (let t = 0; t <= 600_000; t += 250) {
        const lateMs = Math.floor(t / 1_000) * 1_000 * rate;
        reported.push(...cutter.observe(at(t, lateMs, { rate }), t === 600_000 ? 'cut' : 'tick'));
      }
      expect(sum(reported), `at ${rate}`).toBe(Math.floor(600_000 * rate));
      expect(reported.every(({ fromMs }) => fromMs % limits.heartbeatMs === 0)).toBe(true);
    }
  });
});

test('a loop over the last moments reports the end once, and again only from further back', () => {
  const cutter = new Cutter(limits.heartbeatMs);
  let atMs = 0;
  const endFrom = (positionMs: number): number[][] => {
    atMs += 2_000;
    cutter.observe({ atMs, positionMs, rate: 1, isPlaying: false }, 'jump');
    atMs += 5;
    const done = cutter.observe({ atMs, positionMs, rate: 1, isPlaying: true });
    atMs += 60_000 - positionMs;
    done.push(
      ...cutter.observe({ atMs, positionMs: 60_000, rate: 1, isPlaying: false, ended: true }),
    );
    return done.map(({ fromMs, toMs }) => [fromMs, toMs]);
  };
  expect(endFrom(59_960)).toEqual([[59_960, 60_000]]);
  for (let i = 0; i < 5; ++i) expect(endFrom(59_960)).toEqual([]);
  expect(endFrom(59_980)).toEqual([]);
  expect(endFrom(59_940)).toEqual([[59_940, 60_000]]);
  expect(endFrom(59_500)).toEqual([[59_500, 60_000]]);
});

describe('the cutter against a slow reference', () => {
  test('every interval lies in one stretch that was played, and no moment is reported twice', () => {
    for (let seed = 1; seed <= 400; ++seed) {
      const { played, reported } = simulate(seed);
      let stretch = 0,
        position = -1;
      for (const { fromMs, toMs, rate } of reported) {
        const inside = (p: Played): boolean =>
          p.rate === rate &&
          fromMs >= Math.floor(p.from) &&
          toMs <= p.to &&
          (p !== played[stretch] || fromMs >= position);
        while (stretch < played.length && !inside(played[stretch]!)) {
          ++stretch;
          position = -1;
        }
        expect(stretch, `seed ${seed}: ${fromMs} to ${toMs} was not played`).toBeLessThan(
          played.length,
        );
        expect(toMs).toBeGreaterThan(fromMs);
        expect(toMs - fromMs).toBeLessThanOrEqual(30_000);
        position = toMs;
      }
    }
  });

  test('the sum never exceeds what was played, and misses only the moments before a jump', () => {
    for (let seed = 1; seed <= 400; ++seed) {
      const { played, reported } = simulate(seed);
      const sum = reported.reduce((ms, { fromMs, toMs }) => ms + toMs - fromMs, 0);
      const truth = played.reduce((ms, { from, to }) => ms + to - from, 0);
      expect(sum, `seed ${seed}`).toBeLessThanOrEqual(truth + played.length);
      const missable = played.reduce((ms, { rate }) => ms + 250 * rate + MIN_INTERVAL_MS, 0);
      expect(sum, `seed ${seed}`).toBeGreaterThanOrEqual(truth - missable);
    }
  });
});
