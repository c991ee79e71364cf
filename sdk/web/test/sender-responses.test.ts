/** The sender and what is no response of a gateway, and a browser that fails. */
import { describe, expect, test, vi } from 'vitest';
import type { DeviceKey } from '../src/device.js';
import {
  failures,
  gateway,
  of,
  play,
  replaceSender,
  runTimers,
  sender,
  sequence,
} from './sender-harness.js';

describe('a response that is none', () => {
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
  for (const [what, respond, name] of cases) {
    test(`${what}: said, and tried again`, async () => {
      gateway.intercept = ({ tokens }) => (tokens.length ? respond() : undefined);
      await play();
      expect(failures()).toEqual([`${name} later`]);
      expect(of('progress')).toEqual([]);
      expect(sender.status()).toMatchObject({ state: 'waiting', buffered: 1 });
      gateway.intercept = undefined;
      await runTimers();
      expect(gateway.coveredMs).toBe(10_000);
      expect(of('drop')).toEqual([]);
    });
  }

  test('a browser that makes no keys: said, and what was played stays', async () => {
    const without = Promise.reject<DeviceKey>(new Error('WebCrypto needs https://'));
    without.catch(() => undefined);
    replaceSender({}, without);
    await play(3);
    expect(new Set(failures())).toEqual(new Set(['no-key later']));
    expect(of('drop')).toEqual([]);
    expect(sender.status().buffered).toBe(3);
    expect(gateway.requests).toEqual([]);
    replaceSender();
    await sender.flush();
    expect(gateway.coveredMs).toBe(30_000);
  });

  test('something else that fails is reported by its own name, and what was played is sent later', async () => {
    await play();
    const sign = vi
      .spyOn(crypto.subtle, 'sign')
      .mockRejectedValueOnce(new Error('the key store is locked'));
    await play();
    sign.mockRestore();
    expect(failures()).toEqual(['internal later']);
    expect(of('failure')[0]!.detail).toContain('the key store is locked');
    expect(sender.status().buffered).toBe(1);
    await runTimers();
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
