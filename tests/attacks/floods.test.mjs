// Floods. Each attacker is sent away after the number of frames given with it, memory stays, and a
// client beside it is served.
import assert from 'node:assert/strict';
import { Gateway } from '../integration/lib/gateway.mjs';
import { code, field } from '../integration/lib/raw-http2.mjs';
import { after, before, describe, test } from '../integration/lib/test.mjs';
import { floods, get, streamOf } from './flood-list.mjs';
import { beside, flood, statistics } from './lib.mjs';

const { calm } = code;
let attackers = 0;
/** An attacker that nobody has seen before. */
const stranger = () => ({ localAddress: `127.0.77.${(++attackers % 250) + 1}` });

describe('floods', () => {
  let gateway;
  before(async () => (gateway = await Gateway.start()));
  after(() => gateway?.stop());

  for (const [name, once, atMost, codes] of floods) {
    test(name, async () => {
      const { punished } = (await statistics(gateway)).connections;
      await beside(gateway, async () => {
        const { goaway } = await flood(gateway, once, { atMost, ...stranger() });
        assert.ok(goaway === null || codes.includes(goaway), `GOAWAY ${goaway}`);
      });
      // The others are errors of the protocol that end a connection at their first.
      if (codes.length === 1)
        assert.equal((await statistics(gateway)).connections.punished, punished + 1);
    });
  }

  test('a header bomb: one large entry of the table, named again and again', async () => {
    await beside(gateway, async () => {
      const bomb = (c, i) => {
        if (i === 0) {
          c.headers(1, Buffer.concat([get, field('x-bomb', 'b'.repeat(4000), 0x40)]));
          return;
        }
        c.headers(streamOf(i), Buffer.concat([get, Buffer.alloc(16_000, 0xbe)])); // 64 MB each
      };
      const { goaway, client } = await flood(gateway, bomb, { atMost: 1000, ...stranger() });
      assert.ok([null, calm].includes(goaway), `GOAWAY ${goaway}`);
      for (const [stream, response] of client.responses)
        if (stream > 1)
          assert.ok(response.reset !== undefined || [431, undefined].includes(response.status));
    });
  });

  test('header lists that are too large, on many streams at once', async () => {
    await beside(gateway, async () => {
      const large = Buffer.concat([get, field('x-large', 'x'.repeat(16_200))]);
      const { client } = await flood(
        gateway,
        (c, i) => {
          if (i < 90) return c.headers(streamOf(i), large);
          return c.frame(0x77, 0, 0, ''); // ends it
        },
        { atMost: 2200, ...stranger() },
      );
      for (let i = 0; i < 90; ++i) assert.equal(client.response(streamOf(i)).status, 431);
    });
  });

  test('a hundred attackers at once', async () => {
    await beside(
      gateway,
      () =>
        Promise.all(
          Array.from({ length: 100 }, (_, i) => {
            const [, once, atMost] = floods[i % floods.length];
            return flood(gateway, once, { atMost, ...stranger() });
          }),
        ),
      { growthBytes: 96 * 1024 * 1024 },
    );
  });

  test('who attacks again and again is not let in for a while; others are', async () => {
    const [, once, atMost] = floods[0];
    const before = (await statistics(gateway)).connections;
    let turnedAway = 0;
    await beside(
      gateway,
      async () => {
        for (let i = 0; i < 60 && turnedAway < 10; ++i)
          await flood(gateway, once, { atMost, localAddress: '127.0.78.1' }).catch(
            () => ++turnedAway,
          );
      },
      { fresh: true },
    );
    assert.equal(turnedAway, 10);
    const { punished, refused } = (await statistics(gateway)).connections;
    assert.ok(punished - before.punished <= 50, `${punished - before.punished} were let in`);
    assert.equal(refused - before.refused, 10);
  });

  test('after all that, it serves', async () => {
    assert.equal((await gateway.client.request('GET', '/healthz')).status, 200);
    assert.ok(!/terminate|exception|sanitizer/i.test(gateway.log), gateway.log);
  });
});
