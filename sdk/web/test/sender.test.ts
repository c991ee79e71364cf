import { decodeJwt, decodeProtectedHeader } from 'jose';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import type { Claim } from '../src/buffer.js';
import { type DeviceKey, deviceKey } from '../src/device.js';
import { Queue } from '../src/queue.js';
import { Sender } from '../src/sender.js';
import { MemoryStore, type Store } from '../src/store.js';
import type { Events } from '../src/types.js';
import { ModelGateway, problem, Time } from './gateway.js';

let time: Time;
let gateway: ModelGateway;
let store: Store;
let device: DeviceKey;
let events: { name: string; event: Events[keyof Events] }[];
let sender: Sender;
let sequence: number;
let position: number;

const QUEUE = 'https://gateway ann';

function newSender(
  more: { fullResponseEvery?: number; sessionKeys?: boolean; session?: string } = {},
  key = Promise.resolve(device),
): Sender {
  sequence = 0;
  return new Sender(
    {
      gateway: 'https://gateway',
      queue: QUEUE,
      module: 'm',
      session: 'one',
      fullResponseEvery: 1,
      sessionKeys: true,
      timeoutMs: 1_000,
      buffer: { maxHeartbeats: 5, longestMs: 30_000 },
      backoff: { baseMs: 1_000, maxMs: 60_000 },
      ...more,
    },
    time.environment(gateway),
    store,
    key,
    (name, event) => events.push({ name, event }),
  );
}

const of = <K extends keyof Events>(name: K): Events[K][] =>
  events.filter((e) => e.name === name).map((e) => e.event as Events[K]);
const failures = (): string[] => of('failure').map(({ name, retry }) => `${name} ${retry}`);

/** Ten seconds are played, and reported. */
async function play(count = 1, more: Partial<Claim> = {}): Promise<void> {
  for (let i = 0; i < count; ++i) {
    time.pass(10_000);
    const claim: Claim = {
      queue: QUEUE,
      sub: 'ann',
      cid: 'm',
      sid: 'one',
      sn: sequence++,
      fromMs: position,
      toMs: position + 10_000,
      rate: 1,
      ended: sender.clock.moment({ wallMs: time.wallMs, monoMs: time.monoMs }),
      ...more,
    };
    position += 10_000;
    await sender.add(claim);
  }
}

/** Lets timers run until nothing is planned any more. */
async function settle(limit = 50): Promise<void> {
  for (let i = 0; i < limit && time.nextTimerMs !== undefined; ++i) {
    time.pass(time.nextTimerMs + 1);
    await sender.flush();
  }
}

beforeEach(async () => {
  time = new Time();
  gateway = new ModelGateway(() => time.monoMs + Date.parse('2025-11-22T12:00:00Z'));
  store = new MemoryStore();
  device = await deviceKey(store, 'ann');
  gateway.devices.set(device.kid, device.jwk);
  events = [];
  position = 0;
  sender = newSender();
});

describe('the sender', () => {
  test('sends a heartbeat, tells the progress, and the mastery once', async () => {
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

  test('asks for content only as often as it was told to', async () => {
    sender = newSender({ fullResponseEvery: 3, sessionKeys: false });
    await play(7);
    expect(gateway.coveredMs).toBe(70_000);
    expect(of('progress').map(({ sequence: n }) => n)).toEqual([0, 3, 6]);
    sender.askFull = true;
    await play();
    expect(of('progress')).toHaveLength(4);
  });

  /** Of each heartbeat request: `f`, an answer with progress was asked for, or `.`, an empty one. */
  const asked = (): string =>
    gateway.requests
      .filter(({ tokens }) => tokens.length)
      .map(({ init }) => (new Headers(init?.headers).get('prefer') ? '.' : 'f'))
      .join('');
  const seldom = (): void => {
    sender = newSender({ fullResponseEvery: 1_000, sessionKeys: false });
    gateway.requests = [];
  };

  test('asks for content after a flush, and no break that is told meanwhile is forgotten', async () => {
    seldom();
    await play(2);
    await sender.retryNow();
    await play(2);
    let told = false;
    gateway.intercept = () => {
      // The player pauses while an answer is under way.
      if (!told) sender.askFull = told = true;
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

  test('asks for content after what was limited, refused or lost', async () => {
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
    await settle();
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
    await settle();
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
    await settle();
    expect(gateway.coveredMs).toBe(190_000 - lostMs);
    const gone = lost.flatMap(({ heartbeats }) => heartbeats);
    for (const { fromMs, toMs } of gone)
      expect(gateway.credited.some(({ from, to }) => from < toMs && to > fromMs)).toBe(false);
  });

  test('what had to go is told by a transaction that was carried out unheard, and done again', async () => {
    const twice: Store = {
      kind: store.kind,
      appendClaim: (claim) => store.appendClaim(claim),
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
      await store.appendClaim({
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
      backoff: { baseMs: 1_000, maxMs: 60_000 },
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

  test('of the answers only counts nothing twice', async () => {
    gateway.loseResponses = 1;
    await play(2);
    await settle();
    expect(gateway.coveredMs).toBe(20_000);
    expect(gateway.credited).toHaveLength(2);
    expect(of('progress').map(({ status }) => status)).toEqual(['duplicate', 'credited']);
  });

  test('outlives the page', async () => {
    gateway.intercept = away;
    await play(3);
    gateway.intercept = undefined;
    sender = newSender({ session: 'two' });
    time.pass(60_000);
    await sender.flush();
    expect(gateway.coveredMs).toBe(30_000);
  });
});

describe('what the gateway says about a heartbeat', () => {
  for (const [name, status] of [
    ['malformed-token', 400],
    ['token-too-large', 413],
    ['bad-signature', 401],
    ['revoked-device', 403],
    ['subject-mismatch', 403],
    ['session-mismatch', 403],
    ['not-assigned', 403],
    ['unknown-module', 404],
    ['implausible-interval', 422],
    ['something-new', 418],
  ] as const) {
    test(`${name} is never tried again`, async () => {
      gateway.intercept = ({ tokens }) => (tokens.length ? problem(name, status) : undefined);
      await play();
      await settle();
      expect(gateway.requests.filter(({ tokens }) => tokens.length)).toHaveLength(1);
      expect(of('drop')).toMatchObject([{ count: 1, reason: name }]);
      expect(failures()).toEqual([`${name} never`]);
      expect(sender.status().buffered).toBe(0);
    });
  }

  for (const [name, status] of [
    ['rate-limited', 429],
    ['overloaded', 503],
    ['storage-unavailable', 503],
    ['draining', 503],
  ] as const) {
    test(`${name} waits for as long as Retry-After says, whatever the application wishes`, async () => {
      gateway.intercept = ({ tokens }) =>
        tokens.length ? problem(name, status, { 'retry-after': '7' }) : undefined;
      await play();
      expect(sender.status()).toMatchObject({ state: 'waiting', buffered: 1 });
      expect(sender.status().nextTryMs).toBeGreaterThanOrEqual(7_000);
      gateway.intercept = undefined;
      await sender.retryNow();
      expect(gateway.coveredMs).toBe(0);
      await settle();
      expect(gateway.coveredMs).toBe(10_000);
      expect(of('drop')).toEqual([]);
      expect(failures()).toEqual([`${name} later`]);
    });
  }

  for (const name of [
    'stale-token',
    'future-token',
    'unknown-device',
    'session-key-unknown',
    'bad-signature',
  ])
    test(`${name} with a status of the server's own fault says nothing about the heartbeat`, async () => {
      gateway.intercept = ({ tokens }) => (tokens.length ? problem(name, 503) : undefined);
      await play();
      expect(sender.status()).toMatchObject({ state: 'waiting', buffered: 1 });
      gateway.intercept = undefined;
      await settle();
      expect(gateway.coveredMs).toBe(10_000);
      expect(of('drop')).toEqual([]);
    });

  test('a problem that is named like something every object has is one of an unknown name', async () => {
    gateway.intercept = ({ tokens }) => (tokens.length ? problem('constructor', 400) : undefined);
    await play();
    expect(of('drop')).toMatchObject([{ count: 1, reason: 'constructor' }]);
  });

  test('unknown-device keeps everything until the application has enrolled it', async () => {
    gateway.devices.clear();
    await play(3);
    expect(sender.status()).toMatchObject({ state: 'not-enrolled', buffered: 3 });
    expect(gateway.requests.filter(({ tokens }) => tokens.length)).toHaveLength(1);
    expect(failures()).toEqual(['unknown-device enrol']);
    gateway.devices.set(device.kid, device.jwk);
    await sender.retryNow();
    expect(gateway.coveredMs).toBe(30_000);
    expect(sender.status().state).toBe('idle');
  });

  test('one bad heartbeat of a batch harms no other', async () => {
    gateway.intercept = () => new TypeError('Failed to fetch');
    await play(2);
    await play(1, { sub: 'bob' });
    gateway.intercept = ({ tokens }) => {
      if (tokens.length === 1 && decodeJwt(tokens[0]!).sub === 'bob')
        return problem('subject-mismatch', 403);
      if (tokens.length < 2) return undefined;
      const results = tokens
        .map(
          (token) =>
            JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString()) as {
              sub: string;
              sid: string;
              sn: number;
            },
        )
        .map(({ sub, sid, sn }) =>
          sub === 'bob'
            ? { sid, sn, status: 'rejected', problem: 'subject-mismatch' }
            : {
                sid,
                sn,
                status: 'credited',
                credited_ms: 10_000,
                seconds_watched: 20,
                completion_percentage: 20,
                state: 'IN_PROGRESS',
                resume_ms: 20_000,
              },
        );
      return Response.json({ server_time: gateway.time, results });
    };
    await settle();
    expect(of('drop')).toMatchObject([{ count: 1, reason: 'subject-mismatch' }]);
    expect(failures().slice(-1)).toEqual(['subject-mismatch never']);
    expect(of('progress')).toHaveLength(2);
    expect(sender.status().buffered).toBe(0);
  });

  describe('a problem that is not known, in the answer to a batch', () => {
    /** Three heartbeats were kept; in a batch the second of them is refused, by itself it gets `alone`. */
    async function refused(alone: () => Response): Promise<void> {
      gateway.intercept = () => new TypeError('Failed to fetch');
      await play();
      await play(3);
      const is = (token: string): boolean => (decodeJwt(token) as { sn: number }).sn === 2;
      gateway.intercept = ({ tokens }) => {
        if (!tokens.some(is)) return undefined;
        if (tokens.length === 1) return alone();
        const results = tokens
          .map((token) => decodeJwt(token) as { sid: string; sn: number })
          .map(({ sid, sn }) =>
            sn === 2
              ? { sid, sn, status: 'rejected', problem: 'brand-new' }
              : {
                  sid,
                  sn,
                  status: 'credited',
                  credited_ms: 10_000,
                  seconds_watched: 20,
                  completion_percentage: 20,
                  state: 'IN_PROGRESS',
                  resume_ms: 20_000,
                },
          );
        return Response.json({ server_time: gateway.time, results });
      };
      gateway.requests = [];
      time.pass(61_000);
      await sender.flush();
    }
    const lengths = (): number[] =>
      gateway.requests.filter(({ tokens }) => tokens.length).map(({ tokens }) => tokens.length);

    test('is settled by an answer of its own: dropped where its status says so', async () => {
      await refused(() => problem('brand-new', 418));
      expect(lengths()).toEqual([1, 3, 1]);
      expect(failures().slice(-2)).toEqual(['brand-new now', 'brand-new never']);
      expect(of('drop')).toMatchObject([
        { count: 1, reason: 'brand-new', heartbeats: [{ sequence: 2 }] },
      ]);
      expect(sender.status()).toMatchObject({ state: 'idle', buffered: 0 });
    });

    for (const status of [408, 425, 429, 500, 503])
      test(`is settled by an answer of its own: kept after ${status}`, async () => {
        await refused(() => problem('brand-new', status));
        expect(failures().slice(-2)).toEqual(['brand-new now', 'brand-new later']);
        expect(of('drop')).toEqual([]);
        expect(sender.status()).toMatchObject({ state: 'waiting', buffered: 1 });
        gateway.intercept = undefined;
        await settle();
        expect(gateway.credited.map(({ sn }) => sn)).toContain(2);
        expect(sender.status().buffered).toBe(0);
      });

    for (const [name, status] of [
      ['not-found', 404],
      ['unauthorized', 401],
      ['forbidden', 403],
      ['malformed-request', 400],
      ['payload-too-large', 413],
      ['method-not-allowed', 405],
      ['conflict', 409],
      ['unsupported-media-type', 415],
    ] as const)
      test(`is kept where the answer is to another request than ours: ${name}`, async () => {
        await refused(() => problem(name, status));
        expect(failures().slice(-2)).toEqual(['brand-new now', `${name} later`]);
        expect(of('drop')).toEqual([]);
        expect(sender.status()).toMatchObject({ state: 'waiting', buffered: 1 });
      });

    test('waits where no status says anything', async () => {
      await refused(() =>
        Response.json({
          server_time: gateway.time,
          results: [{ sid: 'one', sn: 2, status: 'rejected', problem: 'brand-new' }],
        }),
      );
      expect(lengths()).toEqual([1, 3, 1]);
      expect(of('drop')).toEqual([]);
      expect(sender.status()).toMatchObject({ state: 'waiting', buffered: 1 });
      gateway.intercept = undefined;
      await settle();
      expect(gateway.credited.map(({ sn }) => sn)).toContain(2);
    });
  });

  test('a batch that is refused as a whole goes one by one', async () => {
    gateway.intercept = () => new TypeError('Failed to fetch');
    await play(4);
    gateway.intercept = ({ tokens }) =>
      tokens.length > 1 ? problem('too-many-tokens', 413) : undefined;
    await settle();
    expect(gateway.coveredMs).toBe(40_000);
    expect(of('drop')).toEqual([]);
  });

  test('what the budget has no room for is sent again when it came out of the buffer, and only then', async () => {
    await play();
    gateway.limitTo = 4_000;
    await play();
    await settle();
    expect(gateway.coveredMs).toBe(14_000);
    gateway.intercept = () => new TypeError('Failed to fetch');
    await play(3);
    gateway.intercept = undefined;
    gateway.limitTo = 6_000;
    await settle();
    const late = gateway.credited.filter(({ from }) => from >= 20_000);
    expect(late.map(({ from, to }) => [from, to])).toEqual(
      expect.arrayContaining([
        [20_000, 26_000],
        [26_000, 30_000],
      ]),
    );
    expect(of('drop')).toEqual([]);
  });

  test('what is played right after an outage is not cut by it for good', async () => {
    gateway.intercept = () => new TypeError('Failed to fetch');
    await play(3);
    gateway.intercept = undefined;
    await settle();
    gateway.limitTo = 6_000;
    await play();
    await settle();
    expect(gateway.coveredMs).toBe(40_000);
    time.pass(120_000);
    await play();
    await settle();
    expect(gateway.coveredMs).toBe(46_000);
  });
});

describe('clocks', () => {
  for (const hours of [-1, 1, 24 * 365]) {
    test(`a device that is ${hours} h off sets itself right by the first answer`, async () => {
      gateway.offsetMs = hours * 3_600_000;
      await play(3);
      expect(gateway.coveredMs).toBe(30_000);
      expect(of('drop')).toEqual([]);
      expect(failures()).toEqual([hours > 0 ? 'stale-token now' : 'future-token now']);
      expect(Math.abs(sender.status().clockOffsetMs - hours * 3_600_000)).toBeLessThan(2_000);
      for (const { iat, to } of gateway.credited)
        expect(Math.abs(iat - (gateway.time - (30_000 - to) / 1000))).toBeLessThan(1);
    });
  }

  for (const hours of [-1, 1]) {
    test(`a clock that jumps ${hours} h while heartbeats are kept costs none of them`, async () => {
      await play();
      gateway.intercept = () => new TypeError('Failed to fetch');
      await play(2);
      time.wallMs += hours * 3_600_000;
      await play(2);
      gateway.intercept = undefined;
      await settle();
      expect(gateway.coveredMs).toBe(50_000);
      expect(of('drop')).toEqual([]);
    });
  }

  test('a heartbeat that is truly too old is dropped with that reason, and no other', async () => {
    await play();
    gateway.intercept = () => new TypeError('Failed to fetch');
    await play();
    time.pass(16 * 60_000);
    await play();
    gateway.intercept = undefined;
    await settle();
    expect(gateway.coveredMs).toBe(20_000);
    expect(of('drop')).toMatchObject([
      { count: 1, reason: 'stale-token', heartbeats: [{ fromMs: 10_000 }] },
    ]);
  });

  test('a gateway whose clock makes no sense is asked a bounded number of times', async () => {
    gateway.intercept = ({ tokens }) =>
      tokens.length
        ? problem('future-token', 401, {}, { server_time: gateway.time + Math.random() * 1e6 })
        : undefined;
    await play();
    expect(gateway.requests.filter(({ tokens }) => tokens.length).length).toBeLessThanOrEqual(3);
    expect(sender.status()).toMatchObject({ state: 'waiting', buffered: 1 });
  });
});

describe('an answer that is none', () => {
  const good = {
    sid: 'one',
    sn: 0,
    status: 'credited',
    credited_ms: 10_000,
    seconds_watched: 10,
    completion_percentage: 10,
    state: 'IN_PROGRESS',
    resume_ms: 10_000,
  };
  const html = (status: number): Response =>
    new Response('<html>Sign in to the café</html>', { status });
  const cases: [string, () => Response, string][] = [
    ['200 with a web page', () => html(200), 'bad-response'],
    ['204 that was not asked for', () => new Response(null, { status: 204 }), 'bad-response'],
    ['404 without a problem', () => html(404), 'bad-response'],
    [
      '403 of another server',
      () => Response.json({ type: 'about:blank', status: 403 }, { status: 403 }),
      'bad-response',
    ],
    ['500 without a problem', () => html(500), 'bad-response'],
    ['502 of a balancer', () => html(502), 'bad-response'],
    [
      'a redirect',
      () => new Response(null, { status: 302, headers: { location: 'https://elsewhere' } }),
      'redirect',
    ],
    ['a redirect as browsers show it', () => Response.error(), 'redirect'],
    ['JSON null', () => Response.json(null), 'bad-response'],
    ['no results', () => Response.json({ server_time: 1 }), 'bad-response'],
    ['too few results', () => Response.json({ results: [] }), 'bad-response'],
    ['too many results', () => Response.json({ results: [good, good] }), 'bad-response'],
    ['another session', () => Response.json({ results: [{ ...good, sid: 'x' }] }), 'bad-response'],
    ['another number', () => Response.json({ results: [{ ...good, sn: 5 }] }), 'bad-response'],
    [
      'an unknown status',
      () => Response.json({ results: [{ ...good, status: 'maybe' }] }),
      'bad-response',
    ],
    [
      'a percentage over 100',
      () => Response.json({ results: [{ ...good, completion_percentage: 101 }] }),
      'bad-response',
    ],
    [
      'text for numbers',
      () => Response.json({ results: [{ ...good, seconds_watched: '10' }] }),
      'bad-response',
    ],
    ['a megabyte', () => new Response('['.repeat(1 << 20)), 'bad-response'],
  ];
  for (const [what, answer, name] of cases) {
    test(`${what}: kept, said, tried again`, async () => {
      gateway.intercept = ({ tokens }) => (tokens.length ? answer() : undefined);
      await play();
      expect(failures()).toEqual([`${name} later`]);
      expect(of('progress')).toEqual([]);
      expect(sender.status()).toMatchObject({ state: 'waiting', buffered: 1 });
      gateway.intercept = undefined;
      await settle();
      expect(gateway.coveredMs).toBe(10_000);
      expect(of('drop')).toEqual([]);
    });
  }

  test('a browser that makes no keys: said, and what was played is kept', async () => {
    const without = Promise.reject<DeviceKey>(new Error('WebCrypto needs https://'));
    without.catch(() => undefined);
    sender = newSender({}, without);
    await play(3);
    expect(new Set(failures())).toEqual(new Set(['no-key later']));
    expect(of('drop')).toEqual([]);
    expect(sender.status().buffered).toBe(3);
    expect(gateway.requests).toEqual([]);
    sender = newSender();
    await sender.flush();
    expect(gateway.coveredMs).toBe(30_000);
  });

  test('something else that fails is told by its own name, and what was played is sent later', async () => {
    await play();
    const sign = vi
      .spyOn(crypto.subtle, 'sign')
      .mockRejectedValueOnce(new Error('the key store is locked'));
    await play();
    sign.mockRestore();
    expect(failures()).toEqual(['internal later']);
    expect(of('failure')[0]!.detail).toContain('the key store is locked');
    expect(sender.status().buffered).toBe(1);
    await settle();
    expect(gateway.coveredMs).toBe(20_000);
    expect(of('drop')).toEqual([]);
    expect(sender.status().buffered).toBe(0);
  });

  test('a time that cannot be is not believed', async () => {
    for (const serverTime of [-1, 0, 1e300, 'now', null, {}]) {
      gateway.intercept = ({ tokens }) =>
        tokens.length
          ? Response.json({ server_time: serverTime, results: [{ ...good, sn: sequence - 1 }] })
          : undefined;
      await play();
    }
    expect(sender.status().clockOffsetMs).toBe(0);
  });
});

describe('session keys', () => {
  beforeEach(() => {
    gateway.sessionKeys = true;
  });

  test('one signature, then MACs', async () => {
    await play(5);
    expect(gateway.algorithms).toEqual(['ES256', 'HS256', 'HS256', 'HS256', 'HS256']);
    expect(gateway.coveredMs).toBe(50_000);
    expect(gateway.requests.filter(({ url }) => url.endsWith('/keys'))).toHaveLength(1);
  });

  test('a gateway that forgot is told again, and the application does not notice', async () => {
    await play(3);
    const offered = gateway.credited[0]!.epk;
    gateway.macs.clear();
    await play(2);
    expect(gateway.algorithms.slice(3)).toEqual(['HS256', 'ES256', 'HS256']);
    expect(gateway.credited[3]!.epk).toEqual(offered);
    expect(gateway.coveredMs).toBe(50_000);
    expect(failures()).toEqual([]);
    expect(of('drop')).toEqual([]);
  });

  const keyRequests = (): (RequestCache | undefined)[] =>
    gateway.requests.filter(({ url }) => url.endsWith('/keys')).map(({ init }) => init?.cache);
  const sent = (): number[] =>
    gateway.requests
      .flatMap(({ tokens }) => tokens)
      .map((token) => (decodeJwt(token) as { sn: number }).sn);

  test('a restart with another key of the gateway: at the second refusal the key is asked for past the cache', async () => {
    await play(2);
    expect(keyRequests()).toEqual(['default']);
    const before = gateway.credited[0]!.skid;
    gateway.restart();
    gateway.algorithms = [];
    await play();
    // The offer to the old key is credited, and sets nothing.
    expect(gateway.algorithms).toEqual(['HS256', 'ES256']);
    expect(gateway.credited.at(-1)!.skid).toBe(before);
    expect(keyRequests()).toEqual(['default']);
    await play(3);
    expect(gateway.algorithms).toEqual(['HS256', 'ES256', 'HS256', 'ES256', 'HS256', 'HS256']);
    expect(keyRequests()).toEqual(['default', 'reload']);
    expect(gateway.credited[3]!.skid).toBe((await gateway.key()).kid);
    expect(sent()).toEqual([0, 1, 2, 2, 3, 3, 4, 5]);
    expect(gateway.coveredMs).toBe(60_000);
    expect(failures()).toEqual([]);
    expect(of('drop')).toEqual([]);
  });

  test('a restart to the policy "every": no key any more, and signatures from then on', async () => {
    await play(2);
    gateway.restart();
    gateway.intercept = ({ url }) =>
      url.endsWith('/keys') ? Response.json({ keys: [] }) : undefined;
    gateway.macs.set = () => gateway.macs;
    gateway.algorithms = [];
    await play(5);
    expect(gateway.algorithms).toEqual([
      'HS256',
      'ES256',
      'HS256',
      'ES256',
      'ES256',
      'ES256',
      'ES256',
    ]);
    expect(keyRequests()).toEqual(['default', 'reload']);
    expect(gateway.credited.at(-1)!.epk).toBeUndefined();
    expect(gateway.coveredMs).toBe(70_000);
  });

  test('a MAC that does not fit: the same heartbeat is signed, with an offer, and not dropped', async () => {
    await play(2);
    // Another gateway of the deployment still has the key of an earlier offer.
    const other = await crypto.subtle.generateKey({ name: 'HMAC', hash: 'SHA-256' }, false, [
      'sign',
      'verify',
    ]);
    gateway.macs.set(`${device.kid}.one`, other);
    gateway.algorithms = [];
    await play(2);
    expect(gateway.algorithms).toEqual(['HS256', 'ES256', 'HS256']);
    expect(sent()).toEqual([0, 1, 2, 2, 3]);
    expect(gateway.credited[2]!.epk).toBeDefined();
    expect(failures()).toEqual(['bad-signature now']);
    expect(of('drop')).toEqual([]);
    expect(gateway.coveredMs).toBe(40_000);
  });

  test('dropped only when the signed one is refused too', async () => {
    await play(2);
    gateway.intercept = ({ tokens }) => (tokens.length ? problem('bad-signature', 401) : undefined);
    gateway.requests = [];
    await play();
    expect(gateway.requests.map(({ tokens }) => decodeProtectedHeader(tokens[0]!).alg)).toEqual([
      'HS256',
      'ES256',
    ]);
    expect(failures()).toEqual(['bad-signature now', 'bad-signature never']);
    expect(of('drop')).toMatchObject([
      { count: 1, reason: 'bad-signature', heartbeats: [{ sequence: 2 }] },
    ]);
    gateway.intercept = undefined;
    await play(2);
    expect(gateway.coveredMs).toBe(40_000);
    expect(gateway.algorithms.at(-1)).toBe('HS256');
  });

  test('the refusals of one batch are one: the session gets a key again', async () => {
    await play();
    gateway.macs.clear();
    gateway.algorithms = [];
    // Kept while another tab was sending, so that they go out together.
    for (let i = 0; i < 4; ++i, position += 10_000) {
      await store.appendClaim({
        queue: QUEUE,
        sub: 'ann',
        cid: 'm',
        sid: 'one',
        sn: sequence++,
        fromMs: position,
        toMs: position + 10_000,
        rate: 1,
        ended: sender.clock.moment({ wallMs: time.wallMs, monoMs: time.monoMs }),
      });
    }
    await sender.flush();
    expect(gateway.algorithms).toEqual([...Array(4).fill('HS256'), ...Array(4).fill('ES256')]);
    expect(keyRequests()).toEqual(['default']);
    await play();
    expect(gateway.algorithms.at(-1)).toBe('HS256');
    expect(gateway.coveredMs).toBe(60_000);
  });

  test('a key that was set by a lost answer is set again by the repetition', async () => {
    gateway.loseResponses = 1;
    await play();
    await settle();
    await play(2);
    expect(gateway.algorithms).toEqual(['ES256', 'ES256', 'HS256', 'HS256']);
    expect(gateway.coveredMs).toBe(30_000);
  });

  test('a gateway that never holds a key gets device signatures, after a few tries', async () => {
    const forget = setInterval(() => gateway.macs.clear(), 0);
    gateway.macs.set = () => gateway.macs;
    await play(8);
    clearInterval(forget);
    expect(gateway.algorithms.slice(-4)).toEqual(['ES256', 'ES256', 'ES256', 'ES256']);
    expect(gateway.algorithms.filter((alg) => alg === 'HS256')).toHaveLength(3);
    expect(gateway.coveredMs).toBe(80_000);
  });

  test('a browser that cannot compute the key: each heartbeat is signed, and credited once', async () => {
    const derive = vi
      .spyOn(crypto.subtle, 'deriveKey')
      .mockRejectedValue(new Error('not supported'));
    await play(3);
    derive.mockRestore();
    expect(gateway.algorithms).toEqual(['ES256', 'ES256', 'ES256']);
    expect(gateway.credited).toHaveLength(3);
    expect(failures()).toEqual([]);
  });

  test('a batch offers one key', async () => {
    gateway.intercept = () => new TypeError('Failed to fetch');
    await play(4);
    gateway.intercept = undefined;
    await settle();
    await play();
    expect(gateway.credited.filter(({ epk }) => epk).length).toBeLessThanOrEqual(2);
    expect(gateway.algorithms.at(-1)).toBe('HS256');
    expect(gateway.coveredMs).toBe(50_000);
  });

  for (const [what, answer] of [
    ['404', () => problem('not-found', 404)],
    ['not JSON', () => new Response('<html>')],
    ['an empty set', () => Response.json({ keys: [] })],
    ['a failure', () => problem('overloaded', 503)],
    ['no connection', () => new TypeError('Failed to fetch')],
  ] as const) {
    test(`/v1/keys with ${what}: device signatures`, async () => {
      gateway.intercept = ({ url }) => (url.endsWith('/keys') ? answer() : undefined);
      await play(8);
      expect(gateway.algorithms).toEqual(Array(8).fill('ES256'));
      expect(gateway.coveredMs).toBe(80_000);
      expect(
        gateway.requests.filter(({ url }) => url.endsWith('/keys')).length,
      ).toBeLessThanOrEqual(5);
    });
  }
});

describe('a network and a gateway that fail at random', () => {
  test('never credit what was not played, lose nothing unsaid, and end with an empty buffer', async () => {
    const { randomFrom } = await import('./random.js');
    for (let seed = 1; seed <= 25; ++seed) {
      const random = randomFrom(seed);
      time = new Time();
      gateway = new ModelGateway(() => time.monoMs + Date.parse('2025-11-22T12:00:00Z'));
      gateway.devices.set(device.kid, device.jwk);
      gateway.sessionKeys = random() < 0.7;
      store = new MemoryStore();
      events = [];
      position = 0;
      sender = newSender();
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
      await settle(200);
      const droppedMs = of('drop')
        .flatMap(({ heartbeats }) => heartbeats)
        .reduce((ms, { fromMs, toMs }) => ms + toMs - fromMs, 0);
      expect(gateway.coveredMs, `seed ${seed}`).toBeLessThanOrEqual(600_000);
      // A heartbeat whose answer was lost may be credited and dropped.
      expect(gateway.coveredMs + droppedMs, `seed ${seed}`).toBeGreaterThanOrEqual(600_000);
      expect(
        of('drop').every(({ reason }) => reason === 'buffer-full'),
        `seed ${seed}`,
      ).toBe(true);
      expect(sender.status().buffered, `seed ${seed}`).toBe(0);
    }
  });
});
