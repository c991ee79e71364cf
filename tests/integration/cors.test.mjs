// What a page of another origin may do: preflight, responses and problems, by node and by a browser's rules.
import assert from 'node:assert/strict';
import { Gateway } from './lib/gateway.mjs';
import { assertProblem, Scene } from './lib/scene.mjs';
import { after, before, describe, test } from './lib/test.mjs';
import { event } from './lib/wait.mjs';

const page = 'https://player.example';

describe('a page of a listed origin', () => {
  let gateway;
  let scene;
  before(async () => {
    gateway = await Gateway.start({ settings: `[cors]\norigins = ["${page}"]\nmax_age_s = 600\n` });
    scene = await Scene.make(gateway);
  });
  after(() => gateway?.stop());

  const preflight = (path, method, headers = {}) =>
    gateway.client.request('OPTIONS', path, {
      headers: {
        origin: page,
        'access-control-request-method': method,
        'access-control-request-headers': 'content-type',
        ...headers,
      },
    });

  test('is let in by a preflight, for heartbeats and for reading progress', async () => {
    for (const [path, method] of [
      ['/v1/heartbeats', 'POST'],
      ['/v1/heartbeats/stream', 'POST'],
      ['/v1/keys', 'GET'],
      ['/v1/progress/ann/m', 'GET'],
      ['/v1/students/ann/progress', 'GET'],
    ]) {
      const response = await preflight(path, method);
      assert.equal(response.status, 204, path);
      assert.equal(response.headers['access-control-allow-origin'], page);
      assert.equal(response.headers.vary, 'origin');
      assert.ok(response.headers['access-control-allow-methods'].split(', ').includes(method));
      assert.ok(
        response.headers['access-control-allow-headers'].split(', ').includes('content-type'),
      );
      assert.equal(response.headers['access-control-max-age'], '600');
      assert.equal(response.headers['access-control-allow-credentials'], undefined);
      assert.equal(response.text, '');
    }
  });

  test('can read the response to a heartbeat, and when to come again', async () => {
    const token = await scene.token(0, 1000);
    const response = await gateway.send(token, { headers: { origin: page } });
    assert.equal(response.status, 200, response.text);
    assert.equal(response.headers['access-control-allow-origin'], page);
    assert.equal(response.headers['access-control-expose-headers'], 'retry-after, date');
  });

  test('can read problems: of heartbeats, of reading, and of the HTTP/2 layer', async () => {
    const refused = await gateway.send('nonsense', { headers: { origin: page } });
    assertProblem(refused, 400, 'malformed-token');
    assert.equal(refused.headers['access-control-allow-origin'], page);
    const reading = await gateway.client.request('GET', '/v1/progress/ann/m', {
      headers: { origin: page },
    });
    assertProblem(reading, 401, 'unauthorized');
    assert.equal(reading.headers['access-control-allow-origin'], page);
    const large = await gateway.send('x'.repeat(70_000), { headers: { origin: page } });
    assert.equal(large.status, 413);
    assert.equal(large.headers['access-control-allow-origin'], page);
  });

  test('has a stream of its own', async () => {
    const stream = gateway.client.stream('POST', '/v1/heartbeats/stream', {
      'content-type': 'application/jose',
      origin: page,
    });
    const [head] = await event('the head of the stream', stream, 'response');
    assert.equal(head['access-control-allow-origin'], page);
    stream.end();
    stream.resume();
    await event('the stream closes', stream, 'close');
  });

  test('is alone: other origins and other calls get nothing', async () => {
    const stranger = await preflight('/v1/heartbeats', 'POST', { origin: 'https://other.example' });
    assert.equal(stranger.status, 405);
    assert.equal(stranger.headers['access-control-allow-origin'], undefined);
    assert.equal(stranger.headers.vary, 'origin');
    const administering = await preflight('/v1/modules/x', 'PUT');
    assert.equal(administering.headers['access-control-allow-origin'], undefined);
    const sent = await gateway.send('nonsense', { headers: { origin: 'https://other.example' } });
    assert.equal(sent.headers['access-control-allow-origin'], undefined);
  });
});

test('a gateway without [cors] says nothing of it', async () => {
  const gateway = await Gateway.start();
  try {
    const headers = { origin: page, 'access-control-request-method': 'POST' };
    const response = await gateway.client.request('OPTIONS', '/v1/heartbeats', { headers });
    assert.equal(response.status, 405);
    const sent = await gateway.send('nonsense', { headers: { origin: page } });
    for (const { headers: got } of [response, sent])
      assert.deepEqual(
        Object.keys(got).filter((name) => name.startsWith('access-') || name === 'vary'),
        [],
      );
  } finally {
    await gateway.stop();
  }
});
