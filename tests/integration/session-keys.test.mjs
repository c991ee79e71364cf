// Session keys on the wire: a device signs once and authenticates the rest by a MAC; whatever happens to the
// gateways, no heartbeat is lost.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { createLocalJWKSet, importJWK } from 'jose';
import { responseOf } from './lib/client.mjs';
import { runSync } from './lib/command.mjs';
import { Gateway, program } from './lib/gateway.mjs';
import { assertProblem, Scene } from './lib/scene.mjs';
import { kidOf, SessionKey } from './lib/session-key.mjs';
import { temporaryDirectory, variants } from './lib/stores.mjs';
import { after, before, describe, test } from './lib/test.mjs';
import { until, within } from './lib/wait.mjs';

/** A player as the protocol wants it: MAC where it can, signature where it must. */
class Player {
  static async make(gateway, alg) {
    const player = new Player();
    player.scene = await Scene.make(gateway, { alg });
    player.gateway = gateway;
    player.signed = 0;
    player.maced = 0;
    await player.fetchKey();
    return player;
  }
  async fetchKey() {
    const response = await this.gateway.client.request('GET', '/v1/keys');
    assert.equal(response.status, 200, response.text);
    this.keys = response.json.keys;
    this.session = this.keys.length > 0 ? await SessionKey.make(this.keys[0]) : undefined;
  }
  /** Sends one heartbeat until it is credited; at most twice. */
  async play(from, to, gateway = this.gateway) {
    const claims = this.scene.claims(from, to);
    if (this.session?.key) {
      const response = await gateway.send(await this.session.token(this.scene.device.kid, claims));
      ++this.maced;
      if (response.status === 200) return response.json.results[0];
      this.problem = response.json.type.split(':').at(-1);
      assert.ok(['session-key-unknown', 'bad-signature'].includes(this.problem), response.text);
      this.session.key = undefined;
    }
    const token = await this.scene.device.token({ ...claims, ...this.session?.offer });
    const response = await gateway.send(token);
    ++this.signed;
    assert.equal(response.status, 200, response.text);
    if (this.session) await this.session.settle(token);
    return response.json.results[0];
  }
  async expect(seconds) {
    assert.equal((await this.scene.progress()).seconds_watched, seconds);
  }
}

const verification = async (gateway) =>
  (await gateway.operator('GET', '/v1/stats?filter=verification')).json.verification;

for (const variant of variants) {
  describe(`session keys on ${variant}`, () => {
    let gateway;
    before(async () => {
      gateway = await Gateway.start({ variant });
    });
    after(() => gateway?.stop());

    test('the gateway announces one P-256 key, which may be cached', async () => {
      const response = await gateway.client.request('GET', '/v1/keys');
      assert.equal(response.headers['content-type'], 'application/jwk-set+json');
      assert.equal(response.headers['cache-control'], 'public, max-age=300');
      const [key, ...others] = response.json.keys;
      assert.deepEqual(others, []);
      assert.deepEqual(Object.keys(key).sort(), ['crv', 'kid', 'kty', 'use', 'x', 'y']);
      assert.equal(key.use, 'enc');
      assert.equal(await kidOf(key), key.kid);
      await importJWK(key, 'ECDH-ES');
      createLocalJWKSet(response.json);
      const again = await gateway.client.request('GET', '/v1/keys', {
        headers: { 'if-none-match': response.headers.etag },
      });
      assert.equal(again.status, 304);
      assert.equal(again.text, '');
      const head = await gateway.client.request('HEAD', '/v1/keys');
      assert.equal(head.status, 200);
      assert.equal(head.headers['content-length'], String(Buffer.byteLength(response.text)));
      assert.equal((await gateway.client.request('POST', '/v1/keys')).status, 405);
    });

    for (const alg of ['ES256', 'EdDSA'])
      test(`one signature of ${alg}, then MACs, each credited`, async () => {
        const player = await Player.make(gateway, alg);
        const earlier = await verification(gateway);
        for (let at = 0; at < 50_000; at += 10_000)
          assert.equal((await player.play(at, at + 10_000)).status, 'credited');
        await player.expect(50);
        assert.deepEqual([player.signed, player.maced], [1, 4]);
        const now = await verification(gateway);
        assert.equal(now.HS256.count - earlier.HS256.count, 4);
        assert.equal(now[alg].count - earlier[alg].count, 1);
        const metrics = (await gateway.operator('GET', '/metrics')).text;
        assert.match(
          metrics,
          /watchkeeper_verification_duration_seconds_count\{algorithm="HS256"\} [1-9]/,
        );
      });

    test('a whole buffer in one request: the offer and MACs made with its key', async () => {
      const player = await Player.make(gateway);
      const { scene, session } = player;
      const first = await scene.device.token({ ...scene.claims(0, 5_000), ...session.offer });
      await session.settle(first);
      const rest = [];
      for (let at = 5_000; at < 40_000; at += 5_000)
        rest.push(await session.token(scene.device.kid, scene.claims(at, at + 5_000)));
      const response = await gateway.send([first, ...rest]);
      assert.deepEqual(
        response.json.results.map(({ status }) => status),
        Array(8).fill('credited'),
      );
      await player.expect(40);
    });

    test('over a stream', async () => {
      const player = await Player.make(gateway);
      const { scene, session } = player;
      const first = await scene.device.token({ ...scene.claims(0, 5_000), ...session.offer });
      await session.settle(first);
      const stream = gateway.client.stream('POST', '/v1/heartbeats/stream', {
        'content-type': 'application/jose',
      });
      stream.write(
        `${first}\n${await session.token(scene.device.kid, scene.claims(5_000, 9_000))}\n`,
      );
      stream.end();
      const { text } = await within('the stream ends', responseOf(stream));
      assert.deepEqual(
        text
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line).status),
        ['credited', 'credited'],
      );
    });

    test('a MAC that was changed, of another session, or of no session is rejected', async () => {
      const player = await Player.make(gateway);
      const { scene } = player;
      await player.play(0, 1_000);
      const claims = scene.claims(1_000, 2_000);
      const good = await player.session.token(scene.device.kid, claims);
      const forged = good.slice(0, -5) + (good.at(-5) === 'A' ? 'B' : 'A') + good.slice(-4);
      assertProblem(await gateway.send(forged), 401, 'bad-signature');
      assertProblem(
        await gateway.send(
          await player.session.token(scene.device.kid, { ...claims, sid: 'other' }),
        ),
        401,
        'session-key-unknown',
      );
      assertProblem(
        await gateway.send(
          await player.session.token(scene.device.kid, { ...claims, sub: 'other' }),
        ),
        403,
        'subject-mismatch',
      );
      const retried = await gateway.send(good);
      assert.equal(retried.json.results[0].status, 'credited');
      assert.equal((await gateway.send(good)).json.results[0].status, 'duplicate');
    });

    test('a duplicate with an offer sets the key too: its response may have been lost', async () => {
      const player = await Player.make(gateway);
      const { scene, session } = player;
      const claims = scene.claims(0, 10_000);
      await gateway.send(await scene.device.token(claims));
      const again = await scene.device.token({ ...claims, ...session.offer });
      assert.equal((await gateway.send(again)).json.results[0].status, 'duplicate');
      await session.settle(again);
      const next = await gateway.send(
        await session.token(scene.device.kid, scene.claims(10_000, 20_000)),
      );
      assert.equal(next.json.results[0].status, 'credited');
    });

    test('an offer that is malformed credits nothing', async () => {
      const player = await Player.make(gateway);
      const { scene, session } = player;
      const { epk, skid } = session.offer;
      const flipped = Buffer.from(epk.y, 'base64url');
      flipped[31] ^= 1;
      for (const over of [
        { epk },
        { skid },
        { skid, epk: { ...epk, d: epk.x } },
        { skid, epk: { ...epk, crv: 'P-384' } },
        { skid, epk: { ...epk, y: flipped.toString('base64url') } },
        { skid, epk: 'x' },
        { skid: 'x', epk },
      ])
        assertProblem(await scene.play(0, 1_000, over), 400, 'malformed-token');
      assert.equal(
        (await gateway.viewer('GET', `/v1/progress/${scene.student}/${scene.module}`)).status,
        404,
      );
    });

    test('an offer to a key that the gateway has not is credited, and costs a signature later', async () => {
      const player = await Player.make(gateway);
      player.session.gateway = { ...player.session.gateway, kid: player.scene.device.kid };
      assert.equal((await player.play(0, 10_000)).status, 'credited');
      assert.equal((await player.play(10_000, 20_000)).status, 'credited');
      assert.equal(player.problem, 'session-key-unknown');
      await player.fetchKey();
      await player.play(20_000, 30_000);
      await player.play(30_000, 40_000);
      assert.deepEqual([player.signed, player.maced], [3, 2]);
      await player.expect(40);
    });

    test('a device that is revoked is out, with its key as well', async () => {
      const player = await Player.make(gateway);
      await player.play(0, 1_000);
      await gateway.admin('DELETE', `/v1/devices/${player.scene.device.kid}`);
      const token = await player.session.token(
        player.scene.device.kid,
        player.scene.claims(1_000, 2_000),
      );
      assertProblem(await gateway.send(token), 403, 'revoked-device');
    });

    test('a restart forgets the keys and loses nothing', async () => {
      const player = await Player.make(gateway);
      await player.play(0, 10_000);
      await player.play(10_000, 20_000);
      const announced = player.keys[0].kid;
      await gateway.end('SIGKILL');
      await gateway.launch();
      await player.play(20_000, 30_000);
      assert.equal(player.problem, 'session-key-unknown');
      await player.play(30_000, 40_000);
      assert.deepEqual([player.signed, player.maced], [2, 3]);
      await player.expect(40);
      await player.fetchKey();
      assert.equal(player.keys[0].kid, announced); // of the file in data_dir
      assert.equal(
        fs.statSync(path.join(gateway.directory, 'data', 'session-keys.json')).mode & 0o777,
        0o600,
      );
    });
  });
}

describe('session keys of a deployment', () => {
  let directory;
  let file;
  before(() => {
    directory = temporaryDirectory('keys');
    file = path.join(directory, 'keys.json');
  });
  after(() => fs.rmSync(directory, { recursive: true, force: true }));
  const keys = (...args) =>
    runSync(program, ['keys', ...args, '--session_keys.file', file], {
      encoding: 'utf8',
      cwd: directory,
    });
  const settings = () => `[session_keys]\nfile = "${file}"\n`;

  test('a configured file must be there, and `check` says so', async () => {
    const toml = path.join(directory, 'w.toml');
    fs.writeFileSync(toml, `data_dir = "${directory}"\n${settings()}`);
    const check = () =>
      spawnSync(program, ['--config', toml, 'check'], { encoding: 'utf8', timeout: 30_000 }).stdout;
    const start = spawnSync(program, ['--config', toml, '--listen', '127.0.0.1:0'], {
      encoding: 'utf8',
      timeout: 30_000,
    });
    assert.equal(start.status, 1);
    assert.match(start.stderr + start.stdout, /keys new/);
    assert.match(check(), /✗ session_keys .*does not exist/);
    keys('new');
    assert.match(check(), /✓ session_keys .*1 key\n/);
    fs.chmodSync(file, 0o644);
    assert.match(check(), /✗ session_keys .*other users/);
    fs.chmodSync(file, 0o600);
  });

  // Two gateways need stores that are servers.
  test('two gateways share it, and either can take over', {
    skip: !variants.includes('servers'),
  }, async () => {
    const one = await Gateway.start({ settings: settings(), variant: 'servers' });
    let two;
    try {
      two = await one.beside();
      const player = await Player.make(one);
      await player.play(0, 10_000);
      await player.play(10_000, 20_000);
      await player.play(20_000, 30_000, two);
      assert.equal(player.problem, 'session-key-unknown');
      await player.play(30_000, 40_000, two);
      assert.deepEqual([player.signed, player.maced], [2, 3]);
      // Back at the first, which holds the key of before: the MAC does not fit, and nothing is lost.
      await player.play(40_000, 50_000);
      assert.equal(player.problem, 'bad-signature');
      await player.expect(50);
    } finally {
      await two?.stop();
      await one.stop();
    }
  });

  test('a rotation is taken over on SIGHUP, and sessions go on', async () => {
    const gateway = await Gateway.start({ settings: settings() });
    try {
      const player = await Player.make(gateway);
      await player.play(0, 10_000);
      const old = player.session;
      keys('rotate');
      assert.match(keys('list'), /announced/);
      gateway.child.kill('SIGHUP');
      await until('the new key is announced', async () => {
        await player.fetchKey();
        return player.keys[0].kid !== old.gateway.kid;
      });
      player.session = old;
      await player.play(10_000, 20_000);
      assert.deepEqual([player.signed, player.maced], [1, 1]);
      // A device that still has the old gateway key may offer with it.
      old.key = undefined;
      await player.play(20_000, 30_000);
      await player.play(30_000, 40_000);
      assert.deepEqual([player.signed, player.maced], [2, 2]);
      // A file that is no good changes nothing.
      const good = fs.readFileSync(file);
      fs.writeFileSync(file, '{}');
      gateway.child.kill('SIGHUP');
      await until('the log says why', () =>
        gateway.log.includes('not reloaded; the old keys stay'),
      );
      assert.equal(gateway.log.includes(JSON.parse(good).keys[0].d), false);
      await player.play(40_000, 50_000);
      await player.expect(50);
      fs.writeFileSync(file, good);
    } finally {
      await gateway.stop();
    }
  });

  test('policy.signature = every: no keys, and a MAC is asked to be signed', async () => {
    const gateway = await Gateway.start({ settings: '[policy]\nsignature = "every"\n' });
    try {
      const player = await Player.make(gateway);
      assert.deepEqual(player.keys, []);
      await player.play(0, 10_000);
      player.session = await SessionKey.make({
        ...player.scene.device.jwk,
        kid: player.scene.device.kid,
      });
      await player.play(10_000, 20_000);
      await player.play(20_000, 30_000);
      assert.equal(player.problem, 'session-key-unknown');
      await player.expect(30);
      assert.equal(fs.existsSync(path.join(gateway.directory, 'data', 'session-keys.json')), false);
    } finally {
      await gateway.stop();
    }
  });
});
