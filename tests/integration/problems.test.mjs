// Every row of the table of problems (docs/protocol.md, section 4).
import assert from 'node:assert/strict';
import { b64, claims, Device, uuid } from './lib/device.mjs';
import { Gateway } from './lib/gateway.mjs';
import { assertProblem, Scene } from './lib/scene.mjs';
import { after, before, describe, test } from './lib/test.mjs';

describe('problems', () => {
  let gateway;
  let scene;
  before(async () => {
    gateway = await Gateway.start();
    scene = await Scene.make(gateway);
  });
  after(() => gateway?.stop());

  test('malformed-token', async () => {
    for (const body of ['x', 'a.b.c', '..', 'not a token\n', '\n', ''])
      assertProblem(await gateway.send(body), 400, 'malformed-token');
  });

  test('token-too-large: 1,024 bytes are one too many, 1,023 are not', async () => {
    const padded = async (bytes) => {
      const base = scene.claims(0, 1000);
      for (let pad = 0; ; ++pad) {
        const token = await scene.device.token({ ...base, pad: 'x'.repeat(pad) });
        if (token.length >= bytes) return token.length === bytes ? token : null;
      }
    };
    // base64url has no encoding of every length; the nearest that there are on both sides.
    const largest = (await padded(1023)) ?? (await padded(1022)) ?? (await padded(1021));
    const response = await gateway.send(largest);
    assert.equal(response.status, 200, response.text);
    const tooLarge = (await padded(1024)) ?? (await padded(1025));
    assertProblem(await gateway.send(tooLarge), 413, 'token-too-large');
  });

  test('too-many-tokens: 17; 16 are answered one by one, in order', async () => {
    const one = await Scene.make(gateway);
    const make = async (count) => {
      const list = [];
      for (let i = 0; i < count; ++i) list.push(await one.token(i * 1000, (i + 1) * 1000));
      return list;
    };
    const sixteen = await gateway.send(await make(16));
    assert.equal(sixteen.status, 200, sixteen.text);
    assert.deepEqual(
      sixteen.json.results.map((r) => [r.sn, r.status]),
      Array.from({ length: 16 }, (_, i) => [i, 'credited']),
    );
    // Each result has the progress after its own credit; in which order they were credited is open.
    assert.equal(Math.max(...sixteen.json.results.map((r) => r.seconds_watched)), 16);
    assertProblem(await gateway.send(await make(17)), 413, 'too-many-tokens');
    assert.equal((await one.progress()).seconds_watched, 16);
  });

  test('unknown-device', async () => {
    const stranger = await Device.make();
    assertProblem(
      await gateway.send(await stranger.token(scene.claims(0, 1000))),
      401,
      'unknown-device',
    );
  });

  test('bad-signature', async () => {
    const token = await scene.token(0, 1000);
    const [header, payload, signature] = token.split('.');
    const bytes = Buffer.from(signature, 'base64url');
    bytes[10] ^= 1;
    assertProblem(await gateway.send(`${header}.${payload}.${b64(bytes)}`), 401, 'bad-signature');
    const other = await Device.make();
    const input = `${header}.${payload}`;
    assertProblem(await gateway.send(`${input}.${b64(other.sign(input))}`), 401, 'bad-signature');
  });

  test('stale-token: too old, or past its exp', async () => {
    const now = Date.now() / 1000;
    assertProblem(await scene.play(0, 1000, { iat: now - 901 }), 401, 'stale-token');
    assertProblem(await scene.play(0, 1000, { exp: now - 1 }), 401, 'stale-token');
    assert.equal(
      (await scene.credited(0, 1000, { iat: now - 890, exp: now + 60 })).status,
      'credited',
    );
  });

  test('future-token', async () => {
    const now = Date.now() / 1000;
    assertProblem(await scene.play(0, 1000, { iat: now + 40 }), 401, 'future-token');
    assert.equal((await scene.play(0, 1000, { iat: now + 20 })).status, 200);
  });

  test('revoked-device, at once', async () => {
    const one = await Scene.make(gateway);
    await one.credited(0, 1000);
    assert.equal((await gateway.admin('DELETE', `/v1/devices/${one.device.kid}`)).status, 204);
    assertProblem(await one.play(1000, 2000), 403, 'revoked-device');
    await gateway.enrol(one.device, one.student);
    assert.equal((await one.credited(1000, 2000)).seconds_watched, 2);
  });

  test('subject-mismatch', async () => {
    assertProblem(await scene.play(0, 1000, { sub: 'someone-else' }), 403, 'subject-mismatch');
  });

  test('session-mismatch: a session is of one module', async () => {
    const one = await Scene.make(gateway);
    await gateway.putModule('another', 60_000);
    await one.credited(0, 1000);
    assertProblem(await one.play(0, 1000, { cid: 'another' }), 403, 'session-mismatch');
    one.sid = uuid();
    await one.credited(0, 1000, { cid: 'another' });
  });

  test('unknown-module, until it is put', async () => {
    const cid = `module-${uuid()}`;
    const one = await Scene.make(gateway);
    assertProblem(await one.play(0, 1000, { cid }), 404, 'unknown-module');
    await gateway.putModule(cid, 60_000);
    await one.credited(0, 1000, { cid });
    assert.equal((await gateway.admin('DELETE', `/v1/modules/${cid}`)).status, 204);
    assertProblem(await one.play(1000, 2000, { cid }), 404, 'unknown-module');
  });

  test('implausible-interval', async () => {
    const one = await Scene.make(gateway);
    assertProblem(await one.play(0, 30_001), 422, 'implausible-interval');
    assertProblem(await one.play(60_000, 61_000), 422, 'implausible-interval');
    assert.equal((await one.play(0, 30_000)).status, 200);
  });

  test('one bad token harms no other', async () => {
    const one = await Scene.make(gateway);
    const stranger = await Device.make();
    const list = [
      await one.token(0, 1000),
      await stranger.token(claims('s', 'm', 'x', 0, 0, 1)),
      'rubbish',
      await one.token(1000, 2000, { iat: Date.now() / 1000 - 5000 }),
      'x'.repeat(1024),
      await one.token(2000, 3000),
    ];
    const response = await gateway.send(list);
    assert.equal(response.status, 200, response.text);
    assert.deepEqual(
      response.json.results.map((r) => r.problem ?? r.status),
      [
        'credited',
        'unknown-device',
        'malformed-token',
        'stale-token',
        'token-too-large',
        'credited',
      ],
    );
    for (const result of response.json.results.filter((r) => r.problem))
      assert.equal(result.status, 'rejected');
    assert.deepEqual((await one.progress()).coverage, [
      [0, 1000],
      [2000, 3000],
    ]);
  });

  test('session-key-unknown', async () => {
    const header = JSON.stringify({
      alg: 'HS256',
      kid: `${scene.device.kid}.${scene.sid}`,
      typ: 'engagement+jwt',
    });
    const token = scene.device.rawToken(
      header,
      JSON.stringify(scene.claims(0, 1000)),
      Buffer.alloc(32),
    );
    assertProblem(await gateway.send(token), 401, 'session-key-unknown');
  });
});

describe('problems under other policies', () => {
  test('not-assigned', async () => {
    const gateway = await Gateway.start({ settings: '[policy]\nrequire_assignment = true\n' });
    try {
      const scene = await Scene.make(gateway);
      assertProblem(await scene.play(0, 1000), 403, 'not-assigned');
      const path = `/v1/assignments/${scene.student}/${scene.module}`;
      assert.equal((await gateway.admin('PUT', path)).status, 204);
      await scene.credited(0, 1000);
      assert.equal((await gateway.admin('DELETE', path)).status, 204);
      assertProblem(await scene.play(1000, 2000), 403, 'not-assigned');
    } finally {
      await gateway.stop();
    }
  });

  test('rate-limited: a device, by what verified only', async () => {
    const gateway = await Gateway.start({
      settings: '[rate]\ndevice_per_s = 1\ndevice_burst = 16\n',
    });
    try {
      const scene = await Scene.make(gateway);
      // Forgeries under its kid use up nothing of it.
      const forged = scene.device.rawToken(
        JSON.stringify(scene.device.header),
        JSON.stringify(scene.claims(0, 1000)),
        Buffer.alloc(64, 1),
      );
      for (let i = 0; i < 40; ++i) assertProblem(await gateway.send(forged), 401, 'bad-signature');
      let limited;
      let credited = 0;
      for (let i = 0; i < 40 && !limited; ++i) {
        const response = await scene.play(i * 100, (i + 1) * 100);
        if (response.status === 200) ++credited;
        else limited = response;
      }
      assertProblem(limited, 429, 'rate-limited');
      assert.ok(credited >= 16 && credited <= 22, `${credited} before the limit`);
      const other = await Scene.make(gateway);
      await other.credited(0, 1000);
    } finally {
      await gateway.stop();
    }
  });

  test('rate-limited: an address, by what did not verify', async () => {
    const gateway = await Gateway.start({
      settings: '[rate]\naddress_failures_per_s = 1\naddress_failures_burst = 50\n',
    });
    try {
      const scene = await Scene.make(gateway);
      const forged = scene.device.rawToken(
        JSON.stringify(scene.device.header),
        JSON.stringify(scene.claims(0, 1000)),
        Buffer.alloc(64, 1),
      );
      let limited;
      let failures = 0;
      for (let i = 0; i < 80 && !limited; ++i) {
        const response = await gateway.send(forged);
        if (response.status === 429) limited = response;
        else assertProblem(response, 401, 'bad-signature');
        ++failures;
      }
      assertProblem(limited, 429, 'rate-limited');
      assert.ok(failures > 50, `${failures}`);
    } finally {
      await gateway.stop();
    }
  });
});
