/** What the sender makes of what the gateway says about a heartbeat. */
import { decodeJwt } from 'jose';
import { describe, expect, test } from 'vitest';
import { problem } from './gateway.js';
import { device, failures, gateway, of, play, runTimers, sender, time } from './sender-harness.js';

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
      await runTimers();
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
      await runTimers();
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
      await runTimers();
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
    await runTimers();
    expect(of('drop')).toMatchObject([{ count: 1, reason: 'subject-mismatch' }]);
    expect(failures().slice(-1)).toEqual(['subject-mismatch never']);
    expect(of('progress')).toHaveLength(2);
    expect(sender.status().buffered).toBe(0);
  });

  describe('a problem that is not known, in the response to a batch', () => {
    /** Three heartbeats waited; in a batch the second of them is rejected, by itself it gets `alone`. */
    async function rejected(alone: () => Response): Promise<void> {
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

    test('is sent again alone: dropped where its status says so', async () => {
      await rejected(() => problem('brand-new', 418));
      expect(lengths()).toEqual([1, 3, 1]);
      expect(failures().slice(-2)).toEqual(['brand-new now', 'brand-new never']);
      expect(of('drop')).toMatchObject([
        { count: 1, reason: 'brand-new', heartbeats: [{ sequence: 2 }] },
      ]);
      expect(sender.status()).toMatchObject({ state: 'idle', buffered: 0 });
    });

    for (const status of [408, 425, 429, 500, 503])
      test(`is sent again alone: it stays after ${status}`, async () => {
        await rejected(() => problem('brand-new', status));
        expect(failures().slice(-2)).toEqual(['brand-new now', 'brand-new later']);
        expect(of('drop')).toEqual([]);
        expect(sender.status()).toMatchObject({ state: 'waiting', buffered: 1 });
        gateway.intercept = undefined;
        await runTimers();
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
      test(`stays where the response is to another request than ours: ${name}`, async () => {
        await rejected(() => problem(name, status));
        expect(failures().slice(-2)).toEqual(['brand-new now', `${name} later`]);
        expect(of('drop')).toEqual([]);
        expect(sender.status()).toMatchObject({ state: 'waiting', buffered: 1 });
      });

    test('waits where no status says anything', async () => {
      await rejected(() =>
        Response.json({
          server_time: gateway.time,
          results: [{ sid: 'one', sn: 2, status: 'rejected', problem: 'brand-new' }],
        }),
      );
      expect(lengths()).toEqual([1, 3, 1]);
      expect(of('drop')).toEqual([]);
      expect(sender.status()).toMatchObject({ state: 'waiting', buffered: 1 });
      gateway.intercept = undefined;
      await runTimers();
      expect(gateway.credited.map(({ sn }) => sn)).toContain(2);
    });
  });

  test('a batch that is rejected as a whole goes one by one', async () => {
    gateway.intercept = () => new TypeError('Failed to fetch');
    await play(4);
    gateway.intercept = ({ tokens }) =>
      tokens.length > 1 ? problem('too-many-tokens', 413) : undefined;
    await runTimers();
    expect(gateway.coveredMs).toBe(40_000);
    expect(of('drop')).toEqual([]);
  });

  test('what the budget has no room for is sent again when it came out of the buffer, and only then', async () => {
    await play();
    gateway.limitTo = 4_000;
    await play();
    await runTimers();
    expect(gateway.coveredMs).toBe(14_000);
    gateway.intercept = () => new TypeError('Failed to fetch');
    await play(3);
    gateway.intercept = undefined;
    gateway.limitTo = 6_000;
    await runTimers();
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
    await runTimers();
    gateway.limitTo = 6_000;
    await play();
    await runTimers();
    expect(gateway.coveredMs).toBe(40_000);
    time.pass(120_000);
    await play();
    await runTimers();
    expect(gateway.coveredMs).toBe(46_000);
  });
});

describe('clocks', () => {
  for (const hours of [-1, 1, 24 * 365]) {
    test(`a device that is ${hours} h off sets itself right by the first response`, async () => {
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
    test(`a clock that jumps ${hours} h while heartbeats wait costs none of them`, async () => {
      await play();
      gateway.intercept = () => new TypeError('Failed to fetch');
      await play(2);
      time.wallMs += hours * 3_600_000;
      await play(2);
      gateway.intercept = undefined;
      await runTimers();
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
    await runTimers();
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
