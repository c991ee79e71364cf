/** The vectors of sdk/vectors, which all SDKs run; its README describes the fields. */
import fs from 'node:fs';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { describe, expect, test } from 'vitest';
import { retryAfterMs, waitMs } from '../src/backoff.js';
import type { PendingHeartbeat } from '../src/buffer.js';
import { Clock, type Reading } from '../src/clock.js';
import { Cutter } from '../src/cutter.js';
import { deviceKey } from '../src/device.js';
import { BACKOFF_BASE_MS } from '../src/limits.js';
import { retryOf } from '../src/outcome.js';
import { Sender } from '../src/sender.js';
import type { Signed, Signer } from '../src/signer.js';
import { MemoryStore } from '../src/store.js';
import type { Events } from '../src/types.js';
import { ModelGateway, Time } from './gateway.js';

const read = <T>(name: string): T =>
  JSON.parse(fs.readFileSync(new URL(`../../vectors/${name}`, import.meta.url), 'utf8')) as T;

interface ResponseVector {
  name: string;
  tokens: { sid: string; sn: number; key: 'device' | 'session' }[];
  minimal: boolean;
  status: number;
  headers: Record<string, string>;
  body: unknown;
  expect: {
    tokens: { then: string; problem?: string }[];
    pause_ms: number | null;
    server_time_ms: number | null;
  };
}
interface PauseVector {
  name: string;
  failures: number;
  retry_after: string | null;
  least_ms: number;
  most_ms: number;
}
const { responses, pauses } = read<{ responses: ResponseVector[]; pauses: PauseVector[] }>(
  'responses.json',
);

interface Passed {
  server_time_ms: number;
  sent_mono_ms: number;
  received_mono_ms: number;
}
interface At {
  wall_ms: number;
  mono_ms: number;
}
const vectors = read<{
  learn: { name: string; responses: Passed[]; now: At; now_ms: number }[];
  dating: {
    name: string;
    responses: Passed[];
    ended: At & { run: 'this' | 'earlier'; server_ms: number | null };
    now: At;
    iat_ms: number;
  }[];
  corrections: {
    name: string;
    problem: string;
    sent_iat_ms: number;
    new_iat_ms: number;
    corrections: number;
    then: string;
  }[];
  slack: {
    name: string;
    rate: number;
    steps: { count: number; clock_ms: number; media_ms: number }[];
    played: [number, number][];
  }[];
}>('clock.json');

const QUEUE = 'https://gateway ann';

/** A sender that has the tokens of a vector to send, and a gateway that gives its response to the first request. */
class Scene {
  readonly time = new Time();
  readonly gateway = new ModelGateway(() => this.time.wallMs);
  readonly store = new MemoryStore();
  readonly events: { name: string; event: Events[keyof Events] }[] = [];
  /** The tokens of each request since the one with the response of the vector. */
  readonly later: string[][] = [];
  first: string[] | undefined;

  constructor(readonly vector: ResponseVector) {}

  of<K extends keyof Events>(name: K): Events[K][] {
    return this.events.filter((e) => e.name === name).map((e) => e.event as Events[K]);
  }

  pendingHeartbeats(): Promise<PendingHeartbeat[]> {
    return this.store.transact(QUEUE, (draft) => draft.pendingHeartbeats);
  }

  heartbeat(sid: string, sn: number, sender: Sender): PendingHeartbeat {
    const { wallMs, monoMs } = this.time;
    const ended = sender.clock.moment({ wallMs, monoMs });
    const fromMs = sn * 20_000;
    const of = { queue: QUEUE, sub: 'ann', cid: 'm', sid, sn };
    return { ...of, fromMs, toMs: fromMs + 10_000, rate: 1, ended };
  }

  async run(): Promise<Sender> {
    const { tokens } = this.vector;
    const device = await deviceKey(this.store, 'ann');
    this.gateway.devices.set(device.kid, device.jwk);
    this.gateway.sessionKeys = true;
    const sender = new Sender(
      {
        gateway: 'https://gateway',
        queue: QUEUE,
        module: 'm',
        session: 's',
        fullResponseEvery: this.vector.minimal ? 1_000 : 1,
        sessionKeys: true,
        buffer: { maxHeartbeats: 16, longestMs: 30_000 },
      },
      this.time.environment(this.gateway),
      this.store,
      Promise.resolve(device),
      (name, event) => this.events.push({ name, event }),
    );
    if (tokens.some(({ key }) => key === 'session')) {
      // The session agrees on its key.
      await sender.add(this.heartbeat('s', 0, sender));
      expect(this.gateway.macs.size).toBe(1);
      this.events.length = 0;
    }
    for (const { sid, sn } of tokens)
      await this.store.appendHeartbeat(this.heartbeat(sid, sn, sender));
    this.gateway.intercept = (request) => this.#respond(request.tokens);
    sender.askFull = false;
    await sender.flush();
    return sender;
  }

  #respond(tokens: string[]): Response | Error | undefined {
    if (!tokens.length) return undefined;
    if (this.first) {
      this.later.push(tokens);
      return new TypeError('Failed to fetch');
    }
    this.first = tokens;
    const { status, headers, body } = this.vector;
    const text = typeof body === 'string' ? body : body === null ? null : JSON.stringify(body);
    return new Response(status === 204 ? null : text, { status, headers });
  }
}

const nameOf = (token: string): string => {
  const { sid, sn } = decodeJwt(token) as { sid: string; sn: number };
  return `${sid} ${sn}`;
};

describe('responses.json', () => {
  for (const vector of responses) {
    // A batch always asks for content, so no SDK for web pages gets this.
    if (vector.minimal && vector.tokens.length > 1) continue;
    test(vector.name, async () => {
      const scene = new Scene(vector);
      const before = scene.time.wallMs;
      const sender = await scene.run();
      const { tokens, expect: expected } = vector;
      expect(scene.first!.map(nameOf)).toEqual(tokens.map(({ sid, sn }) => `${sid} ${sn}`));
      for (const [i, { key }] of tokens.entries())
        expect(decodeProtectedHeader(scene.first![i]!).alg).toBe(
          key === 'session' ? 'HS256' : 'ES256',
        );

      const pending = await scene.pendingHeartbeats();
      const staying = pending.map(({ sid, sn }) => `${sid} ${sn}`);
      const renewed = pending.find(({ sid }) => !tokens.some((token) => token.sid === sid))?.sid;
      const drops = scene
        .of('drop')
        .flatMap(({ reason, heartbeats }) =>
          heartbeats.map(({ session, sequence }) => `${session} ${sequence} ${reason}`),
        );
      const of = (...what: string[]): string[] =>
        tokens
          .filter((_, i) => what.includes(expected.tokens[i]!.then))
          .map((token) => {
            const { then } = expected.tokens[tokens.indexOf(token)]!;
            return `${then === 'new-session' ? renewed : token.sid} ${token.sn}`;
          });
      expect(staying).toEqual(of('later', 'clock', 'device-key', 'enrol', 'alone', 'new-session'));
      expect(drops).toEqual(
        expected.tokens.flatMap(({ then, problem }, i) =>
          then === 'drop' ? [`${tokens[i]!.sid} ${tokens[i]!.sn} ${problem}`] : [],
        ),
      );

      const again = of('clock', 'device-key', 'alone', 'new-session');
      const isAlone = of('alone').length > 0;
      const [next] = scene.later;
      // After the first of them fails, the others wait for it.
      expect(next?.map(nameOf) ?? []).toEqual(isAlone ? again.slice(0, 1) : again);
      if (of('device-key', 'new-session').length)
        expect(next!.map((token) => decodeProtectedHeader(token).alg)).toEqual(
          next!.map(() => 'ES256'),
        );
      if (of('enrol').length) expect(sender.status().state).toBe('not-enrolled');
      else if (expected.pause_ms !== null)
        // The random part is half of a second.
        expect(sender.status()).toMatchObject({
          state: 'waiting',
          nextTryMs: expected.pause_ms + BACKOFF_BASE_MS / 2,
        });
      else if (!again.length) expect(sender.status().state).toBe('idle');

      const offsetMs = expected.server_time_ms === null ? 0 : expected.server_time_ms - before;
      if (!tokens.some(({ key }) => key === 'session') || expected.server_time_ms !== null)
        expect(sender.status().clockOffsetMs).toBe(offsetMs);
    });
  }
});

describe('the pauses of responses.json', () => {
  for (const { name, failures, retry_after, least_ms, most_ms } of pauses)
    test(name, () => {
      const askedMs = retryAfterMs(retry_after);
      expect([0, 1].map((random) => waitMs(failures, askedMs, () => random))).toEqual([
        least_ms,
        most_ms,
      ]);
    });
});

const readingOf = ({ wall_ms, mono_ms }: At): Reading => ({ wallMs: wall_ms, monoMs: mono_ms });
/** A clock that these responses have set. */
function clockAfter(passed: Passed[]): Clock {
  const clock = new Clock('this');
  for (const { server_time_ms, sent_mono_ms, received_mono_ms } of passed)
    clock.learn(server_time_ms, sent_mono_ms, { wallMs: 0, monoMs: received_mono_ms });
  return clock;
}

describe('clock.json', () => {
  for (const { name, responses: passed, now, now_ms } of vectors.learn)
    test(`the gateway's time: ${name}`, () => {
      expect(clockAfter(passed).nowMs(readingOf(now))).toBe(now_ms);
    });

  for (const { name, responses: passed, ended, now, iat_ms } of vectors.dating)
    test(`the date of a heartbeat: ${name}`, () => {
      const moment = { ...readingOf(ended), life: ended.run };
      const known = ended.server_ms === null ? moment : { ...moment, serverMs: ended.server_ms };
      expect(clockAfter(passed).serverTimeOf(known, readingOf(now))).toBe(iat_ms);
    });

  for (const { name, problem, sent_iat_ms, new_iat_ms, corrections, then } of vectors.corrections)
    test(`a correction: ${name}`, () => {
      const signer = { iat: () => new_iat_ms / 1000 } as unknown as Signer;
      const signed = { heartbeat: { corrections }, iat: sent_iat_ms / 1000 } as unknown as Signed;
      expect(retryOf(signed, problem, 401, signer)).toBe(then === 'drop' ? 'never' : then);
    });

  for (const { name, rate, steps, played } of vectors.slack)
    test(`the slack of a position: ${name}`, () => {
      const cutter = new Cutter(10_000);
      const state = { rate, isPlaying: true };
      let atMs = 0;
      let positionMs = 0;
      const intervals = cutter.observe({ ...state, atMs, positionMs });
      for (const { count, clock_ms, media_ms } of steps)
        for (let i = 0; i < count; ++i) {
          atMs += clock_ms;
          positionMs += media_ms;
          intervals.push(...cutter.observe({ ...state, atMs, positionMs }));
        }
      intervals.push(...cutter.observe({ ...state, atMs, positionMs, isPlaying: false }, 'cut'));
      const joined: [number, number][] = [];
      for (const { fromMs, toMs } of intervals) {
        const last = joined.at(-1);
        if (last?.[1] === fromMs) last[1] = toMs;
        else joined.push([fromMs, toMs]);
      }
      expect(joined).toEqual(played);
    });
});
