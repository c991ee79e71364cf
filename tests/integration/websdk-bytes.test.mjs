// What a heartbeat of the module for web pages costs on the wire: everything counted, in a real browser.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { PlayerPage, launchBrowser } from './lib/browser.mjs';
import { CountingProxy } from './lib/counting-proxy.mjs';
import { Gateway } from './lib/gateway.mjs';
import { PageServer, playerFolders } from './lib/page-server.mjs';
import { root } from './lib/stores.mjs';
import { until } from './lib/wait.mjs';

const heartbeats = 100;
const measured = {};
let browser, server, gateway;

before(async () => {
  const { page, media } = playerFolders(90);
  server = await PageServer.start({ '/player/media/': media, '/player/': page });
  browser = await launchBrowser();
  gateway = await Gateway.start({ settings: `[cors]\norigins = ["${server.origin}"]\n` });
  await gateway.putModule('demo', 90_000);
}, { timeout: 180_000 });
after(async () => {
  const file = path.join(root, 'build', 'websdk-bytes.json');
  fs.writeFileSync(file, `${JSON.stringify(measured, null, 2)}\n`);
  await browser?.close();
  await server?.stop();
  await gateway?.stop();
});

/** Bytes a heartbeat over a hundred of them on a warm connection. */
async function measure(name, query) {
  const proxy = await CountingProxy.start(gateway.port);
  const student = `bytes-${name}`;
  const player = await PlayerPage.open(browser, {
    origin: server.origin, gateway: proxy.origin, student, module: 'demo', query: { heartbeat: 1000, ...query },
  });
  try {
    await player.enrol(gateway);
    await player.evaluate(() => { document.querySelector('video').loop = true; });
    await player.play(2);
    // The first heartbeats pay for the handshake, the preflight, the keys and the header table.
    const answered = async (n) => until(`${n} heartbeats of ${name} are answered`,
      async () => { const { traffic, buffered } = await player.status(); return traffic.heartbeats >= n && buffered === 0 && traffic; },
      { timeout_ms: 120_000, every_ms: 20 });
    const warm = await answered(6);
    const start = { up: proxy.up, down: proxy.down, ...warm, connections: proxy.connections };
    const end = await answered(warm.heartbeats + heartbeats);
    const count = end.heartbeats - start.heartbeats;
    const a = (from, to) => Math.round((to - from) / count);
    measured[name] = {
      heartbeats: count, up: a(start.up, proxy.up), down: a(start.down, proxy.down),
      body_up: a(start.bytesUp, end.bytesUp), body_down: a(start.bytesDown, end.bytesDown),
    };
    assert.equal(proxy.connections, start.connections, 'one connection was kept');
    assert.deepEqual((await player.heard()).drop, []);
    console.log(`${name}: ${JSON.stringify(measured[name])}`);
    return measured[name];
  } finally {
    await player.close();
    await proxy.stop();
  }
}

describe('bytes a heartbeat', { concurrency: 3 }, () => {
  test('signed by the device, with a full answer', { timeout: 180_000 }, async () => {
    const { up } = await measure('es256', { session: 'off' });
    assert.ok(up < 600, `${up} up`);
  });
  test('signed by the device, with progress in every sixth answer', { timeout: 180_000 }, async () => {
    const { up, down } = await measure('es256-minimal', { session: 'off', full: 6 });
    assert.ok(up < 600, `${up} up`);
    assert.ok(down < 200, `${down} down`);
  });
  test('with a session key, where the gateway has one', { timeout: 180_000 }, async (t) => {
    if ((await gateway.client.request('GET', '/v1/keys')).status !== 200) return t.skip('this gateway has no session keys');
    const { up } = await measure('session-key', { full: 6 });
    assert.ok(up < 480, `${up} up`);
  });
});
