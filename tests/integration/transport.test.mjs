// HTTP/2 itself, and the tools that people reach for: curl, nghttp, h2load.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http2 from 'node:http2';
import path from 'node:path';
import tls from 'node:tls';
import { Client, responseOf } from './lib/client.mjs';
import { run } from './lib/command.mjs';
import { Gateway, tokens } from './lib/gateway.mjs';
import { assertProblem, Scene } from './lib/scene.mjs';
import { after, before, describe, test } from './lib/test.mjs';
import { event, within } from './lib/wait.mjs';

describe('transport', () => {
  let gateway;
  before(async () => (gateway = await Gateway.start()));
  after(() => gateway?.stop());

  test('a client without h2 is refused in the handshake', async () => {
    const connect = async (ALPNProtocols, more = {}) => {
      const socket = tls.connect({
        port: gateway.port,
        host: '127.0.0.1',
        rejectUnauthorized: false,
        ALPNProtocols,
        ...more,
      });
      try {
        await event('the handshake', socket, 'secureConnect');
        return { alpn: socket.alpnProtocol, version: socket.getProtocol() };
      } finally {
        socket.destroy();
      }
    };
    assert.deepEqual(await connect(['h2']), { alpn: 'h2', version: 'TLSv1.3' });
    assert.deepEqual(await connect(['http/1.1', 'h2'], { maxVersion: 'TLSv1.2' }), {
      alpn: 'h2',
      version: 'TLSv1.2',
    });
    await assert.rejects(connect(['http/1.1']));
    await assert.rejects(connect(['h2'], { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1' }));
  });

  test('cleartext with prior knowledge works as well', async () => {
    const scene = await Scene.make(gateway);
    const client = new Client(gateway.cleartextOrigin);
    try {
      const response = await gateway.send(await scene.token(0, 1000), { client });
      assert.equal(response.status, 200, response.text);
    } finally {
      await client.close();
    }
  });

  test('?token= instead of a body', async () => {
    const scene = await Scene.make(gateway);
    const token = await scene.token(0, 1000);
    const response = await gateway.client.request('POST', `/v1/heartbeats?token=${token}`);
    assert.equal(response.status, 200, response.text);
    assert.equal(response.json.results[0].status, 'credited');
    assertProblem(
      await gateway.client.request('POST', '/v1/heartbeats?token=x'),
      400,
      'malformed-token',
    );
    assertProblem(await gateway.client.request('POST', '/v1/heartbeats'), 400, 'malformed-token');
  });

  test('prefer: return=minimal gives 204 unless there is something to say', async () => {
    const scene = await Scene.make(gateway, { durationMs: 600_000, more: { max_rate: 1 } });
    const headers = { prefer: 'return=minimal' };
    const token = await scene.token(0, 30_000);
    for (let i = 0; i < 2; ++i) {
      const response = await gateway.send(token, { headers });
      assert.equal(response.status, 204);
      assert.equal(response.text, '');
    }
    assertProblem(await gateway.send('x', { headers }), 400, 'malformed-token');
    await scene.credited(30_000, 60_000);
    const limited = await gateway.send(await scene.token(60_000, 90_000), { headers });
    assert.equal(limited.status, 200);
    assert.equal(limited.json.results[0].status, 'limited');
  });

  test('a stream: a line for each token, in order, while it is open', async () => {
    const scene = await Scene.make(gateway);
    const stream = gateway.client.stream('POST', '/v1/heartbeats/stream', {
      'content-type': 'application/jose',
    });
    const [fields] = await event('the head comes before the body', stream, 'response');
    assert.equal(fields[':status'], 200);
    assert.equal(fields['content-type'], 'application/x-ndjson');
    let text = '';
    let wake = () => {};
    stream.on('data', (chunk) => {
      text += chunk;
      wake();
    });
    const lines = (count) =>
      within(
        `${count} lines`,
        new Promise((resolve) => {
          wake = () => {
            const all = text.split('\n');
            if (all.length > count) resolve(all.slice(0, count).map((line) => JSON.parse(line)));
          };
          wake();
        }),
      );
    stream.write(`${await scene.token(0, 1000)}\n`);
    assert.equal((await lines(1))[0].status, 'credited');
    const token = await scene.token(1000, 2000);
    stream.write(token.slice(0, 50));
    stream.write(
      `${token.slice(50)}\nrubbish\n${await scene.token(2000, 3000)}\n${'x'.repeat(3000)}\n`,
    );
    const all = await lines(5);
    assert.deepEqual(
      all.map((line) => line.problem ?? line.status),
      ['credited', 'credited', 'malformed-token', 'credited', 'token-too-large'],
    );
    assert.equal(all[3].seconds_watched, 3);
    // Many at once: more than may be in flight in one stream.
    const many = [];
    for (let i = 0; i < 100; ++i) many.push(await scene.token(10_000 + i * 100, 10_100 + i * 100));
    stream.write(`${many.join('\n')}\n`);
    const rest = (await lines(105)).slice(5);
    assert.ok(rest.every((line) => line.status === 'credited' || line.problem === 'rate-limited'));
    assert.deepEqual(
      rest.filter((l) => l.sn !== undefined).map((l) => l.sn),
      rest
        .filter((l) => l.sn !== undefined)
        .map((l) => l.sn)
        .sort((a, b) => a - b),
    );
    const ended = event('the response ends with the body', stream, 'end');
    stream.end();
    await ended;
  });

  test('a stream of nothing but line ends is answered, or reset, and harms nothing', async () => {
    for (const lines of [1000, 100_000]) {
      const stream = gateway.client.stream('POST', '/v1/heartbeats/stream', {
        'content-type': 'application/jose',
      });
      let seen = 0;
      const ended = new Promise((resolve) => {
        stream.on('data', (chunk) => {
          seen += chunk.toString().split('\n').length - 1;
        });
        stream.once('end', () => resolve('end'));
        stream.once('error', (error) => resolve(error.message));
      });
      stream.end('\n'.repeat(lines));
      const how = await within('the stream ends', ended);
      // A response is a hundred times as long as an empty line: more than the gateway keeps for a slow reader.
      if (lines === 1000) assert.deepEqual([how, seen], ['end', lines]);
      else assert.match(how, /^end$|ENHANCE_YOUR_CALM/);
      assert.equal((await gateway.client.request('GET', '/healthz')).status, 200);
    }
  });

  test('unknown paths and wrong methods', async () => {
    const home = await gateway.client.request('GET', '/');
    assert.equal(home.status, 302);
    assert.equal(home.headers.location, '/console/');
    for (const target of [
      '/v1',
      '/v1/heartbeat',
      '/v1/heartbeats/',
      '/favicon.ico',
      '/v1/keys/x',
      '/..',
      '//v1/modules',
    ])
      assertProblem(await gateway.client.request('GET', target), 404, 'not-found');
    for (const [method, target, allow] of [
      ['GET', '/v1/heartbeats', /POST/],
      ['PUT', '/v1/heartbeats', /POST/],
      ['GET', '/v1/heartbeats/stream', /POST/],
      ['POST', '/v1/modules/m', /PUT/],
      ['DELETE', '/v1/modules', /GET/],
      ['PATCH', '/v1/modules', /GET/],
      ['POST', '/v1/modules/m', /PATCH/],
      ['POST', '/healthz', /GET/],
    ]) {
      const response = await gateway.client.request(method, target);
      assertProblem(response, 405, 'method-not-allowed');
      assert.match(response.headers.allow, allow);
    }
  });

  test('HEAD is GET without content', async () => {
    await gateway.putModule('head', 1000);
    const get = await gateway.viewer('GET', '/v1/modules/head');
    const head = await gateway.viewer('HEAD', '/v1/modules/head');
    assert.equal(head.status, 200);
    assert.equal(head.text, '');
    assert.equal(head.headers['content-length'], String(Buffer.byteLength(get.text)));
    assert.equal((await gateway.viewer('HEAD', '/v1/modules/none')).status, 404);
  });

  test('bodies that are too long are refused while they come', async () => {
    for (const [method, target, token] of [
      ['POST', '/v1/heartbeats'],
      ['PUT', '/v1/modules/m', tokens.admin],
    ]) {
      const client = new Client(gateway.origin);
      try {
        const stream = client.stream(method, target, {
          'content-type': token ? 'application/json' : 'application/jose',
          ...(token && { authorization: `Bearer ${token}` }),
        });
        const response = responseOf(stream);
        const piece = Buffer.alloc(8192, 0x20);
        // As much as the window lets through, until a response comes.
        let stopped = false;
        const pump = () => {
          while (!stopped && !stream.destroyed && stream.write(piece));
        };
        stream.on('drain', pump);
        stream.once('response', () => (stopped = true));
        pump();
        const [head] = await event('a response to an endless body', stream, 'response');
        assert.equal(head[':status'], 413);
        // Without a code Node.js would first send the rest of the body, which the server does not take.
        stream.close(http2.constants.NGHTTP2_CANCEL);
        await within(
          'the stream ends',
          response.catch(() => {}),
        );
      } finally {
        // Not an orderly end: a half of the body is still waiting to be sent.
        client.connection.destroy();
      }
    }
  });

  test('a body that never ends holds up nobody', async () => {
    const stuck = Array.from({ length: 20 }, () =>
      gateway.client.stream('POST', '/v1/heartbeats', { 'content-type': 'application/jose' }),
    );
    for (const stream of stuck) {
      stream.on('error', () => {});
      stream.write('abc');
    }
    const scene = await Scene.make(gateway);
    await scene.credited(0, 1000);
    for (const stream of stuck) stream.close(http2.constants.NGHTTP2_CANCEL);
    await scene.credited(1000, 2000);
  });

  test('curl', async () => {
    const scene = await Scene.make(gateway);
    const token = await scene.token(0, 1000);
    const { stdout } = await run('curl', [
      '-sS',
      '--http2',
      '-k',
      '-w',
      '\n%{http_code} %{http_version}',
      '-H',
      'content-type: application/jose',
      '--data-binary',
      token,
      `${gateway.origin}/v1/heartbeats`,
    ]);
    const [body, code] = stdout.split('\n');
    assert.equal(code, '200 2');
    assert.equal(JSON.parse(body).results[0].status, 'credited');
    const plain = await run('curl', [
      '-sS',
      '--http2-prior-knowledge',
      '-w',
      '%{http_code}',
      '-X',
      'POST',
      `${gateway.cleartextOrigin}/v1/heartbeats?token=${token}`,
    ]);
    assert.match(plain.stdout, /"duplicate".*200$/s);
  });

  test('nghttp', async () => {
    const { stdout } = await run('nghttp', ['-v', '-n', `${gateway.origin}/healthz`]);
    assert.match(stdout, /:status: 200/);
    assert.match(stdout, /SETTINGS_MAX_CONCURRENT_STREAMS/);
  });

  test('h2load: every heartbeat counts once', async () => {
    const scenes = [];
    for (let i = 0; i < 4; ++i) scenes.push(await Scene.make(gateway, { durationMs: 600_000 }));
    const uris = [];
    for (let i = 0; i < 40; ++i)
      for (const scene of scenes)
        uris.push(
          `${gateway.origin}/v1/heartbeats?token=${await scene.token(i * 1000, (i + 1) * 1000)}`,
        );
    const file = path.join(gateway.directory, 'uris.txt');
    fs.writeFileSync(file, `${uris.join('\n')}\n`);
    const empty = path.join(gateway.directory, 'empty');
    fs.writeFileSync(empty, '');
    const { stdout } = await run('h2load', [
      '-i',
      file,
      '-n',
      String(uris.length),
      '-c',
      '1',
      '-m',
      '16',
      '-H',
      ':method: POST',
    ]);
    assert.match(stdout, new RegExp(`status codes: ${uris.length} 2xx, 0 3xx, 0 4xx, 0 5xx`));
    for (const scene of scenes) {
      const progress = await scene.progress();
      assert.equal(progress.seconds_watched, 40);
      assert.deepEqual(progress.coverage, [[0, 40_000]]);
    }
  });
});
