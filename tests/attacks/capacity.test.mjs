// Too much of it: bodies without an end, responses that nobody reads, more connections than there is
// room for. Each is bounded, and others are served.
import assert from 'node:assert/strict';
import net from 'node:net';
import { Client } from '../integration/lib/client.mjs';
import { Gateway, tokens } from '../integration/lib/gateway.mjs';
import { code, RawHttp2, request, setting, type, u32 } from '../integration/lib/raw-http2.mjs';
import { after, before, describe, test } from '../integration/lib/test.mjs';
import { until } from '../integration/lib/wait.mjs';
import { beside, limitDescriptors, openDescriptors, statistics } from './lib.mjs';

const mib = 1024 * 1024;
const piece = Buffer.alloc(16_384, 0x61);

describe('bodies and responses without an end', () => {
  let gateway;
  before(async () => (gateway = await Gateway.start()));
  after(() => gateway?.stop());

  for (const secure of [true, false]) {
    for (const reads of [true, false]) {
      test(
        `a body that never ends, ${secure ? 'over TLS' : 'in cleartext'}, by a client that ` +
          `${reads ? 'reads' : 'only writes'} and cares for no window`,
        async () => {
          await beside(gateway, async () => {
            const client = await RawHttp2.connect({
              port: secure ? gateway.port : gateway.cleartextPort,
              secure,
              paused: !reads,
            });
            client.greet();
            client.post(1);
            // A write that blocks must come to an end as well: the server reads on, or closes.
            let sent = 0;
            while (!client.closed && !client.socket.destroyed) {
              assert.ok(sent < 64 * mib, 'the server takes it all'); // 4 MiB, and what the kernel keeps
              client.data(1, piece);
              sent += piece.length;
              await client.drained();
              await new Promise((resolve) => setImmediate(resolve));
            }
            if (reads)
              assert.ok(
                [code.calm, code.flow, code.closed, null].includes(client.goaway),
                `GOAWAY ${client.goaway}`,
              );
          });
        },
      );
    }
  }

  test('a body that never ends, by a client that keeps to the window', async () => {
    await beside(gateway, async () => {
      const client = new Client(gateway.origin);
      const stream = client.stream('POST', '/v1/heartbeats', {
        'content-type': 'application/jose',
      });
      let status;
      let closed = false;
      stream.on('response', (fields) => (status = fields[':status']));
      stream.on('error', () => {});
      stream.on('close', () => (closed = true));
      stream.resume();
      const write = () => !closed && stream.write(piece, write);
      write();
      await until('the response and the end of the stream', () => status === 413 && closed);
      // And the connection is as good as new.
      assert.equal((await client.request('GET', '/healthz')).status, 200);
      await client.close();
    });
  });

  test('many bodies at once, none of which ends', async () => {
    await beside(
      gateway,
      async () => {
        const clients = await Promise.all(
          Array.from({ length: 20 }, () => RawHttp2.connect({ port: gateway.port, secure: true })),
        );
        for (const client of clients) {
          client.greet();
          for (let i = 0; i < 100; ++i) {
            client.headers(
              1 + 2 * i,
              [...request('PUT', '/v1/modules/m'), ['authorization', `Bearer ${tokens.admin}`]],
              { end: false },
            );
            for (let k = 0; k < 3; ++k) client.data(1 + 2 * i, piece);
          }
        }
        // 4.7 MiB a connection: those that pass its budget are answered, the others wait for more.
        for (const client of clients) {
          await client.until('the refusals', () =>
            [...client.responses.values()].some((a) => a.status === 503),
          );
          await client.close();
        }
        // What a client wrote is still on its way when it is gone; the gateway reads it first.
        await until(
          'the gateway has seen them go',
          async () => (await statistics(gateway)).connections.open < clients.length,
        );
        // 2 MiB of bodies each; a string that grows has room to spare, and the allocator keeps some of what it had. Without
        // the budget it would be 94 MiB of bodies, and twice that with the room.
      },
      { growthBytes: 110 * mib },
    );
  });

  test('responses that nobody reads', async () => {
    await beside(
      gateway,
      async () => {
        const all = await Promise.all(
          Array.from({ length: 50 }, () =>
            RawHttp2.connect({ port: gateway.port, secure: true, paused: true }),
          ),
        );
        for (const client of all) {
          client.greet([setting.window, 0x7fff_ffff]);
          client.frame(type.window, 0, 0, u32(0x7000_0000));
          for (let i = 0; i < 100; ++i) client.get(1 + 2 * i, '/console/');
        }
        await until('every request to be there', async () =>
          all.every((c) => c.closed || c.socket.writableLength === 0),
        );
        for (const client of all) client.socket.destroy();
      },
      { growthBytes: 128 * mib },
    );
    await until(
      'the connections to be gone',
      async () => (await statistics(gateway)).connections.open <= 2,
    );
  });
});

describe('connections', () => {
  const connectMany = (gateway, count) =>
    Array.from({ length: count }, () => {
      const socket = net.connect({ port: gateway.port, host: '127.0.0.1' });
      socket.on('error', () => {}).resume();
      return socket;
    });

  test('more than the process has descriptors: accepting waits, and goes on', async () => {
    const gateway = await Gateway.start();
    try {
      const limit = openDescriptors(gateway.child.pid) + 200;
      limitDescriptors(gateway.child.pid, limit);
      const served = new Client(gateway.origin);
      assert.equal((await served.request('GET', '/healthz')).status, 200);
      const many = connectMany(gateway, 3000);
      await until('no descriptor to be left', () => openDescriptors(gateway.child.pid) >= limit);
      for (let i = 0; i < 50; ++i)
        assert.equal((await served.request('GET', '/healthz')).status, 200);
      for (const socket of many) socket.destroy();
      const late = new Client(gateway.origin);
      assert.equal((await late.request('GET', '/healthz')).status, 200);
      await Promise.all([late.close(), served.close()]);
    } finally {
      await gateway.stop();
    }
  });

  test('more than limits.connections_max, and from one address: refused at once', async () => {
    const gateway = await Gateway.start({
      settings: '[limits]\nconnections_per_address_max = 20\n',
    });
    try {
      const served = new Client(gateway.origin);
      assert.equal((await served.request('GET', '/healthz')).status, 200);
      const many = connectMany(gateway, 500);
      await until(
        'the others to be refused',
        () => many.filter((socket) => socket.destroyed).length >= 480,
      );
      assert.ok((await statistics(gateway)).connections.open <= 20);
      assert.equal((await served.request('GET', '/healthz')).status, 200);
      for (const socket of many) socket.destroy();
      await until('room again', async () => (await statistics(gateway)).connections.open <= 2);
      const late = new Client(gateway.origin);
      assert.equal((await late.request('GET', '/healthz')).status, 200);
      await Promise.all([late.close(), served.close()]);
    } finally {
      await gateway.stop();
    }
  });
});
