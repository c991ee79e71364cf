// What a heartbeat of the module for web pages costs on the wire: everything counted, in a real browser.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { launchBrowser, PlayerPage } from './lib/browser.mjs';
import { CountingProxy } from './lib/counting-proxy.mjs';
import { Gateway } from './lib/gateway.mjs';
import { canPlay } from './lib/machine.mjs';
import { playerFolders, playerSettings } from './lib/page-server.mjs';
import { root } from './lib/stores.mjs';
import { after, before, describe, test } from './lib/test.mjs';
import { until } from './lib/wait.mjs';

const heartbeats = 100;
const measured = {};
let browser, gateway;

before(
  async () => {
    const folders = playerFolders(90);
    browser = await launchBrowser();
    gateway = await Gateway.start({ settings: playerSettings(folders) });
    await gateway.putModule('demo', 90_000, { max_rate: 4 });
    await canPlay();
  },
  { timeout: 600_000 },
);
after(async () => {
  const file = path.join(root, 'build', 'websdk-bytes.json');
  fs.writeFileSync(file, `${JSON.stringify(measured, null, 2)}\n`);
  await browser?.close();
  await gateway?.stop();
});

/** Bytes a heartbeat over a hundred of them on a warm connection. */
async function measure(name, query) {
  const proxy = await CountingProxy.start(gateway.port);
  const student = `bytes-${name}`;
  const player = await PlayerPage.open(browser, {
    origin: proxy.origin,
    student,
    module: 'demo',
    query: { heartbeat: 1000, buffer: 180, ...query },
  });
  let deviceSignatures = 0;
  player.page.on('request', (request) => {
    for (const token of (request.method() === 'POST' && request.postData()?.split('\n')) || [])
      if (JSON.parse(Buffer.from(token.split('.')[0], 'base64url')).alg === 'ES256')
        ++deviceSignatures;
  });
  try {
    await player.enrol(gateway);
    // The page and the video come the same way; from here on there are heartbeats only.
    await player.loaded();
    await player.evaluate(() => {
      document.querySelector('video').loop = true;
    });
    // As fast as one heartbeat is still due at a time: the element reports its position four times a second.
    await player.play(3);
    // The first heartbeats pay for the handshake, the preflight, the keys and the header table.
    const settled = async (n) =>
      until(
        `${n} heartbeats of ${name} have results`,
        async () => {
          const { traffic, buffered } = await player.status();
          return traffic.heartbeats >= n && buffered === 0 && traffic;
        },
        { timeoutMs: 120_000, everyMs: 20 },
      );
    const warm = await settled(6);
    deviceSignatures = 0;
    const start = { up: proxy.up, down: proxy.down, ...warm, connections: proxy.connections };
    const end = await settled(warm.heartbeats + heartbeats);
    const count = end.heartbeats - start.heartbeats;
    const a = (from, to) => Math.round((to - from) / count);
    measured[name] = {
      heartbeats: count,
      up: a(start.up, proxy.up),
      down: a(start.down, proxy.down),
      device_signatures: deviceSignatures,
      body_up: a(start.bytesUp, end.bytesUp),
      body_down: a(start.bytesDown, end.bytesDown),
    };
    assert.equal(proxy.connections, start.connections, 'one connection served');
    assert.deepEqual((await player.heard()).drop, []);
    console.log(`${name}: ${JSON.stringify(measured[name])}`);
    return measured[name];
  } finally {
    await player.close();
    await proxy.stop();
  }
}

describe('bytes a heartbeat, with progress in every second response', { concurrency: 3 }, () => {
  test('signed by the device: under 600 up and 200 down', { timeout: 180_000 }, async () => {
    const { up, down } = await measure('es256', { session: 'off', full: 2 });
    assert.ok(up > 300 && up < 600, `${up} up`);
    assert.ok(down > 100 && down < 200, `${down} down`);
  });
  test('by a session key: under 480 up and 200 down', { timeout: 180_000 }, async () => {
    const {
      up,
      down,
      device_signatures: deviceSignatures,
    } = await measure('session-key', { full: 2 });
    assert.ok(up > 300 && up < 480, `${up} up`);
    assert.ok(down > 100 && down < 200, `${down} down`);
    assert.equal(deviceSignatures, 0);
  });
  test('with progress in every response it is more down', { timeout: 180_000 }, async () => {
    const { up, down } = await measure('es256-full', { session: 'off', full: 1 });
    assert.ok(up < 600, `${up} up`);
    assert.ok(down > 200 && down < 400, `${down} down`);
  });
});
