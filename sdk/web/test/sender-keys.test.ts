/** The sender and session keys. */
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { problem } from './gateway.js';
import {
  device,
  failures,
  gateway,
  nextHeartbeat,
  of,
  play,
  runTimers,
  sender,
  store,
} from './sender-harness.js';

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

  test('a gateway that forgot gets the offer again, and the application does not notice', async () => {
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

  test('a restart with another key of the gateway: at the second rejection the key is asked for past the cache', async () => {
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

  test('dropped only when the signed one is rejected too', async () => {
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

  test('the rejections of one batch are one: the session gets a key again', async () => {
    await play();
    gateway.macs.clear();
    gateway.algorithms = [];
    // Stored while another tab was sending, so that they go out together.
    for (let i = 0; i < 4; ++i) await store.appendHeartbeat(nextHeartbeat());
    await sender.flush();
    expect(gateway.algorithms).toEqual([...Array(4).fill('HS256'), ...Array(4).fill('ES256')]);
    expect(keyRequests()).toEqual(['default']);
    await play();
    expect(gateway.algorithms.at(-1)).toBe('HS256');
    expect(gateway.coveredMs).toBe(60_000);
  });

  test('a key that was set by a lost response is set again by the repetition', async () => {
    gateway.loseResponses = 1;
    await play();
    await runTimers();
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
    await runTimers();
    await play();
    expect(gateway.credited.filter(({ epk }) => epk).length).toBeLessThanOrEqual(2);
    expect(gateway.algorithms.at(-1)).toBe('HS256');
    expect(gateway.coveredMs).toBe(50_000);
  });

  for (const [what, respond] of [
    ['404', () => problem('not-found', 404)],
    ['not JSON', () => new Response('<html>')],
    ['an empty set', () => Response.json({ keys: [] })],
    ['a failure', () => problem('overloaded', 503)],
    ['no connection', () => new TypeError('Failed to fetch')],
  ] as const) {
    test(`/v1/keys with ${what}: device signatures`, async () => {
      gateway.intercept = ({ url }) => (url.endsWith('/keys') ? respond() : undefined);
      await play(8);
      expect(gateway.algorithms).toEqual(Array(8).fill('ES256'));
      expect(gateway.coveredMs).toBe(80_000);
      expect(
        gateway.requests.filter(({ url }) => url.endsWith('/keys')).length,
      ).toBeLessThanOrEqual(5);
    });
  }
});
