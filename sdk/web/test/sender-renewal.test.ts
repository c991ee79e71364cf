/** The sender and `sequence-reused`: another run used the numbers of a session. */
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { expect, test } from 'vitest';
import { type Claims, problem } from './gateway.js';
import {
  failures,
  gateway,
  nextHeartbeat,
  of,
  play,
  replaceSender,
  runTimers,
  sender,
  sequence,
  store,
  time,
} from './sender-harness.js';

/** Ten seconds are played in the session that the sender now has. */
const playOn = (): Promise<void> => play(1, { sid: sender.signer.session });
const requests = (): Claims[][] =>
  gateway.requests
    .filter(({ tokens }) => tokens.length)
    .map(({ tokens }) => tokens.map((token) => decodeJwt(token) as unknown as Claims));
const sessions = (): Set<string> => new Set(gateway.credited.map(({ sid }) => sid));

/** All that was played is credited, in order and once. */
function expectAllCredited(count: number): void {
  expect(gateway.credited.map(({ from, to }) => [from, to])).toEqual(
    Array.from({ length: count }, (_, i) => [i * 10_000, (i + 1) * 10_000]),
  );
  expect(of('drop')).toEqual([]);
  expect(sender.status()).toMatchObject({ state: 'idle', buffered: 0 });
}

test('the heartbeat is sent again at once, and the session goes on as the new one', async () => {
  gateway.use('one', 100);
  for (let i = 0; i < 4; ++i) await playOn();
  expectAllCredited(4);
  expect(requests().map((tokens) => tokens.length)).toEqual([1, 1, 1, 1, 1]);
  expect(failures()).toEqual(['sequence-reused now']);
  expect([...sessions()]).toEqual([sender.signer.session]);
  expect(sender.signer.session).not.toBe('one');
  expect(gateway.credited.map(({ sn }) => sn)).toEqual([0, 1, 2, 3]);
});

test('all that waits moves with one renewal', async () => {
  gateway.use('one', 100);
  for (let i = 0; i < 5; ++i) await store.appendHeartbeat(nextHeartbeat());
  await sender.flush();
  expectAllCredited(5);
  expect(requests().map((tokens) => tokens.length)).toEqual([5, 5]);
  expect(sessions().size).toBe(1);
});

test('after an outage, what was never sent moves with the oldest', async () => {
  gateway.use('one', 100);
  gateway.intercept = () => new TypeError('Failed to fetch');
  for (let i = 0; i < 5; ++i) await playOn();
  gateway.intercept = undefined;
  gateway.requests = [];
  await runTimers();
  expectAllCredited(5);
  expect(requests().map((tokens) => tokens.length)).toEqual([1, 5]);
  expect(sessions().size).toBe(1);
});

test('what may have been credited already is not sent under another number', async () => {
  gateway.use('one', 1);
  const [first, second] = [nextHeartbeat(), nextHeartbeat()];
  for (const heartbeat of [first, second]) await store.appendHeartbeat(heartbeat);
  gateway.loseResponses = 1;
  await sender.flush();
  await runTimers();
  expect(gateway.credited.map(({ from }) => from)).toEqual([10_000, 0]);
  expect(of('drop')).toEqual([]);
});

test('a second time the heartbeat is dropped', async () => {
  gateway.intercept = ({ tokens }) => (tokens.length ? problem('sequence-reused', 409) : undefined);
  await play();
  await runTimers();
  expect(requests()).toHaveLength(2);
  expect(failures()).toEqual(['sequence-reused now', 'sequence-reused never']);
  expect(of('drop')).toMatchObject([{ count: 1, reason: 'sequence-reused' }]);
  expect(sender.status().buffered).toBe(0);
});

test('the new session agrees on a key of its own', async () => {
  gateway.sessionKeys = true;
  gateway.use('one', 100);
  for (let i = 0; i < 3; ++i) await playOn();
  expectAllCredited(3);
  const tokens = gateway.requests.flatMap((request) => request.tokens);
  expect(tokens.map((token) => decodeProtectedHeader(token).alg)).toEqual([
    'ES256',
    'ES256',
    'HS256',
    'HS256',
  ]);
  const [before, after] = tokens.map((token) => decodeJwt(token) as unknown as Claims);
  expect(after!.epk).toBeDefined();
  expect(after!.epk).not.toEqual(before!.epk);
});

test('a session of an earlier page is renewed by the next one', async () => {
  gateway.use('one', 100);
  gateway.intercept = () => new TypeError('Failed to fetch');
  await play(3);
  gateway.intercept = undefined;
  sender.stop();
  replaceSender({ session: 'two' });
  await runTimers();
  await sender.retryNow();
  expectAllCredited(3);
  expect(sender.signer.session).toBe('two');
  expect(sequence).toBe(0);
});

test('whatever happens, everything is delivered once', async () => {
  for (let seed = 1; seed <= 10; ++seed) {
    let state = seed;
    const random = (below: number): number => {
      state = (state * 48_271) % 2_147_483_647;
      return state % below;
    };
    const session = `used ${seed}`;
    sender.stop();
    replaceSender({ session });
    gateway.use(session, 100);
    gateway.credited = [];
    const first = nextHeartbeat({ sid: session });
    await store.appendHeartbeat(first);
    let count = 1;
    for (let i = 0; i < 12; ++i) {
      gateway.loseResponses = random(3) === 0 ? 1 : 0;
      if (sender.status().buffered < 5 && random(2) === 0) {
        await playOn();
        ++count;
      } else {
        time.pass(61_000);
        await sender.flush();
      }
    }
    gateway.loseResponses = 0;
    await sender.retryNow();
    await runTimers();
    const from = gateway.credited.map((claims) => claims.from).sort((a, b) => a - b);
    expect(from, `seed ${seed}`).toEqual(
      Array.from({ length: count }, (_, i) => first.fromMs + i * 10_000),
    );
    expect(of('drop')).toEqual([]);
    expect(sender.status().buffered).toBe(0);
  }
});
