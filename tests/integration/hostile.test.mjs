// Input that means harm, or was damaged on its way: every response is a problem of the table, the
// process lives on, and what is right is credited afterwards.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { b64 } from './lib/device.mjs';
import { Gateway, tokens } from './lib/gateway.mjs';
import { assertProblem, Scene } from './lib/scene.mjs';
import { after, before, describe, test } from './lib/test.mjs';

// Beyond the limits that would answer 429 instead: these tests are about the parser.
const settings =
  '[rate]\ndevice_per_s = 1000\ndevice_burst = 100000\n' +
  'address_failures_per_s = 100000\naddress_failures_burst = 1000000\n';

const P256_ORDER = BigInt('0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551');
const bytesOf = (n) => Buffer.from(n.toString(16).padStart(64, '0'), 'hex');

describe('hostile input', () => {
  let gateway;
  let scene;
  before(async () => {
    gateway = await Gateway.start({ settings });
    scene = await Scene.make(gateway);
  });
  after(() => gateway?.stop());

  /** Sends many bodies over one connection, 64 at once. */
  async function sendAll(bodies) {
    const responses = new Array(bodies.length);
    let next = 0;
    await Promise.all(
      Array.from({ length: 64 }, async () => {
        while (next < bodies.length) {
          const i = next++;
          responses[i] = await gateway.send(bodies[i]);
        }
      }),
    );
    return responses;
  }

  for (const alg of ['ES256', 'EdDSA']) {
    test(`${alg}: a token cut at every byte is rejected`, async () => {
      const one = await Scene.make(gateway, { alg });
      const token = await one.token(0, 1000);
      const cut = Array.from({ length: token.length - 1 }, (_, i) => token.slice(0, i + 1));
      for (const response of await sendAll(cut)) {
        assert.ok([400, 401].includes(response.status), `${response.status} ${response.text}`);
        assert.match(response.json.type, /:(malformed-token|bad-signature)$/);
      }
      assert.equal((await gateway.send(token)).json.results[0].status, 'credited');
    });

    test(`${alg}: a token with any byte flipped is rejected`, async () => {
      const one = await Scene.make(gateway, { alg });
      const token = Buffer.from(await one.token(0, 1000));
      const flipped = [];
      for (let i = 0; i < token.length; ++i) {
        for (const bit of [1 << (i % 7), 1 << ((i + 3) % 7), 0x80]) {
          const bytes = Buffer.from(token);
          bytes[i] ^= bit;
          // A line end makes two tokens of it, which is another case.
          if (bytes[i] !== 0x0a) flipped.push(bytes);
        }
      }
      for (const response of await sendAll(flipped)) {
        assert.ok(
          [400, 401, 403, 404, 422].includes(response.status),
          `${response.status} ${response.text}`,
        );
        assert.match(response.json.type, /^urn:watchkeeper:problem:/);
      }
      assert.equal(
        (await gateway.viewer('GET', `/v1/progress/${one.student}/${one.module}`)).status,
        404,
      );
      assert.equal((await gateway.send(token)).json.results[0].status, 'credited');
    });
  }

  test('header: other algorithms, types and members', async () => {
    const { kid } = scene.device;
    const good = { alg: 'ES256', kid, typ: 'engagement+jwt' };
    const payload = JSON.stringify(scene.claims(0, 1000));
    const headers = [
      ...[
        'none',
        'es256',
        'RS256',
        'PS256',
        'ES384',
        'ES256K',
        'HS384',
        '',
        'ES256 ',
        'Ed25519',
      ].map((alg) => ({ ...good, alg })),
      { ...good, typ: 'JWT' },
      { ...good, typ: undefined },
      { ...good, typ: 'ENGAGEMENT+JWT' },
      { ...good, kid: undefined },
      { ...good, kid: kid.slice(1) },
      { ...good, kid: `${kid}A` },
      { ...good, kid: 5 },
      { ...good, alg: null },
      { ...good, crit: ['exp'] },
      { ...good, jku: 'https://x/y' },
      { ...good, jwk: scene.device.jwk },
      { ...good, b64: false },
    ].map((header) => JSON.stringify(header));
    headers.push(
      `{"alg":"none","alg":"ES256","kid":"${kid}","typ":"engagement+jwt"}`,
      `{"alg":"ES256","kid":"${kid}","typ":"engagement+jwt"`,
      '[]',
      'null',
      '',
      '{}',
      `${JSON.stringify(good)} x`,
      `\ufeff${JSON.stringify(good)}`,
    );
    const responses = await sendAll(
      headers.map((header) => scene.device.rawToken(header, payload)),
    );
    responses.forEach((response, i) => {
      assert.equal(response.status, 400, `${headers[i]}: ${response.text}`);
      assertProblem(response, 400, 'malformed-token');
    });
    // An algorithm that is known, but not the key's.
    const eddsa = scene.device.rawToken(JSON.stringify({ ...good, alg: 'EdDSA' }), payload);
    assertProblem(await gateway.send(eddsa), 401, 'bad-signature');
    for (const alg of ['none', 'ES256']) {
      const header = b64(JSON.stringify({ ...good, alg }));
      const unsigned = await gateway.send(`${header}.${b64(payload)}.`);
      assert.ok([400, 401].includes(unsigned.status), unsigned.text);
    }
  });

  test('claims: missing, twice, of a wrong type, out of range', async () => {
    const header = JSON.stringify(scene.device.header);
    const base = scene.claims(0, 1000);
    const wrong = [];
    for (const name of ['sub', 'cid', 'sid', 'sn', 'from', 'to', 'iat'])
      wrong.push(JSON.stringify({ ...base, [name]: undefined }));
    for (const [name, values] of Object.entries({
      sub: [1, '', 'a'.repeat(65), 'a b', 'ä', null, [], {}, 'a/b', 'a\n'],
      cid: [1, '', 'a'.repeat(65), 'a b', null],
      sid: [1, '', 'a'.repeat(65), 'a/b', true],
      sn: [-1, 1.5, 2 ** 31, '1', null, 1e30],
      from: [-1, 0.5, '0', null, 1000, 2000, 1e15],
      to: [-1, 0, 1.5, '5', null, 2 ** 53],
      pr: [0.2, 4.1, 0, -1, '1', null],
      iat: ['now', null, -1, 1e20, {}],
      exp: ['x', null, -5, []],
    }))
      for (const value of values) wrong.push(JSON.stringify({ ...base, [name]: value }));
    const text = JSON.stringify(base);
    for (const name of Object.keys(base))
      wrong.push(text.replace('{', `{"${name}":${JSON.stringify(base[name])},`)); // twice
    wrong.push(
      text.replace('"from":0', '"from":00'),
      text.replace('"from":0', '"from":-0'),
      text.replace('"from":0', '"from":0e0'),
      text.replace('"sn":', '"sn":+'),
      text.replace(/"iat":[0-9.]+/, '"iat":NaN'),
      text.replace(/"iat":[0-9.]+/, '"iat":1e400'),
      text.replace(/"to":\d+/, `"to":1${'0'.repeat(300)}`),
      text.replace('"sub":', '"\\u0073ub":"x","sub":'),
      `${text}{}`,
      `${text},`,
      text.slice(0, -1),
      '{}',
      '[]',
      'null',
      '""',
      `[${text}]`,
      '{'.repeat(200),
      '['.repeat(400),
    );
    const responses = await sendAll(wrong.map((payload) => scene.device.rawToken(header, payload)));
    responses.forEach((response, i) => {
      // An instant that is well-formed and absurd is too old or too new.
      const times = /"iat":(-1|1e\+?20|100000000000000000000)|"exp":-5/.test(wrong[i]);
      const allowed = times
        ? ['malformed-token', 'stale-token', 'future-token']
        : ['malformed-token'];
      assert.ok(
        allowed.some((name) => response.status >= 400 && response.json.type?.endsWith(name)),
        `${wrong[i].slice(0, 200)}: ${response.status} ${response.text}`,
      );
    });
    const invalidUtf8 = Buffer.concat([
      Buffer.from(text.slice(0, -1)),
      Buffer.from(',"x":"\xff\xfe"}', 'latin1'),
    ]);
    assertProblem(
      await gateway.send(scene.device.rawToken(header, invalidUtf8)),
      400,
      'malformed-token',
    );
    const unknown = { ...base, sn: 1000, extra: { deep: [1, 'x', null] }, aud: 'someone' };
    const fine = await gateway.send(scene.device.rawToken(header, JSON.stringify(unknown)));
    assert.equal(fine.status, 200, fine.text);
  });

  test('encoding: padding, foreign alphabet, bytes after the token', async () => {
    const scene = await Scene.make(gateway);
    const token = await scene.token(0, 1000);
    const [header, payload, signature] = token.split('.');
    for (const body of [
      `${token}=`,
      `${header}=.${payload}.${signature}`,
      `${token}.`,
      `.${token}`,
      `${token} `,
      ` ${token}`,
      `${token}\r\n`,
      `${token}\0`,
      `${header}..${signature}`,
      `${header}.${payload}`,
      `${header}.${payload}.${signature}.x`,
      token.replace('.', '%2E'),
      `"${token}"`,
    ])
      assertProblem(await gateway.send(body), 400, 'malformed-token');
    // The last character of a 64-byte value has two unused bits.
    const last = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    const at = last.indexOf(signature.at(-1));
    const twin = signature.slice(0, -1) + last[at ^ 1];
    assertProblem(await gateway.send(`${header}.${payload}.${twin}`), 400, 'malformed-token');
    assert.equal((await gateway.send(token)).status, 200);
  });

  test('signatures: DER, r or s of 0 or n and over, other lengths', async () => {
    const scene = await Scene.make(gateway);
    const input = (await scene.token(0, 1000)).split('.').slice(0, 2).join('.');
    const raw = scene.device.sign(input);
    const r = raw.subarray(0, 32);
    const s = raw.subarray(32);
    const zero = Buffer.alloc(32);
    const order = bytesOf(P256_ORDER);
    const above = bytesOf(P256_ORDER + 1n);
    const full = Buffer.alloc(32, 0xff);
    const wrong = [
      scene.device.sign(input, 'der'),
      Buffer.concat([zero, s]),
      Buffer.concat([r, zero]),
      Buffer.concat([zero, zero]),
      Buffer.concat([order, s]),
      Buffer.concat([r, order]),
      Buffer.concat([above, s]),
      Buffer.concat([full, full]),
      raw.subarray(0, 63),
      Buffer.concat([raw, zero.subarray(0, 1)]),
      Buffer.concat([s, r]),
      Buffer.alloc(64),
      Buffer.alloc(200, 1),
    ];
    const responses = await sendAll(wrong.map((signature) => `${input}.${b64(signature)}`));
    for (const [i, response] of responses.entries())
      assert.equal(response.status, 401, `${i}: ${response.text}`);
    for (const response of responses) assertProblem(response, 401, 'bad-signature');
    // The other s of the same r verifies as well: it must count as the same heartbeat.
    const first = await gateway.send(`${input}.${b64(raw)}`);
    assert.equal(first.json.results[0].status, 'credited');
    const mirrored = bytesOf(P256_ORDER - BigInt(`0x${s.toString('hex')}`));
    const again = await gateway.send(`${input}.${b64(Buffer.concat([r, mirrored]))}`);
    assert.equal(again.json.results[0].status, 'duplicate');
  });

  test('keys that make forgeries verify are refused at enrolment', async () => {
    const p = 2n ** 255n - 19n;
    const little = (n) => Buffer.from(n.toString(16).padStart(64, '0'), 'hex').reverse();
    const smallOrder = [
      little(0n),
      little(1n),
      little(p - 1n),
      little(p),
      little(p + 1n),
      little(2n ** 255n - 1n),
      Buffer.from('26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05', 'hex'),
      Buffer.from('26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85', 'hex'),
      Buffer.from('c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a', 'hex'),
      Buffer.from('c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa', 'hex'),
      Buffer.from(`01${'00'.repeat(30)}80`, 'hex'),
      Buffer.from(`00${'00'.repeat(30)}80`, 'hex'),
      Buffer.from('ff'.repeat(32), 'hex'),
    ];
    for (const bytes of smallOrder) {
      const x = b64(bytes);
      const kid = crypto
        .createHash('sha256')
        .update(`{"crv":"Ed25519","kty":"OKP","x":"${x}"}`)
        .digest('base64url');
      const response = await gateway.admin('PUT', `/v1/devices/${kid}`, {
        student: 's',
        jwk: { kty: 'OKP', crv: 'Ed25519', x },
      });
      assertProblem(response, 400, 'malformed-request');
      assert.match(response.json.detail, /usable key/);
    }
    for (const [x, y] of [
      [zeroText, zeroText],
      [b64(bytesOf(5n)), b64(bytesOf(5n))],
    ]) {
      const kid = crypto
        .createHash('sha256')
        .update(`{"crv":"P-256","kty":"EC","x":"${x}","y":"${y}"}`)
        .digest('base64url');
      const response = await gateway.admin('PUT', `/v1/devices/${kid}`, {
        student: 's',
        jwk: { kty: 'EC', crv: 'P-256', x, y },
      });
      assertProblem(response, 400, 'malformed-request');
    }
  });

  test('documents cut at every byte, or with any byte flipped, are refused or taken, never 500', async () => {
    const text = JSON.stringify({
      title: 'Täst "x"',
      duration_ms: 60000,
      mastery_threshold: 95.5,
      max_rate: 2,
    });
    const bytes = Buffer.from(text);
    const put = (body) =>
      gateway.client.request('PUT', '/v1/modules/damaged', {
        body,
        token: tokens.admin,
        headers: { 'content-type': 'application/json' },
      });
    for (let i = 0; i < bytes.length; ++i)
      assertProblem(await put(bytes.subarray(0, i)), 400, 'malformed-request');
    for (let i = 0; i < bytes.length; ++i) {
      for (let bit = 0; bit < 8; ++bit) {
        const flipped = Buffer.from(bytes);
        flipped[i] ^= 1 << bit;
        const response = await put(flipped);
        if (response.status !== 200 && response.status !== 201)
          assertProblem(response, 400, 'malformed-request');
      }
    }
  });

  test('after all that, it serves', async () => {
    const one = await Scene.make(gateway, { alg: 'EdDSA' });
    assert.equal((await one.credited(0, 1000)).status, 'credited');
    assert.equal((await gateway.client.request('GET', '/readyz')).status, 200);
    assert.ok(!/terminate|exception|sanitizer/i.test(gateway.log), gateway.log);
  });
});

const zeroText = b64(Buffer.alloc(32));
