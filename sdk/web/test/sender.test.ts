import { describe, expect, test } from 'vitest';
import { Queue } from '../src/queue.js';
import type { Store } from '../src/store.js';
import type { Events } from '../src/types.js';
import { problem } from './gateway.js';
import { randomFrom } from './random.js';
import {
  gateway,
  newSender,
  of,
  play,
  QUEUE,
  replaceSender,
  reset,
  runTimers,
  sender,
  store,
  time,
} from './sender-harness.js';

describe('the sender', () => {
  test('sends a heartbeat, emits the progress, and the mastery once', async () => {
    await play(10);
    expect(gateway.coveredMs).toBe(100_000);
    expect(of('progress')).toHaveLength(10);
    expect(of('progress')[2]).toEqual({
      module: 'm',
      session: 'one',
      sequence: 2,
      fromMs: 20_000,
      toMs: 30_000,
      status: 'credited',
      creditedMs: 10_000,
      secondsWatched: 30,
      completionPercentage: 30,
      state: 'IN_PROGRESS',
      resumeMs: 30_000,
    });
    expect(of('mastered')).toEqual([pickProgress(of('progress')[9]!)]);
    expect(of('mastered')[0]).toMatchObject({ secondsWatched: 100, state: 'MASTERED' });
    expect(sender.status()).toMatchObject({ state: 'idle', buffered: 0, nextTryMs: 0 });
    expect(await newSender().progress()).toMatchObject({ secondsWatched: 100, resumeMs: 100_000 });
  });

  test('follows no redirect, gives no cookie, and names itself to nobody', async () => {
    await play();
    expect(gateway.requests.at(-1)!.init).toMatchObject({
      redirect: 'manual',
      credentials: 'omit',
      referrerPolicy: 'no-referrer',
      keepalive: false,
    });
    time.hidden = true;
    await play();
    expect(gateway.requests.at(-1)!.init).toMatchObject({ keepalive: true });
  });

  test('asks for content only as often as the option says', async () => {
    replaceSender({ fullResponseEvery: 3, sessionKeys: false });
    await play(7);
    expect(gateway.coveredMs).toBe(70_000);
    expect(of('progress').map(({ sequence: n }) => n)).toEqual([0, 3, 6]);
    sender.askFull = true;
    await play();
    expect(of('progress')).toHaveLength(4);
  });

  /** Of each heartbeat request: `f`, a response with progress was asked for, or `.`, an empty one. */
  const asked = (): string =>
    gateway.requests
      .filter(({ tokens }) => tokens.length)
      .map(({ init }) => (new Headers(init?.headers).get('prefer') ? '.' : 'f'))
      .join('');
  const seldom = (): void => {
    replaceSender({ fullResponseEvery: 1_000, sessionKeys: false });
    gateway.requests = [];
  };

  test('asks for content after a flush, and no break in the meantime is forgotten', async () => {
    seldom();
    await play(2);
    await sender.retryNow();
    await play(2);
    let isPaused = false;
    gateway.intercept = () => {
      // The player pauses while a response is on its way.
      if (!isPaused) sender.askFull = isPaused = true;
      return undefined;
    };
    sender.askFull = true;
    await play(3);
    expect(asked()).toBe('f.f.ff.');
  });

  test('asks for content from 90 percent on, until the module is mastered', async () => {
    seldom();
    await play(8);
    sender.askFull = true;
    await play(4);
    expect(of('progress').map(({ completionPercentage }) => completionPercentage)).toEqual([
      10, 90, 100,
    ]);
    expect(asked()).toBe('f.......ff..');
    expect(of('mastered')).toHaveLength(1);
  });

  test('asks for content after what was limited, rejected or lost', async () => {
    seldom();
    await play(2);
    gateway.limitTo = 4_000;
    await play();
    gateway.limitTo = undefined;
    await play(2);
    expect(asked()).toBe('f..f.');
    gateway.requests = [];
    gateway.loseResponses = 1;
    await play();
    await runTimers();
    await play();
    expect(asked()).toBe('.f.');
    gateway.requests = [];
    gateway.intercept = ({ tokens }) => (tokens.length ? problem('not-assigned', 403) : undefined);
    await play();
    gateway.intercept = undefined;
    await play(2);
    expect(asked()).toBe('.f.');
  });
});

function pickProgress({
  module,
  secondsWatched,
  completionPercentage,
  state,
  resumeMs,
}: Events['progress']): Events['mastered'] {
  return { module, secondsWatched, completionPercentage, state, resumeMs };
}

describe('an outage', () => {
  const away = (): Error => new TypeError('Failed to fetch');

  test('of forty seconds loses nothing; the oldest goes ahead, the rest follows as one batch in order', async () => {
    await play();
    gateway.intercept = away;
    await play(4);
    expect(sender.status()).toMatchObject({ state: 'waiting', buffered: 4 });
    gateway.intercept = undefined;
    gateway.requests = [];
    await runTimers();
    expect(gateway.coveredMs).toBe(50_000);
    expect(gateway.requests.map(({ tokens }) => tokens.length)).toEqual([1, 3]);
    expect(gateway.credited.map(({ from }) => from)).toEqual([0, 10_000, 20_000, 30_000, 40_000]);
    expect(of('drop')).toEqual([]);
    expect(sender.status()).toMatchObject({ state: 'idle', buffered: 0 });
  });

  test('of three minutes loses the oldest beyond five, and says which', async () => {
    await play();
    gateway.intercept = away;
    await play(18);
    expect(sender.status().buffered).toBe(5);
    const lost = of('drop');
    expect(
      lost.every(
        ({ reason, count, heartbeats }) => reason === 'buffer-full' && count === heartbeats.length,
      ),
    ).toBe(true);
    const lostMs = lost
      .flatMap(({ heartbeats }) => heartbeats)
      .reduce((ms, { fromMs, toMs }) => ms + toMs - fromMs, 0);
    expect(lostMs).toBeGreaterThan(0);
    gateway.intercept = undefined;
    await runTimers();
    expect(gateway.coveredMs).toBe(190_000 - lostMs);
    const gone = lost.flatMap(({ heartbeats }) => heartbeats);
    for (const { fromMs, toMs } of gone)
      expect(gateway.credited.some(({ from, to }) => from < toMs && to > fromMs)).toBe(false);
  });

  test('what had to go is reported by a transaction that was carried out unheard, and done again', async () => {
    const twice: Store = {
      kind: store.kind,
      appendHeartbeat: (heartbeat) => store.appendHeartbeat(heartbeat),
      getOrPut: (name, value) => store.getOrPut(name, value),
      transact: async (queue, change) => {
        await store.transact(queue, change);
        return store.transact(queue, change);
      },
    };
    gateway.intercept = away;
    await play();
    // None of them joins another.
    for (const sid of ['a', 'b', 'c', 'd', 'e', 'f'])
      await store.appendHeartbeat({
        queue: QUEUE,
        sub: 'ann',
        cid: 'm',
        sid,
        sn: 0,
        fromMs: 0,
        toMs: 10_000,
        rate: 1,
        ended: sender.clock.moment({ wallMs: 0, monoMs: 0 }),
      });
    const limits = {
      queue: QUEUE,
      buffer: { maxHeartbeats: 5, longestMs: 30_000 },
    };
    const [dropped] = await new Queue(limits, twice, time.environment(gateway)).takeNext(false);
    expect(dropped.map(({ sid }) => sid)).toEqual(['one', 'a']);
  });

  test('makes the tries rarer, with jitter, and only one at a time', async () => {
    gateway.intercept = away;
    time.random = 1;
    await play();
    const waits: number[] = [];
    for (let i = 0; i < 8; ++i) {
      waits.push(time.nextTimerMs!);
      time.pass(time.nextTimerMs!);
      await sender.flush();
    }
    expect(waits).toEqual([1, 2, 4, 8, 16, 32, 60, 60].map((s) => s * 1000));
    const before = gateway.requests.length;
    await play(3);
    expect(gateway.requests.length).toBe(before);
  });

  test('ends early when the browser says that it is online', async () => {
    gateway.intercept = away;
    await play(2);
    gateway.intercept = undefined;
    await sender.retryNow();
    expect(gateway.coveredMs).toBe(20_000);
  });

  test('of the responses only counts nothing twice', async () => {
    gateway.loseResponses = 1;
    await play(2);
    await runTimers();
    expect(gateway.coveredMs).toBe(20_000);
    expect(gateway.credited).toHaveLength(2);
    expect(of('progress').map(({ status }) => status)).toEqual(['duplicate', 'credited']);
  });

  test('outlives the page', async () => {
    gateway.intercept = away;
    await play(3);
    gateway.intercept = undefined;
    replaceSender({ session: 'two' });
    time.pass(60_000);
    await sender.flush();
    expect(gateway.coveredMs).toBe(30_000);
  });
});

describe('a network and a gateway that fail at random', () => {
  test('never credit what was not played, lose nothing unsaid, and end with an empty buffer', async () => {
    for (let seed = 1; seed <= 25; ++seed) {
      const random = randomFrom(seed);
      await reset();
      gateway.sessionKeys = random() < 0.7;
      for (let i = 0; i < 60; ++i) {
        const dice = random();
        gateway.intercept =
          dice < 0.6
            ? undefined
            : dice < 0.75
              ? () => new TypeError('Failed to fetch')
              : dice < 0.85
                ? () =>
                    problem('overloaded', 503, { 'retry-after': String(Math.floor(random() * 20)) })
                : () => new Response('<html>', { status: random() < 0.5 ? 200 : 502 });
        if (random() < 0.1) gateway.loseResponses = 1;
        if (random() < 0.1) gateway.macs.clear();
        if (random() < 0.05) time.wallMs += (random() - 0.5) * 7_200_000;
        await play();
      }
      gateway.intercept = undefined;
      gateway.loseResponses = 0;
      await runTimers(200);
      const droppedMs = of('drop')
        .flatMap(({ heartbeats }) => heartbeats)
        .reduce((ms, { fromMs, toMs }) => ms + toMs - fromMs, 0);
      expect(gateway.coveredMs, `seed ${seed}`).toBeLessThanOrEqual(600_000);
      // A heartbeat whose response was lost may be credited and dropped.
      expect(gateway.coveredMs + droppedMs, `seed ${seed}`).toBeGreaterThanOrEqual(600_000);
      expect(
        of('drop').every(({ reason }) => reason === 'buffer-full'),
        `seed ${seed}`,
      ).toBe(true);
      expect(sender.status().buffered, `seed ${seed}`).toBe(0);
    }
  });
});
