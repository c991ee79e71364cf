// The C SDK's example against a gateway that is killed, restarted and slow, and against servers that
// are none.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import http2 from 'node:http2';
import path from 'node:path';
import { calculateJwkThumbprint, compactVerify, importJWK } from 'jose';
import { selfSignedCertificate, writeCertificate } from './lib/certificate.mjs';
import { runSync } from './lib/command.mjs';
import { Gateway, program } from './lib/gateway.mjs';
import { lengthOf } from './lib/scene.mjs';
import { temporaryDirectory } from './lib/stores.mjs';
import { after, before, describe, test } from './lib/test.mjs';
import { event, until, within } from './lib/wait.mjs';

const watch = path.join(path.dirname(program), 'sdk', 'examples', 'watch');
// 40 s of an outage in real life are 4 s here: a heartbeat each second instead of ten.
const quick = [
  '--heartbeat-ms',
  '1000',
  '--interval-max-ms',
  '3000',
  '--backoff-base-ms',
  '50',
  '--backoff-cap-ms',
  '500',
  '--timeout-ms',
  '3000',
  '--full-response-every',
  '1',
];
let made = 0;

class Watcher {
  constructor(directory) {
    this.directory = directory;
    this.student = `c-${process.pid}-${++made}`;
    this.key = path.join(directory, `${this.student}.pem`);
    this.storage = path.join(directory, `${this.student}.buffer`);
    this.identity = JSON.parse(
      runSync(watch, ['--identity', '--key', this.key], { encoding: 'utf8' }),
    );
  }
  at(gateway, module) {
    this.module = module;
    this.ca = path.join(gateway.directory, 'data', 'tls-certificate.pem');
    this.url = `https://localhost:${gateway.port}`;
  }
  async enrol(gateway, module, durationMs = 600_000) {
    this.at(gateway, module);
    await gateway.putModule(module, durationMs);
    const response = await gateway.admin('PUT', `/v1/devices/${this.identity.kid}`, {
      student: this.student,
      jwk: this.identity.jwk,
    });
    assert.ok(response.status < 300, response.text);
  }
  play(...more) {
    const child = spawn(
      watch,
      [
        '--url',
        this.url,
        '--ca',
        this.ca,
        '--key',
        this.key,
        '--storage',
        this.storage,
        '--student',
        this.student,
        '--module',
        this.module,
        ...more,
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    this.out = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk) => (this.out += chunk));
    this.child = child;
    const ended = new Promise((resolve) =>
      child.once('close', (code, signal) => resolve({ code, signal })),
    );
    this.ended = () => within('watch ends', ended, 60_000);
    return this;
  }
  get status() {
    const line = this.out.split('\n').findLast((each) => each.startsWith('status '));
    assert.ok(line, this.out);
    return Object.fromEntries(
      line
        .slice(7)
        .split(' ')
        .map((pair) => pair.split('='))
        .map(([k, v]) => [k, Number(v)]),
    );
  }
}

const count = (text, word) => text.split('\n').filter((line) => line.startsWith(word)).length;

describe('the C SDK', { concurrency: 1 }, () => {
  let gateway;
  let directory;
  before(async () => {
    gateway = await Gateway.start();
    directory = temporaryDirectory('sdk-c');
  });
  after(async () => {
    await gateway.stop();
    fs.rmSync(directory, { recursive: true, force: true });
  });

  test('what it plays is credited, to the millisecond', async () => {
    const watcher = new Watcher(directory);
    await watcher.enrol(gateway, 'c-happy');
    const { code } = await watcher.play('--seconds', '3.5', ...quick).ended();
    assert.equal(code, 0, watcher.out);
    const progress = await gateway.progress(watcher.student, 'c-happy');
    assert.deepEqual(progress.coverage, [[0, 3500]]);
    assert.match(watcher.out, /progress 3 s, 0.58 %, resume at 3500 ms/);
    assert.equal(watcher.status.made, 4);
    assert.equal(watcher.status.acknowledged, 4);
  });

  test('a gateway that is killed for the length of four heartbeats leaves no hole', async () => {
    const watcher = new Watcher(directory);
    await watcher.enrol(gateway, 'c-outage');
    watcher.play('--seconds', '9', '--linger', '15', ...quick);
    await until('two heartbeats are credited', () => count(watcher.out, 'progress') >= 2);
    await gateway.end('SIGKILL');
    await until('it was noticed', () => watcher.out.includes('failure 0'));
    const down = Date.now();
    await until('four seconds passed', () => Date.now() - down >= 4000);
    await gateway.launch(gateway.port);
    const { code } = await watcher.ended();
    assert.equal(code, 0, watcher.out);
    const progress = await gateway.progress(watcher.student, 'c-outage');
    assert.deepEqual(progress.coverage, [[0, 9000]]);
    assert.equal(watcher.status.dropped, 0);
  });

  test('a long outage loses the oldest beyond what five heartbeats hold, and says how much', async () => {
    const watcher = new Watcher(directory);
    await watcher.enrol(gateway, 'c-long');
    // Nothing may be joined: five heartbeats of a second each.
    const tight = quick.with(3, '1000');
    watcher.play('--seconds', '12', '--linger', '15', ...tight);
    await until('two heartbeats are credited', () => count(watcher.out, 'progress') >= 2);
    await gateway.end('SIGKILL');
    await until('three had to go', () => count(watcher.out, 'drop ') >= 3, { timeoutMs: 20_000 });
    await gateway.launch(gateway.port);
    await watcher.ended();
    const progress = await gateway.progress(watcher.student, 'c-long');
    const drops = [...watcher.out.matchAll(/drop sn \d+ \[(\d+), (\d+)\) buffer-full/g)];
    assert.equal(drops.length, watcher.status.dropped);
    assert.equal(watcher.status.buffered, 0, watcher.out);
    // Every millisecond that was played was credited or is named as dropped.
    const lost = drops.reduce((sum, [, from, to]) => sum + Number(to) - Number(from), 0);
    assert.equal(lengthOf(progress.coverage) + lost, 12_000, watcher.out);
    for (const [, from, to] of drops)
      assert.ok(!progress.coverage.some(([a, b]) => a < Number(to) && Number(from) < b));
  });

  test('an app that is killed without a network delivers after its next start', async () => {
    const watcher = new Watcher(directory);
    await watcher.enrol(gateway, 'c-restart');
    await gateway.end('SIGKILL');
    watcher.play('--seconds', '60', ...quick);
    await until(
      'three heartbeats are stored',
      () =>
        fs.existsSync(watcher.storage) &&
        fs.readFileSync(watcher.storage, 'utf8').split('\n').length >= 5,
    );
    watcher.child.kill('SIGKILL');
    await watcher.ended();
    const stored = fs
      .readFileSync(watcher.storage, 'utf8')
      .trim()
      .split('\n')
      .slice(1)
      .map((line) => line.split(' '));
    await gateway.launch(gateway.port);
    const { code } = await watcher.play('--from', '100', '--seconds', '1', ...quick).ended();
    assert.equal(code, 0, watcher.out);
    const progress = await gateway.progress(watcher.student, 'c-restart');
    const to = Number(stored.at(-1)[4]);
    assert.ok(to >= 3000);
    assert.deepEqual(progress.coverage[0], [0, 0 + to]);
    assert.equal(progress.coverage[1]?.[0] ?? 100_000, 100_000);
  });

  test('signs once a session, and once more for a gateway that was restarted', async () => {
    const watcher = new Watcher(directory);
    await watcher.enrol(gateway, 'c-keys');
    watcher.play('--seconds', '8', '--linger', '15', ...quick);
    await until('three heartbeats are credited', () => count(watcher.out, 'progress') >= 3);
    await gateway.end('SIGKILL');
    await gateway.launch(gateway.port);
    const { code } = await watcher.ended();
    assert.equal(code, 0, watcher.out);
    assert.deepEqual((await gateway.progress(watcher.student, 'c-keys')).coverage, [[0, 8000]]);
    assert.equal(watcher.status.dropped, 0);
    // One, and one for each heartbeat that had been signed with the key that was lost.
    assert.ok(
      watcher.status.device_signatures >= 2 && watcher.status.device_signatures <= 5,
      watcher.out,
    );
    assert.ok(watcher.status.session_signatures >= 4, watcher.out);
  });

  test('a final rejection is reported and not repeated', async () => {
    const watcher = new Watcher(directory);
    await watcher.enrol(gateway, 'c-refused');
    watcher.module = 'c-no-such-module';
    await watcher.play('--seconds', '1', ...quick).ended();
    assert.match(watcher.out, /drop sn 0 \[0, 1000\) rejected unknown-module/);
    assert.equal(watcher.status.dropped, 1);
    assert.equal(watcher.status.acknowledged, 0);
  });

  test('what is played before the device is enrolled is stored, and credited by the next start', async () => {
    const watcher = new Watcher(directory);
    await gateway.putModule('c-early', 600_000);
    watcher.at(gateway, 'c-early');
    const { code } = await watcher.play('--seconds', '2', '--linger', '1', ...quick).ended();
    assert.equal(code, 1, watcher.out);
    assert.equal(count(watcher.out, 'failure 7 '), 1, watcher.out);
    assert.equal(watcher.status.dropped, 0);
    assert.equal(watcher.status.buffered, 2);
    assert.equal(
      watcher.status.requests,
      2,
      'one by itself, one at the end: it does not ask again and again',
    );
    await watcher.enrol(gateway, 'c-early');
    const second = await watcher.play('--from', '2', '--seconds', '1', ...quick).ended();
    assert.equal(second.code, 0, watcher.out);
    assert.deepEqual((await gateway.progress(watcher.student, 'c-early')).coverage, [[0, 3000]]);
  });

  test('a certificate of another name, or of nobody, is not talked to; nothing is lost', async () => {
    const watcher = new Watcher(directory);
    await watcher.enrol(gateway, 'c-certificate');
    const good = watcher.ca;
    const other = path.join(directory, 'other.pem');
    writeCertificate({ certificate: other }, 'other');
    watcher.ca = other;
    const refused = await watcher.play('--seconds', '1', '--linger', '1', ...quick).ended();
    assert.equal(refused.code, 1);
    assert.match(watcher.out, /failure 0 the gateway's certificate is not trusted/);
    assert.equal(watcher.status.buffered, 1);
    watcher.ca = good;
    const { code } = await watcher.play('--from', '1', '--seconds', '1', ...quick).ended();
    assert.equal(code, 0, watcher.out);
    assert.deepEqual((await gateway.progress(watcher.student, 'c-certificate')).coverage, [
      [0, 2000],
    ]);
  });
});

/** An HTTP/2 server that responds as `respond(stream, body, number)` does. */
async function impostor(directory, respond, keys, name = 'localhost') {
  const { key, certificate } = selfSignedCertificate(name);
  const ca = path.join(directory, `impostor-${++made}.pem`);
  fs.writeFileSync(ca, certificate);
  const server = http2.createSecureServer({
    key,
    cert: certificate,
  });
  const seen = [];
  const sessions = new Set();
  server.on('session', (session) => {
    sessions.add(session);
    session.on('close', () => sessions.delete(session));
    session.on('error', () => {});
  });
  server.on('stream', (stream, headers) => {
    const chunks = [];
    stream.on('error', () => {});
    stream.on('data', (chunk) => chunks.push(chunk));
    stream.on('end', () => {
      const body = Buffer.concat(chunks).toString();
      seen.push({ path: headers[':path'], headers, body });
      if (headers[':path'] === '/v1/keys') {
        stream.respond({ ':status': keys ? 200 : 404 });
        return stream.end(keys);
      }
      respond(stream, body, seen.filter((each) => each.path === '/v1/heartbeats').length);
    });
  });
  server.listen(0, 'localhost');
  await event('the impostor listens', server, 'listening');
  return {
    url: `https://localhost:${server.address().port}`,
    cert: ca,
    seen,
    stop: () => {
      for (const session of sessions) session.destroy();
      const closed = event('the impostor ends', server, 'close');
      server.close();
      return closed;
    },
  };
}

const algorithmOf = (token) => JSON.parse(Buffer.from(token.split('.')[0], 'base64url')).alg;
const claimsOf = (token) => JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));
function credit(stream, body) {
  const results = body
    .split('\n')
    .map(claimsOf)
    .map(({ sid, sn, from, to }) => ({
      sid,
      sn,
      status: 'credited',
      credited_ms: to - from,
      seconds_watched: Math.floor(to / 1000),
      completion_percentage: 1,
      state: 'IN_PROGRESS',
      resume_ms: to,
    }));
  stream.respond({ ':status': 200, 'content-type': 'application/json' });
  stream.end(JSON.stringify({ server_time: Date.now() / 1000, results }));
}

describe('the C SDK and servers that are no gateway', { concurrency: 4 }, () => {
  let directory;
  before(() => (directory = temporaryDirectory('sdk-c')));
  after(() => fs.rmSync(directory, { recursive: true, force: true }));

  async function against(respond, ...more) {
    const keys = typeof more[0] === 'object' ? JSON.stringify(more.shift()) : undefined;
    const server = await impostor(directory, respond, keys);
    const watcher = new Watcher(directory);
    Object.assign(watcher, { url: server.url, ca: server.cert, module: 'm' });
    // It ends as soon as everything is delivered; a busy machine may take long for that.
    const { code } = await watcher
      .play('--seconds', '2', '--linger', '60', ...quick, ...more)
      .ended();
    await server.stop();
    return {
      server,
      watcher,
      code,
      posts: server.seen.filter((each) => each.path === '/v1/heartbeats'),
    };
  }

  test('its tokens verify in jose, and its thumbprint is that of jose', async () => {
    const { watcher, code, posts } = await against(credit, '--rate', '1.25');
    assert.equal(code, 0, watcher.out);
    assert.equal(
      await calculateJwkThumbprint(watcher.identity.jwk, 'sha256'),
      watcher.identity.kid,
    );
    const key = await importJWK(watcher.identity.jwk, 'ES256');
    let at = 0;
    for (const { body } of posts)
      for (const token of body.split('\n')) {
        const { payload, protectedHeader } = await compactVerify(token, key);
        assert.deepEqual(protectedHeader, {
          alg: 'ES256',
          kid: watcher.identity.kid,
          typ: 'engagement+jwt',
        });
        const claims = JSON.parse(Buffer.from(payload));
        assert.equal(claims.from, at);
        assert.equal(claims.pr, 1.25);
        assert.ok(Math.abs(claims.iat * 1000 - Date.now()) < 60_000);
        at = claims.to;
      }
    assert.equal(at, 2000);
  });

  const odd = {
    'a response that is not JSON': [
      1,
      (stream) => {
        stream.respond({ ':status': 200 });
        stream.end('<html>Sign in</html>');
      },
    ],
    'a 200 with garbage in it': [
      1,
      (stream) => {
        stream.respond({ ':status': 200 });
        stream.end('{"results":[{"status":"credited","sn":"x"}]}');
      },
    ],
    'results of other heartbeats': [
      1,
      (stream, body) => {
        stream.respond({ ':status': 200 });
        stream.end(
          JSON.stringify({
            results: body.split('\n').map(() => ({ sid: 'other', sn: 0, status: 'credited' })),
          }),
        );
      },
    ],
    'a redirect': [
      2,
      (stream) => {
        stream.respond({ ':status': 302, location: 'https://example.org/' });
        stream.end();
      },
    ],
    'a 404 of somebody else': [
      1,
      (stream) => {
        stream.respond({ ':status': 404 });
        stream.end('not here');
      },
    ],
    'a response without end': [
      1,
      (stream) => {
        stream.respond({ ':status': 200 });
        stream.end('['.repeat(200_000));
      },
    ],
    'a reset': [0, (stream) => stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR)],
    'a connection that is cut': [0, (stream) => stream.session.destroy()],
    'a 500': [
      undefined,
      (stream) => {
        stream.respond({ ':status': 500 });
        stream.end('oops');
      },
    ],
    'a 503 with Retry-After': [
      undefined,
      (stream) => {
        stream.respond({ ':status': 503, 'retry-after': '1' });
        stream.end();
      },
    ],
  };
  for (const [name, [failure, respond]] of Object.entries(odd))
    test(`${name} loses nothing`, async () => {
      const { watcher, code, posts } = await against((stream, body, number) =>
        number <= 2 ? respond(stream, body) : credit(stream, body),
      );
      assert.equal(code, 0, watcher.out);
      if (failure !== undefined)
        assert.equal(count(watcher.out, `failure ${failure} `), 1, watcher.out);
      assert.equal(watcher.status.dropped, 0);
      assert.equal(watcher.status.buffered, 0);
      const delivered = posts.at(-1).body.split('\n').map(claimsOf);
      assert.equal(delivered.at(-1).to, 2000);
      assert.ok(posts.every((each) => each.path === '/v1/heartbeats'));
    });

  test('a trusted certificate of another name is not talked to; nothing is lost', async () => {
    const other = await impostor(directory, credit, undefined, 'elsewhere.example');
    const watcher = new Watcher(directory);
    Object.assign(watcher, { url: other.url, ca: other.cert, module: 'm' });
    const refused = await watcher.play('--seconds', '1', '--linger', '10', ...quick).ended();
    await other.stop();
    assert.equal(refused.code, 1);
    assert.match(watcher.out, /failure 0 the gateway's certificate is not trusted/);
    assert.equal(count(watcher.out, 'failure '), 1, watcher.out);
    assert.deepEqual(other.seen, []);
    assert.equal(watcher.status.buffered, 1);
    const good = await impostor(directory, credit);
    Object.assign(watcher, { url: good.url, ca: good.cert });
    const { code } = await watcher.play('--from', '1', '--seconds', '1', ...quick).ended();
    await good.stop();
    assert.equal(code, 0, watcher.out);
    const delivered = good.seen
      .filter((each) => each.path === '/v1/heartbeats')
      .flatMap(({ body }) => body.split('\n').map(claimsOf));
    assert.deepEqual(
      delivered.map(({ from, to }) => [from, to]),
      [
        [0, 1000],
        [1000, 2000],
      ],
    );
  });

  test('a clock that is an hour off is corrected by the first response', async () => {
    let refused = 0;
    const { watcher, code, posts } = await against((stream, body) => {
      const serverTime = Date.now() / 1000 + 3600;
      if (
        body
          .split('\n')
          .map(claimsOf)
          .some(({ iat }) => Math.abs(iat - serverTime) > 30)
      ) {
        ++refused;
        stream.respond({ ':status': 401, 'content-type': 'application/problem+json' });
        return stream.end(
          JSON.stringify({ type: 'urn:watchkeeper:problem:stale-token', server_time: serverTime }),
        );
      }
      const results = body
        .split('\n')
        .map(claimsOf)
        .map(({ sid, sn }) => ({ sid, sn, status: 'credited' }));
      stream.respond({ ':status': 200 });
      stream.end(JSON.stringify({ server_time: serverTime, results }));
    });
    assert.equal(code, 0, watcher.out);
    assert.equal(refused, 1);
    assert.ok(Math.abs(watcher.status.clock_offset_ms - 3_600_000) < 1000);
    assert.equal(claimsOf(posts[0].body).sn, claimsOf(posts[1].body).sn);
  });

  /** The gateway's side of session keys, out of section 6 of the protocol and Node's own cryptography. */
  class Keeper {
    constructor() {
      this.pair = crypto.createECDH('prime256v1');
      const point = this.pair.generateKeys();
      const [x, y] = [point.subarray(1, 33), point.subarray(33)].map((half) =>
        half.toString('base64url'),
      );
      const members = JSON.stringify({ crv: 'P-256', kty: 'EC', x, y });
      this.kid = crypto.createHash('sha256').update(members).digest('base64url');
      this.set = {
        keys: [{ kty: 'EC', crv: 'P-256', use: 'enc', alg: 'ECDH-ES', kid: this.kid, x, y }],
      };
      this.algorithms = [];
    }
    /** The problem's name, or undefined. */
    receive(token) {
      const input = token.slice(0, token.lastIndexOf('.'));
      const { alg, kid } = JSON.parse(Buffer.from(token.split('.')[0], 'base64url'));
      const { epk, skid, sid } = claimsOf(token);
      this.algorithms.push(alg);
      if (alg === 'HS256') {
        assert.ok(kid.endsWith(`.${sid}`));
        if (!this.key) return 'session-key-unknown';
        const mac = crypto.createHmac('sha256', this.key).update(input).digest('base64url');
        return token === `${input}.${mac}` ? undefined : 'bad-signature';
      }
      if (!epk) return undefined;
      assert.equal(skid, this.kid);
      const point = Buffer.concat([
        Buffer.from([4]),
        Buffer.from(epk.x, 'base64url'),
        Buffer.from(epk.y, 'base64url'),
      ]);
      const salt = crypto.createHash('sha256').update(input).digest();
      this.key = Buffer.from(
        crypto.hkdfSync(
          'sha256',
          this.pair.computeSecret(point),
          salt,
          'watchkeeper session key v1',
          32,
        ),
      );
      return undefined;
    }
    respond(stream, body) {
      const problems = body.split('\n').map((token) => this.receive(token));
      if (!problems.some(Boolean)) return credit(stream, body);
      const [problem] = problems;
      if (problems.length > 1) {
        stream.respond({ ':status': 200, 'content-type': 'application/json' });
        const results = body.split('\n').map((token, i) => {
          const { sid, sn, from, to } = claimsOf(token);
          return problems[i]
            ? { sid, sn, status: 'rejected', problem: problems[i] }
            : { sid, sn, status: 'credited', credited_ms: to - from };
        });
        stream.end(JSON.stringify({ server_time: Date.now() / 1000, results }));
        return;
      }
      stream.respond({ ':status': 401, 'content-type': 'application/problem+json' });
      stream.end(
        JSON.stringify({
          type: `urn:watchkeeper:problem:${problem}`,
          server_time: Date.now() / 1000,
        }),
      );
    }
  }

  test('one signature a session; a gateway that forgot the key costs one request', async () => {
    const keeper = new Keeper();
    const { watcher, code, posts } = await against(
      (stream, body, number) => {
        if (number === 3) keeper.key = undefined;
        keeper.respond(stream, body);
      },
      keeper.set,
      '--heartbeat-ms',
      '250',
    );
    assert.equal(code, 0, watcher.out);
    // What is due before the first response has come is signed by the device, and on a machine that is busy
    // several heartbeats may share a request.
    const signedBy = (from, to) =>
      posts
        .slice(from, to)
        .map(({ body }) => [...new Set(body.split('\n').map(algorithmOf))].join('+'))
        .join(' ');
    assert.equal(signedBy(0, 2), 'ES256 HS256');
    assert.equal(signedBy(2, 3), 'HS256'); // refused
    assert.match(signedBy(3, 4), /^ES256(\+HS256)?$/);
    assert.match(signedBy(4), /^HS256( HS256)*$/);
    const first = (number) => claimsOf(posts[number].body.split('\n')[0]);
    assert.equal(first(2).sn, first(3).sn);
    assert.equal(first(0).epk.x, first(3).epk.x);
    assert.equal(
      watcher.status.session_signatures,
      keeper.algorithms.filter((alg) => alg === 'HS256').length,
    );
    assert.equal(watcher.status.dropped, 0);
  });

  test('a gateway that forgets every key is asked for its own once more, past any cache', async () => {
    const keeper = new Keeper();
    const { server, watcher, code } = await against(
      (stream, body) => {
        keeper.respond(stream, body);
        keeper.key = undefined;
      },
      keeper.set,
      '--heartbeat-ms',
      '250',
    );
    assert.equal(code, 0, watcher.out);
    assert.equal(watcher.status.dropped, 0);
    const asked = server.seen.filter((each) => each.path === '/v1/keys');
    assert.deepEqual(
      asked.map(({ headers }) => headers['cache-control']),
      [undefined, 'no-cache'],
    );
  });

  test('a heartbeat by a session key is under 480 bytes up', async (t) => {
    const runs = [];
    for (const seconds of ['2', '12']) {
      const keeper = new Keeper();
      const { watcher, code } = await against(
        (stream, body) => {
          for (const token of body.split('\n')) assert.equal(keeper.receive(token), undefined);
          credit(stream, body);
        },
        keeper.set,
        '--seconds',
        seconds,
        '--heartbeat-ms',
        '200',
      );
      assert.equal(code, 0, watcher.out);
      // The first response brings the key: what is due before it came is signed by the device.
      assert.ok(watcher.status.device_signatures < watcher.status.session_signatures, watcher.out);
      runs.push(watcher.status);
    }
    const up =
      (runs[1].bytes_up - runs[0].bytes_up) / (runs[1].acknowledged - runs[0].acknowledged);
    t.diagnostic(`HS256: ${up.toFixed(0)} up`);
    assert.ok(up > 300 && up < 480);
  });
});

// All at once: what takes the time is to play.
describe('what a heartbeat of the C SDK weighs', { concurrency: 2 }, () => {
  let gateway;
  let directory;
  before(async () => {
    gateway = await Gateway.start({ settings: '[rate]\ndevice_per_s = 100\ndevice_burst = 200\n' });
    directory = temporaryDirectory('sdk-c');
  });
  after(async () => {
    await gateway.stop();
    fs.rmSync(directory, { recursive: true, force: true });
  });

  async function run(beats, more) {
    const watcher = new Watcher(directory);
    await watcher.enrol(gateway, 'c-bytes');
    await watcher.play('--seconds', String(beats / 5), '--heartbeat-ms', '200', ...more).ended();
    return watcher.status;
  }
  /** Bytes on the socket of each of 100 heartbeats: a run of 110 less one of 10, each with its handshake. */
  async function weigh(...more) {
    for (let attempt = 0; attempt < 4; ++attempt) {
      const [few, many] = await Promise.all([run(10, more), run(110, more)]);
      // On a machine that is busy two heartbeats may share a request: that is not what is weighed.
      if (many.acknowledged - few.acknowledged !== 100 || many.requests - few.requests !== 100)
        continue;
      return {
        up: (many.bytes_up - few.bytes_up) / 100,
        down: (many.bytes_down - few.bytes_down) / 100,
        status: many,
      };
    }
    throw new Error('the machine is too busy to send each heartbeat by itself');
  }

  const say = (t, what, { up, down }) =>
    t.diagnostic(`${what}: ${up.toFixed(0)} up, ${down.toFixed(0)} down`);

  test('signed by the device: under 600 bytes up and 200 down', async (t) => {
    const [usual, full, rare] = await Promise.all([
      weigh('--no-session-keys'),
      weigh('--no-session-keys', '--full-response-every', '1'),
      weigh('--no-session-keys', '--full-response-every', '6'),
    ]);
    say(t, 'ES256', usual);
    say(t, 'ES256, every response in full', full);
    say(t, 'ES256, one full response in six', rare);
    assert.ok(usual.up > 300 && usual.up < 600);
    assert.ok(usual.down > 100 && usual.down < 200);
    assert.ok(rare.down < usual.down && usual.down < full.down);
  });

  test('by a session key: under 480 bytes up and 200 down', async (t) => {
    if ((await gateway.client.request('GET', '/v1/keys')).status === 404)
      return t.skip('this gateway has no session keys');
    const usual = await weigh();
    say(t, 'HS256', usual);
    assert.ok(usual.status.session_signatures >= 100);
    assert.ok(usual.up > 300 && usual.up < 480);
    assert.ok(usual.down > 100 && usual.down < 200);
  });
});

describe('the C SDK as it is installed', { concurrency: 1 }, () => {
  const build = path.dirname(program);
  const source = path.resolve(import.meta.dirname, '../..');
  let directory;
  let environment;
  before(() => {
    directory = temporaryDirectory('sdk-c');
    runSync('cmake', ['--install', build, '--component', 'client', '--prefix', directory], {
      stdio: 'ignore',
    });
    const found = runSync('find', [directory, '-name', '*.pc'], { encoding: 'utf8' }).trim();
    // The prefix of the configuration is another than this directory.
    const text = fs
      .readFileSync(found, 'utf8')
      .replaceAll(/^prefix=.*$/gm, `prefix=${directory}`)
      .replace(/^libdir=.*$/m, `libdir=${path.dirname(path.dirname(found))}`)
      .replace(/^includedir=.*$/m, `includedir=${directory}/include`);
    fs.writeFileSync(found, text);
    environment = {
      ...process.env,
      PKG_CONFIG_PATH: path.dirname(found),
      LD_LIBRARY_PATH: path.dirname(path.dirname(found)),
    };
  });
  after(() => fs.rmSync(directory, { recursive: true, force: true }));

  const flags = (...more) =>
    runSync('pkg-config', ['--cflags', '--libs', ...more, 'watchkeeper-client'], {
      encoding: 'utf8',
      env: environment,
    })
      .trim()
      .split(/\s+/);
  function identityOf(executable) {
    const key = path.join(directory, `${path.basename(executable)}.pem`);
    const identity = JSON.parse(
      runSync(executable, ['--identity', '--key', key], { encoding: 'utf8', env: environment }),
    );
    assert.match(identity.kid, /^[A-Za-z0-9_-]{43}$/);
    assert.match(
      runSync('openssl', ['pkey', '-in', key, '-noout', '-text'], { encoding: 'utf8' }),
      /prime256v1/,
    );
  }

  test('a C11 program builds against the shared library by pkg-config alone', () => {
    const out = path.join(directory, 'shared');
    runSync('cc', [
      '-std=c11',
      '-Wall',
      '-Wextra',
      '-Wpedantic',
      '-Werror',
      path.join(source, 'sdk/examples/watch.c'),
      '-o',
      out,
      ...flags(),
    ]);
    identityOf(out);
  });

  test('what the documentation shows compiles as it stands there', () => {
    const text = fs.readFileSync(path.join(source, 'docs/sdk-c.md'), 'utf8');
    const blocks = [...text.matchAll(/^```c\n(.*?)^```$/gms)].map(([, block]) => block);
    assert.ok(blocks.length >= 3);
    // What the host has: names that the text takes for granted.
    let program = `#include <watchkeeper.h>
      int platform_begin(void *user, wk_client *client, const wk_request *request);
      void platform_cancel(void *user, uint64_t id);\n`;
    blocks.forEach((block, i) => {
      const client = block.includes('wk_client *client =') ? '' : 'wk_client *client, ';
      program += block.startsWith('static')
        ? block
        : `void shown_${i}(${client}int64_t position_ms);\nvoid shown_${i}(${client}int64_t position_ms) {
             char text[256]; (void)text; (void)position_ms;\n${block}}\n`;
    });
    const file = path.join(directory, 'shown.c');
    fs.writeFileSync(file, program);
    runSync('cc', [
      '-std=c11',
      '-Wall',
      '-Wextra',
      '-Wpedantic',
      '-Werror',
      '-Wno-unused-function',
      '-c',
      file,
      '-o',
      path.join(directory, 'shown.o'),
      ...flags().filter((flag) => flag.startsWith('-I')),
    ]);
  });

  test('and against the static one', () => {
    const out = path.join(directory, 'static');
    const libdir = environment.LD_LIBRARY_PATH;
    const list = flags('--static').map((flag) =>
      flag === '-lwatchkeeper_client' ? path.join(libdir, 'libwatchkeeper_client.a') : flag,
    );
    runSync('cc', ['-std=c11', path.join(source, 'sdk/examples/watch.c'), '-o', out, ...list]);
    identityOf(out);
  });

  test('the C++ header is C++17 and owns what it opens', () => {
    const file = path.join(directory, 'app.cpp');
    fs.writeFileSync(
      file,
      `
      #include <watchkeeper.hpp>
      #include <cassert>
      int main(int, char** arguments) {
        auto options = watchkeeper_sdk::default_options();
        options.student = "ada";
        options.url = "https://localhost:1";
        try { watchkeeper_sdk::client none{options}; return 1; }
        catch (const watchkeeper_sdk::error& e) { assert(e.code() == WK_ERROR_KEY); }
        options.key_path = arguments[1];
        int failures = 0;
        watchkeeper_sdk::client one{options, {{}, {}, [&](wk_failure, const char*) { ++failures; }}};
        auto two = std::move(one);
        assert(two.open("m") && two.play(0) && !two.position(-7) && two.pause(400));
        while (failures == 0) two.wait(100);
        assert(two.status().buffered == 1 && two.identity().kid[42] != 0);
      }`,
    );
    const out = path.join(directory, 'app');
    runSync('c++', [
      '-std=c++17',
      '-Wall',
      '-Wextra',
      '-Wpedantic',
      '-Werror',
      file,
      '-o',
      out,
      ...flags(),
    ]);
    runSync(out, [path.join(directory, 'app.pem')], { env: environment });
  });

  test('the shared library shows the functions of the header and nothing else', () => {
    const library = path.join(environment.LD_LIBRARY_PATH, 'libwatchkeeper_client.so');
    const shown = runSync('nm', ['-D', '--defined-only', library], { encoding: 'utf8' })
      .trim()
      .split('\n')
      .map((line) => line.split(' ').at(-1).split('@')[0])
      .sort();
    const header = fs.readFileSync(path.join(directory, 'include/watchkeeper.h'), 'utf8');
    const declared = [...header.matchAll(/^WK_API [a-z_0-9 *]*?(wk_[a-z_]+)\(/gm)]
      .map(([, name]) => name)
      .sort();
    assert.ok(declared.length > 25);
    assert.deepEqual(shown, declared);
  });
});
