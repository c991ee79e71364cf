// Clients that take their time, or never come to an end: each meets its deadline, while others are
// served. All of them run at once, since the longest deadline is half a minute.
import assert from 'node:assert/strict';
import net from 'node:net';
import { Gateway } from '../integration/lib/gateway.mjs';
import {
  block,
  code,
  flag,
  preface,
  RawHttp2,
  request,
  setting,
  type,
  u32,
} from '../integration/lib/raw-http2.mjs';
import { after, before, describe, test } from '../integration/lib/test.mjs';
import { until } from '../integration/lib/wait.mjs';
import { beside, statistics } from './lib.mjs';

const patienceMs = 60_000; // of the test, well above every deadline

/** name, how many at once, what one of them does until the server has ended it. */
const attacks = [
  [
    'half-open TLS',
    200,
    async (gateway) => {
      const socket = net.connect({ port: gateway.port, host: '127.0.0.1' });
      socket.on('error', () => {}).resume();
      let closed = false;
      socket.on('close', () => (closed = true));
      socket.on('connect', () => socket.write(Buffer.from('16030100', 'hex')));
      await until('the end of a handshake that nobody finishes', () => closed, {
        timeoutMs: patienceMs,
      });
    },
  ],
  [
    'TLS, and no preface',
    20,
    async (gateway) => {
      const client = await RawHttp2.connect({ port: gateway.port, secure: true });
      client.acknowledges = false;
      await client.ended(patienceMs);
      assert.equal(client.goaway, code.settingsTimeout);
    },
  ],
  [
    'a preface byte by byte',
    20,
    async (gateway) => {
      const client = await RawHttp2.connect({ port: gateway.port, secure: true });
      let at = 0;
      const timer = setInterval(() => client.send(preface.subarray(at % 24, ++at % 24 || 24)), 900);
      await client.ended(patienceMs).finally(() => clearInterval(timer));
    },
  ],
  [
    'slow headers',
    20,
    async (gateway) => {
      const client = await RawHttp2.connect({ port: gateway.port, secure: true });
      client.acknowledges = false;
      client.greet();
      client.frame(type.headers, flag.endStream, 1, block(request('GET', '/healthz')));
      await client.ended(patienceMs);
      assert.equal(client.goaway, code.calm);
    },
  ],
  [
    'slow headers, byte by byte',
    20,
    async (gateway) => {
      const client = await RawHttp2.connect({ port: gateway.port, secure: true });
      client.acknowledges = false;
      client.greet();
      const bytes = block(request('GET', '/healthz'));
      client.send(
        Buffer.from([
          0,
          0,
          bytes.length,
          type.headers,
          flag.endStream | flag.endHeaders,
          0,
          0,
          0,
          1,
        ]),
      );
      let at = 0;
      const timer = setInterval(
        () => at < bytes.length - 1 && client.send(bytes.subarray(at, ++at)),
        700,
      );
      await client.ended(patienceMs).finally(() => clearInterval(timer));
    },
  ],
  [
    'slow body',
    20,
    async (gateway) => {
      const client = await RawHttp2.connect({ port: gateway.port, secure: true });
      client.greet();
      client.headers(1, [...request('POST', '/v1/heartbeats'), ['content-length', '5000']], {
        end: false,
      });
      const timer = setInterval(() => client.data(1, 'a'), 500);
      await client
        .until('the end of the body', () => client.response(1).ended, patienceMs)
        .finally(() => clearInterval(timer));
      assert.equal(client.response(1).status, 408);
      await client.close();
    },
  ],
  [
    'a window that stays at zero',
    20,
    async (gateway) => {
      const client = await RawHttp2.connect({ port: gateway.port, secure: true });
      client.greet([setting.window, 0]);
      for (let i = 0; i < 50; ++i) client.get(1 + 2 * i);
      await client.until(
        'the resets',
        () =>
          Array.from({ length: 50 }, (_, i) => client.response(1 + 2 * i).reset).every(
            (reset) => reset === code.cancel,
          ),
        patienceMs,
      );
      await client.close();
    },
  ],
  [
    'a window that is opened one byte at a time',
    5,
    async (gateway) => {
      const client = await RawHttp2.connect({ port: gateway.port, secure: true });
      client.greet([setting.window, 0]);
      client.get(1, '/v1/keys');
      const timer = setInterval(() => client.frame(type.window, 0, 1, u32(1)), 100);
      // It does read, if slowly: it is served.
      await client
        .until('some bytes', () => client.response(1).body.length > 50, patienceMs)
        .finally(() => clearInterval(timer));
      await client.close();
    },
  ],
  [
    'nothing at all',
    50,
    async (gateway) => {
      const client = await RawHttp2.connect({ port: gateway.port, secure: true });
      client.greet();
      await client.ended(patienceMs);
      assert.equal(client.goaway, code.none);
    },
  ],
  [
    'a PING now and then',
    5,
    async (gateway) => {
      const client = await RawHttp2.connect({ port: gateway.port, secure: true });
      client.greet();
      const timer = setInterval(() => client.frame(type.ping, 0, 0, '12345678'), 500);
      await client.ended(patienceMs).finally(() => clearInterval(timer));
    },
  ],
];

describe('slow clients', () => {
  let gateway;
  before(
    async () => (gateway = await Gateway.start({ settings: '[limits]\nidle_timeout_s = 15\n' })),
  );
  after(() => gateway?.stop());

  test('every one meets its deadline', async (t) => {
    await beside(
      gateway,
      () =>
        Promise.all(
          attacks.map(async ([name, count, attack]) => {
            const all = await Promise.allSettled(
              Array.from({ length: count }, () => attack(gateway)),
            );
            await t.test(name, () => {
              for (const one of all) assert.equal(one.status, 'fulfilled', one.reason?.stack);
            });
          }),
        ),
      { growthBytes: 64 * 1024 * 1024 },
    );
    await until(
      'the connections to be gone',
      async () => (await statistics(gateway)).connections.open <= 2,
    );
  });
});
