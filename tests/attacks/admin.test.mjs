// The administration: guessing of tokens, bodies that are made to hurt the parser, paths that are made to
// lead elsewhere. Roles: tests/integration/admin.test.mjs; the cookie and its CSRF token: signin.test.mjs; folders
// that are served: static.test.mjs.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { Client } from '../integration/lib/client.mjs';
import { Device } from '../integration/lib/device.mjs';
import { Gateway, tokens } from '../integration/lib/gateway.mjs';
import { assertProblem } from '../integration/lib/scene.mjs';
import { after, before, describe, test } from '../integration/lib/test.mjs';
import { beside } from './lib.mjs';

const json = { 'content-type': 'application/json' };
const deep = (opening, closing, depth) => `${opening.repeat(depth)}1${closing.repeat(depth)}`;

describe('attacks on the administration', () => {
  let gateway;
  let kid;
  before(async () => {
    gateway = await Gateway.start();
    await gateway.putModule('module', 60_000);
    kid = (await Device.make()).kid;
  });
  after(() => gateway?.stop());

  const asAdmin = (method, path, body, headers = json) =>
    gateway.client.request(method, path, { body, headers, token: tokens.admin });

  test('guessing tokens: slowed down for that address, named in the log without the guess', async () => {
    const guesses = Array.from(
      { length: 200 },
      () => `wk_admin_${crypto.randomBytes(24).toString('base64url')}`,
    );
    const client = new Client(gateway.origin, { localAddress: '127.0.77.1' });
    const responses = { 401: 0, 429: 0 };
    try {
      await beside(gateway, async () => {
        for (const token of guesses) {
          const response = await client.request('GET', '/v1/modules', { token });
          assertProblem(
            response,
            response.status === 429 ? 429 : 401,
            response.status === 429 ? 'rate-limited' : 'unauthorized',
          );
          ++responses[response.status];
        }
      });
      assert.ok(responses[401] < 50 && responses[429] > 0, JSON.stringify(responses));
      // The right one is not looked at either, from there; from anywhere else it is.
      assert.equal(
        (await client.request('GET', '/v1/modules', { token: tokens.admin })).status,
        429,
      );
    } finally {
      await client.close();
    }
    assert.equal((await asAdmin('GET', '/v1/modules')).status, 200);
    assert.match(gateway.log, /wrong token/);
    for (const guess of guesses) assert.ok(!gateway.log.includes(guess.slice('wk_admin_'.length)));
  });

  test('tokens of odd shapes are refused', async () => {
    for (const authorization of [
      'Bearer',
      'bearer',
      `Basic ${Buffer.from('admin:admin').toString('base64')}`,
      `Bearer ${'a'.repeat(8000)}`,
      `Bearer ${tokens.admin}x`,
      `Bearer ${tokens.admin.slice(0, -1)}`,
      `Bearer ${tokens.admin.toUpperCase()}`,
      `Token ${tokens.admin}`,
    ]) {
      const client = new Client(gateway.origin, { localAddress: '127.0.77.2' });
      const response = await client.request('PUT', '/v1/modules/none', {
        headers: { authorization },
        body: { title: 'x', duration_ms: 1000 },
      });
      assertProblem(response, 401, 'unauthorized');
      await client.close();
    }
    assert.equal((await asAdmin('GET', '/v1/modules/none')).status, 404);
  });

  test('bodies that are made to hurt a parser', async () => {
    const targets = [
      ['PUT', '/v1/modules/hurt'],
      ['PUT', `/v1/devices/${kid}`],
      ['POST', '/v1/session'],
    ];
    const right = '{"title":"x","duration_ms":1000';
    const bodies = {
      nothing: '',
      'half an object': right,
      'two documents': `${right}}{}`,
      'a list': '[]',
      'a number': '7',
      null: 'null',
      'brackets 100,000 deep': deep('[', ']', 100_000),
      'objects 20,000 deep': deep('{"a":', '}', 20_000),
      'brackets that never close': '['.repeat(500_000),
      'a deep member': `${right},"preview_url":${deep('[', ']', 5000)}}`,
      'a member twice': `${right},"title":"y","title":"z"}`,
      'a number without an end': `{"title":"x","duration_ms":1${'0'.repeat(50_000)}}`,
      'an exponent': '{"title":"x","duration_ms":1e999999}',
      'not a number': '{"title":"x","duration_ms":NaN}',
      'a negative number': '{"title":"x","duration_ms":-1}',
      'no UTF-8': Buffer.from([...Buffer.from('{"title":"'), 0xc3, 0x28, 0x22, 0x7d]),
      'half a surrogate': '{"title":"\\ud800","duration_ms":1000}',
      'a zero byte': '{"title":"a\\u0000b","duration_ms":1000}',
      'a comment': `/* */${right}}`,
      'a prototype': '{"__proto__":{"title":"x"},"duration_ms":1000}',
      SQL: '{"title":"\'); DROP TABLE modules; --","duration_ms":"1000"}',
      'a long title': JSON.stringify({ title: 'x'.repeat(60_000), duration_ms: 1000 }),
    };
    await beside(gateway, async () => {
      for (const [method, target] of targets) {
        for (const [name, body] of Object.entries(bodies)) {
          const response = await asAdmin(method, target, Buffer.from(body));
          assert.ok(
            response.status >= 400 && response.status < 500,
            `${name} to ${target}: ${response.status} ${response.text}`,
          );
          assert.equal(
            response.headers['content-type'],
            'application/problem+json',
            `${name} to ${target}`,
          );
          assert.ok(
            response.text.length < 2000,
            `${name} to ${target}: the response has ${response.text.length} bytes`,
          );
        }
      }
    });
    assert.equal((await asAdmin('GET', '/v1/modules/hurt')).status, 404);
    assert.equal((await asAdmin('GET', '/v1/modules/module')).json.title, 'Module module');
  });

  test('bodies that are too large: 413, and none of it stays', async () => {
    await beside(gateway, async () => {
      for (const bytes of [70_000, 1_000_000]) {
        const body = JSON.stringify({ title: 'x'.repeat(bytes), duration_ms: 1000 });
        const response = await asAdmin('PUT', '/v1/modules/large', body);
        assertProblem(response, 413, 'payload-too-large');
      }
      assert.equal((await asAdmin('GET', '/v1/modules/large')).status, 404);
    });
  });

  test('ids that are made to lead elsewhere', async () => {
    const ids = [
      '..',
      '%2e%2e',
      '..%2f..',
      '.%2e%2fstats',
      'a%2fb',
      'a%5cb',
      '%00',
      'a%00b',
      '%',
      '%zz',
      '%c0%ae',
      '%ff',
      '%27%20or%201=1',
      "'--",
      '*',
      'a?b',
      'a#b',
      '%0d%0aset-cookie:x=1',
      'x'.repeat(65),
      'x'.repeat(6000),
      '%3cscript%3e',
    ];
    await beside(gateway, async () => {
      for (const id of ids) {
        for (const [method, target] of [
          ['GET', `/v1/modules/${id}`],
          ['DELETE', `/v1/modules/${id}`],
          ['DELETE', `/v1/students/${id}`],
          ['GET', `/v1/progress/${id}/${id}`],
          ['DELETE', `/v1/devices/${id}`],
          ['PUT', `/v1/assignments/${id}/module`],
          ['GET', `/v1/students/${id}/devices`],
        ]) {
          const response = await asAdmin(method, target, undefined, {});
          const found = `${method} ${target.slice(0, 80)}: ${response.status} ${response.text.slice(0, 200)}`;
          // An id that is allowed, but names nothing, may be an empty list or nothing to delete.
          assert.ok(response.status < 500, found);
          if (response.status >= 400)
            assert.equal(response.headers['content-type'], 'application/problem+json', found);
          assert.equal(response.headers['set-cookie'], undefined, found);
          assert.doesNotMatch(response.text, /<script>|sqlite|pqxx/i, found);
        }
      }
    });
    assert.equal((await asAdmin('GET', '/v1/modules/module')).status, 200);
  });

  test('after all that, it serves', async () => {
    assert.equal((await gateway.client.request('GET', '/healthz')).status, 200);
    assert.ok(!/terminate|exception|sanitizer/i.test(gateway.log), gateway.log);
    for (const secret of Object.values(tokens)) assert.ok(!gateway.log.includes(secret));
  });
});
