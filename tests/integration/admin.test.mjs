// Reading and administering, by the running program: roles, statistics, metrics, signals.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import Ajv from 'ajv/dist/2020.js';
import { Client } from './lib/client.mjs';
import { runSync } from './lib/command.mjs';
import { b64, Device } from './lib/device.mjs';
import { Gateway, tokens, tokenTable } from './lib/gateway.mjs';
import { assertProblem, Scene } from './lib/scene.mjs';
import { root, variants } from './lib/stores.mjs';
import { after, before, describe, test } from './lib/test.mjs';
import { always, until } from './lib/wait.mjs';

const calls = [
  ['GET', '/v1/modules', 'viewer'],
  ['GET', '/v1/modules/m', 'viewer'],
  ['PUT', '/v1/modules/m', 'admin'],
  ['DELETE', '/v1/modules/m', 'admin'],
  ['GET', '/v1/modules/m/students', 'viewer'],
  ['GET', `/v1/devices/${'A'.repeat(43)}`, 'admin'],
  ['PUT', `/v1/devices/${'A'.repeat(43)}`, 'admin'],
  ['DELETE', `/v1/devices/${'A'.repeat(43)}`, 'admin'],
  ['PUT', '/v1/assignments/s/m', 'admin'],
  ['DELETE', '/v1/assignments/s/m', 'admin'],
  ['GET', '/v1/students/s/progress', 'viewer'],
  ['DELETE', '/v1/students/s', 'admin'],
  ['GET', '/v1/progress/s/m', 'viewer'],
  ['GET', '/v1/completions', 'viewer'],
  ['GET', '/v1/stats', 'operator'],
  ['GET', '/metrics', 'operator'],
];

for (const variant of variants) {
  describe(`administering, ${variant}`, () => {
    let gateway;
    before(async () => (gateway = await Gateway.start({ variant })));
    after(() => gateway?.stop());

    test('roles', async () => {
      const may = { viewer: ['viewer', 'admin'], admin: ['admin'], operator: ['operator'] };
      for (const [method, target, needs] of calls) {
        const none = await gateway.client.request(method, target);
        assertProblem(none, 401, 'unauthorized');
        assert.match(none.headers['www-authenticate'], /^Bearer/);
        for (const [role, token] of Object.entries(tokens)) {
          const response = await gateway.client.request(method, target, { token });
          if (may[needs].includes(role))
            assert.ok(![401, 403].includes(response.status), `${role} ${target}`);
          else assertProblem(response, 403, 'forbidden');
        }
      }
    });

    test('modules: written, read, listed, with every wrong field named', async () => {
      const document = {
        title: 'Ä "quoted" title',
        duration_ms: 123_456,
        mastery_threshold: 87.65,
        max_rate: 1.25,
      };
      const first = await gateway.admin('PUT', '/v1/modules/written', document);
      assert.equal(first.status, 201);
      const second = await gateway.admin('PUT', '/v1/modules/written', document);
      assert.equal(second.status, 200);
      const { updated_at: updatedAt, ...rest } = (
        await gateway.viewer('GET', '/v1/modules/written')
      ).json;
      assert.deepEqual(rest, { module: 'written', ...document, revision: 1 });
      assert.match(updatedAt, /Z$/);
      for (const [change, named] of [
        [{ title: '' }, /title/],
        [{ title: 'a\u0000b' }, /title/],
        [{ duration_ms: 0 }, /duration_ms/],
        [{ duration_ms: 86_400_001 }, /duration_ms/],
        [{ mastery_threshold: 0 }, /mastery_threshold/],
        [{ mastery_threshold: 99.999 }, /mastery_threshold/],
        [{ max_rate: 17 }, /max_rate/],
        [{ colour: 'red' }, /unknown member; it may have title/],
        [{ title: undefined }, /title is missing/],
      ]) {
        const response = await gateway.admin('PUT', '/v1/modules/wrong', {
          ...document,
          ...change,
        });
        assertProblem(response, 400, 'malformed-request');
        assert.match(response.json.detail, named);
      }
      assertProblem(await gateway.viewer('GET', '/v1/modules/wrong'), 404, 'not-found');
      const names = [];
      for (let cursor = ''; ; ) {
        const page = (
          await gateway.viewer('GET', `/v1/modules?limit=1${cursor && `&cursor=${cursor}`}`)
        ).json;
        names.push(...page.items.map((item) => item.module));
        cursor = page.next ?? '';
        if (cursor === '') break;
      }
      assert.ok(names.includes('written'));
      assert.deepEqual(names, [...new Set(names)].sort());
      for (let i = 0; i < 2; ++i)
        assert.equal((await gateway.admin('DELETE', '/v1/modules/written')).status, 204);
      assertProblem(await gateway.viewer('GET', '/v1/modules/written'), 404, 'not-found');
    });

    test('devices: the thumbprint decides, a student keeps theirs', async () => {
      const device = await Device.make();
      const other = await Device.make();
      const target = `/v1/devices/${device.kid}`;
      assertProblem(
        await gateway.admin('PUT', target, { student: 's1', jwk: other.jwk }),
        400,
        'malformed-request',
      );
      const secret = await gateway.admin('PUT', target, {
        student: 's1',
        jwk: { ...device.jwk, d: b64(Buffer.alloc(32, 7)) },
      });
      assertProblem(secret, 400, 'malformed-request');
      assert.match(secret.json.detail, /private key/);
      assert.equal(
        (await gateway.admin('PUT', target, { student: 's1', jwk: device.jwk })).status,
        201,
      );
      assert.equal(
        (await gateway.admin('PUT', target, { student: 's1', jwk: device.jwk })).status,
        200,
      );
      assertProblem(
        await gateway.admin('PUT', target, { student: 's2', jwk: device.jwk }),
        409,
        'conflict',
      );
      const enrolled = (await gateway.admin('GET', target)).json;
      assert.deepEqual(
        [enrolled.kid, enrolled.student, enrolled.jwk, enrolled.revoked],
        [device.kid, 's1', device.jwk, false],
      );
      assertProblem(await gateway.admin('GET', `/v1/devices/${other.kid}`), 404, 'not-found');
      assertProblem(await gateway.admin('DELETE', `/v1/devices/${other.kid}`), 404, 'not-found');
    });

    test('statistics are as docs/stats.schema.json says, and count', async () => {
      const schema = JSON.parse(
        fs.readFileSync(path.join(root, 'docs', 'stats.schema.json'), 'utf8'),
      );
      const validate = new Ajv({ allErrors: true, strict: true }).compile(schema);
      const scene = await Scene.make(gateway);
      const before = (await gateway.operator('GET', '/v1/stats')).json;
      assert.ok(validate(before), JSON.stringify(validate.errors));
      const token = await scene.token(0, 1000);
      await gateway.send([token, token, 'x']);
      // A heartbeat counts once its response is on its way.
      const now = await until('all are counted', async () => {
        const { json } = await gateway.operator('GET', '/v1/stats');
        return json.heartbeats.in_flight === 0 && json;
      });
      assert.ok(validate(now), JSON.stringify(validate.errors));
      const grown = (read) => read(now) - read(before);
      assert.equal(
        grown((s) => s.heartbeats.credited),
        1,
      );
      assert.equal(
        grown((s) => s.heartbeats.duplicate),
        1,
      );
      assert.equal(
        grown((s) => s.heartbeats.rejected),
        1,
      );
      assert.equal(
        grown((s) => s.heartbeats.problems['malformed-token'] ?? 0),
        1,
      );
      assert.equal(
        grown((s) => s.verification.ES256.count),
        2,
      );
      assert.ok(now.shards.length > 0);
      assert.ok(now.connections.open >= 1);
      assert.ok(now.hot_store.up && now.ledger.up);
      assert.equal(now.heartbeats.in_flight, 0);
      assert.deepEqual(
        Object.keys((await gateway.operator('GET', '/v1/stats?filter=hot,mem')).json),
        ['hot_store', 'memory'],
      );
      const text = await gateway.operator('GET', '/v1/stats?format=text');
      assert.match(text.headers['content-type'], /^text\/plain/);
      assert.match(text.text, /^ +credited +\d+$/m);
    });

    test('promtool has nothing to say against /metrics', async () => {
      const metrics = await gateway.operator('GET', '/metrics');
      assert.match(metrics.headers['content-type'], /^text\/plain; version=0\.0\.4/);
      const said = runSync('promtool', ['check', 'metrics'], {
        input: metrics.text,
        encoding: 'utf8',
      });
      assert.equal(said, '');
    });

    test('health and readiness', async () => {
      const health = await gateway.client.request('GET', '/healthz');
      assert.deepEqual([health.status, health.text], [200, 'ok']);
      const ready = await gateway.client.request('GET', '/readyz');
      assert.deepEqual(ready.json, {
        ready: true,
        degraded: false,
        durability: ready.json.durability,
        reasons: [],
      });
      assert.ok(['log', 'fsync'].includes(ready.json.durability));
    });
  });
}

describe('signals', () => {
  test('SIGHUP takes new tokens; a bad file changes nothing and says why', async () => {
    const gateway = await Gateway.start();
    try {
      const viaNew = () => gateway.client.request('GET', '/v1/modules', { token: 'new-secret' });
      assert.equal((await viaNew()).status, 401);
      gateway.writeConfiguration(tokenTable('new', 'viewer', 'new-secret'));
      gateway.child.kill('SIGHUP');
      await until('the new token works', async () => (await viaNew()).status === 200);
      assert.equal((await gateway.viewer('GET', '/v1/modules')).status, 200);
      const length = gateway.log.length;
      gateway.writeConfiguration('\n[[token]]\nname = "bad"\nrole = "king"\nsha256 = "x"\n');
      gateway.child.kill('SIGHUP');
      await until('the log says why', () => /role|sha256/.test(gateway.log.slice(length)));
      assert.equal((await viaNew()).status, 200);
    } finally {
      await gateway.stop();
    }
  });

  test('SIGTERM answers what is in flight and exits 0', async () => {
    const gateway = await Gateway.start();
    try {
      const scenes = [];
      for (let i = 0; i < 8; ++i) scenes.push(await Scene.make(gateway));
      const list = [];
      for (let i = 0; i < 25; ++i)
        for (const scene of scenes) list.push([scene, await scene.token(i * 1000, (i + 1) * 1000)]);
      const client = new Client(gateway.origin);
      await client.request('GET', '/healthz');
      const sent = list.map(([scene, token]) =>
        gateway.send(token, { client }).then(
          (response) => ({ scene, response }),
          (error) => ({ scene, error }),
        ),
      );
      gateway.child.kill('SIGTERM');
      const results = await Promise.all(sent);
      const { code, signal } = await gateway.hasEnded();
      assert.deepEqual({ code, signal }, { code: 0, signal: null }, gateway.log);
      const acknowledged = new Map(scenes.map((scene) => [scene, 0]));
      for (const { scene, response } of results) {
        if (!response) continue; // the connection was closed before it was taken
        if (response.status === 200) acknowledged.set(scene, acknowledged.get(scene) + 1);
        else assert.ok([503, 429].includes(response.status), `${response.status} ${response.text}`);
      }
      await client.close();
      await gateway.launch();
      for (const scene of scenes) {
        const response = await gateway.viewer(
          'GET',
          `/v1/progress/${scene.student}/${scene.module}`,
        );
        const seconds = response.status === 404 ? 0 : response.json.seconds_watched;
        assert.ok(seconds >= acknowledged.get(scene), `${seconds} of ${acknowledged.get(scene)}`);
      }
    } finally {
      await gateway.stop();
    }
  });
});

if (variants.includes('servers')) {
  describe('stores that go away', () => {
    test('hot store away: degraded, through the ledger; both away: 503, and nothing is counted', async () => {
      const gateway = await Gateway.start({ variant: 'servers' });
      try {
        const scene = await Scene.make(gateway);
        await scene.credited(0, 1000);
        gateway.stores.halt('private-redis');
        await until(
          'it credits through the ledger',
          async () => {
            const response = await scene.play(1000, 2000, { sn: 1 });
            // The budget is what came in since the last credit: the rest is earned when it is there.
            if (response.status === 200) return response.json.results[0].seconds_watched === 2;
            await always(() => assertProblem(response, 503, 'storage-unavailable'));
          },
          { everyMs: 300 },
        );
        // The response of /readyz may be a quarter of a second old.
        await until(
          '/readyz says degraded',
          async () => (await gateway.client.request('GET', '/readyz')).json.degraded === true,
        );
        assert.equal((await scene.progress()).seconds_watched, 2);
        gateway.stores.halt('private-postgres');
        scene.sn = 2;
        const response = await scene.play(2000, 3000);
        assertProblem(response, 503, 'storage-unavailable');
        const list = await gateway.viewer('GET', '/v1/modules');
        assertProblem(list, 503, 'storage-unavailable');
        assert.ok(!/pqxx|sqlite|hiredis|libpq|connection to server/i.test(list.text), list.text);
      } finally {
        await gateway.end('SIGKILL');
        gateway.remove();
      }
    });
  });
}
