// The C SDK's example against a gateway that is killed, restarted and slow, and against servers that
// are none.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import http2 from 'node:http2';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { compactVerify, calculateJwkThumbprint, importJWK } from 'jose';
import { Gateway, program } from './lib/gateway.mjs';
import { lengthOf } from './lib/scene.mjs';
import { temporaryDirectory } from './lib/stores.mjs';
import { until, within } from './lib/wait.mjs';

const watch = path.join(path.dirname(program), 'examples', 'watch');
// 40 s of an outage in real life are 4 s here: a heartbeat each second instead of ten.
const quick = ['--heartbeat-ms', '1000', '--interval-max-ms', '3000', '--backoff-base-ms', '50',
               '--backoff-cap-ms', '500', '--timeout-ms', '3000'];
let made = 0;

class Watcher {
  constructor(directory) {
    this.directory = directory;
    this.student = `c-${process.pid}-${++made}`;
    this.key = path.join(directory, `${this.student}.pem`);
    this.storage = path.join(directory, `${this.student}.buffer`);
    this.identity = JSON.parse(execFileSync(watch, ['--identity', '--key', this.key], { encoding: 'utf8' }));
  }
  async enrol(gateway, module, duration_ms = 600_000) {
    this.module = module;
    await gateway.putModule(module, duration_ms);
    const answer = await gateway.admin('PUT', `/v1/devices/${this.identity.kid}`,
                                       { student: this.student, jwk: this.identity.jwk });
    assert.ok(answer.status < 300, answer.text);
    this.ca = path.join(gateway.directory, 'data', 'tls-certificate.pem');
    this.url = `https://localhost:${gateway.port}`;
  }
  play(...more) {
    const child = spawn(watch, ['--url', this.url, '--ca', this.ca, '--key', this.key, '--storage', this.storage,
                                '--student', this.student, '--module', this.module, ...more],
                        { stdio: ['ignore', 'pipe', 'pipe'] });
    this.out = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (this.out += chunk));
    this.child = child;
    const ended = new Promise((resolve) => child.once('close', (code, signal) => resolve({ code, signal })));
    this.ended = () => within('watch ends', ended, 60_000);
    return this;
  }
  get status() {
    const line = this.out.split('\n').findLast((each) => each.startsWith('status '));
    assert.ok(line, this.out);
    return Object.fromEntries(line.slice(7).split(' ').map((pair) => pair.split('=')).map(([k, v]) => [k, Number(v)]));
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
    await until('it was noticed', () => watcher.out.includes('trouble 0'));
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
    await until('three had to go', () => count(watcher.out, 'drop ') >= 3, { timeout_ms: 20_000 });
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
    await until('three heartbeats are stored', () =>
      fs.existsSync(watcher.storage) && fs.readFileSync(watcher.storage, 'utf8').split('\n').length >= 5);
    watcher.child.kill('SIGKILL');
    await watcher.ended();
    const stored = fs.readFileSync(watcher.storage, 'utf8').trim().split('\n').slice(1).map((line) => line.split(' '));
    await gateway.launch(gateway.port);
    const { code } = await watcher.play('--from', '100', '--seconds', '1', ...quick).ended();
    assert.equal(code, 0, watcher.out);
    const progress = await gateway.progress(watcher.student, 'c-restart');
    const to = Number(stored.at(-1)[4]);
    assert.ok(to >= 3000);
    assert.deepEqual(progress.coverage[0], [0, 0 + to]);
    assert.equal(progress.coverage[1]?.[0] ?? 100_000, 100_000);
  });

  test('a refusal for good is told and not repeated', async () => {
    const watcher = new Watcher(directory);
    await watcher.enrol(gateway, 'c-refused');
    watcher.module = 'c-no-such-module';
    await watcher.play('--seconds', '1', ...quick).ended();
    assert.match(watcher.out, /drop sn 0 \[0, 1000\) refused unknown-module/);
    assert.equal(watcher.status.dropped, 1);
    assert.equal(watcher.status.acknowledged, 0);
  });

  test('a certificate of another name, or of nobody, is not talked to; nothing is lost', async () => {
    const watcher = new Watcher(directory);
    await watcher.enrol(gateway, 'c-certificate');
    const good = watcher.ca;
    const other = path.join(directory, 'other.pem');
    execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj',
                             '/CN=other', '-days', '2', '-keyout', '/dev/null', '-out', other], { stdio: 'ignore' });
    watcher.ca = other;
    const refused = await watcher.play('--seconds', '1', '--linger', '1', ...quick).ended();
    assert.equal(refused.code, 1);
    assert.match(watcher.out, /trouble 0 the gateway's certificate is not trusted/);
    assert.equal(watcher.status.buffered, 1);
    watcher.ca = good;
    const { code } = await watcher.play('--from', '1', '--seconds', '1', ...quick).ended();
    assert.equal(code, 0, watcher.out);
    assert.deepEqual((await gateway.progress(watcher.student, 'c-certificate')).coverage, [[0, 2000]]);
  });
});

/** An HTTP/2 server that answers as `respond(stream, body, number)` does. */
async function impostor(directory, respond) {
  const key = path.join(directory, 'impostor-key.pem');
  const cert = path.join(directory, 'impostor.pem');
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj',
                           '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-days', '2', '-keyout', key,
                           '-out', cert], { stdio: 'ignore' });
  const server = http2.createSecureServer({ key: fs.readFileSync(key), cert: fs.readFileSync(cert) });
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
        stream.respond({ ':status': 404 });
        return stream.end();
      }
      respond(stream, body, seen.filter((each) => each.path === '/v1/heartbeats').length);
    });
  });
  await new Promise((resolve) => server.listen(0, 'localhost', resolve));
  return {
    url: `https://localhost:${server.address().port}`,
    cert,
    seen,
    stop: () => {
      for (const session of sessions) session.destroy();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}

const claimsOf = (token) => JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));
function credit(stream, body) {
  const results = body.split('\n').map(claimsOf).map(({ sid, sn, from, to }) =>
    ({ sid, sn, status: 'credited', credited_ms: to - from, seconds_watched: Math.floor(to / 1000),
       completion_percentage: 1, state: 'IN_PROGRESS', resume_ms: to }));
  stream.respond({ ':status': 200, 'content-type': 'application/json' });
  stream.end(JSON.stringify({ server_time: Date.now() / 1000, results }));
}

describe('the C SDK and servers that are no gateway', { concurrency: 1 }, () => {
  let directory;
  before(() => (directory = temporaryDirectory('sdk-c')));
  after(() => fs.rmSync(directory, { recursive: true, force: true }));

  async function against(respond, ...more) {
    const server = await impostor(directory, respond);
    const watcher = new Watcher(directory);
    Object.assign(watcher, { url: server.url, ca: server.cert, module: 'm' });
    const { code } = await watcher.play('--seconds', '2', ...quick, ...more).ended();
    await server.stop();
    return { server, watcher, code, posts: server.seen.filter((each) => each.path === '/v1/heartbeats') };
  }

  test('its tokens verify in jose, and its thumbprint is that of jose', async () => {
    const { watcher, code, posts } = await against(credit, '--rate', '1.25');
    assert.equal(code, 0, watcher.out);
    assert.equal(await calculateJwkThumbprint(watcher.identity.jwk, 'sha256'), watcher.identity.kid);
    const key = await importJWK(watcher.identity.jwk, 'ES256');
    let at = 0;
    for (const { body } of posts)
      for (const token of body.split('\n')) {
        const { payload, protectedHeader } = await compactVerify(token, key);
        assert.deepEqual(protectedHeader, { alg: 'ES256', kid: watcher.identity.kid, typ: 'engagement+jwt' });
        const claims = JSON.parse(Buffer.from(payload));
        assert.equal(claims.from, at);
        assert.equal(claims.pr, 1.25);
        assert.ok(Math.abs(claims.iat * 1000 - Date.now()) < 60_000);
        at = claims.to;
      }
    assert.equal(at, 2000);
  });

  const odd = {
    'an answer that is not JSON': [1, (stream) => { stream.respond({ ':status': 200 }); stream.end('<html>Sign in</html>'); }],
    'a 200 with garbage in it': [1, (stream) => { stream.respond({ ':status': 200 }); stream.end('{"results":[{"status":"credited","sn":"x"}]}'); }],
    'results of other heartbeats': [1, (stream, body) => {
      stream.respond({ ':status': 200 });
      stream.end(JSON.stringify({ results: body.split('\n').map(() => ({ sid: 'other', sn: 0, status: 'credited' })) }));
    }],
    'a redirect': [2, (stream) => { stream.respond({ ':status': 302, location: 'https://example.org/' }); stream.end(); }],
    'a 404 of somebody else': [1, (stream) => { stream.respond({ ':status': 404 }); stream.end('not here'); }],
    'an answer without end': [1, (stream) => { stream.respond({ ':status': 200 }); stream.end('['.repeat(200_000)); }],
    'a reset': [0, (stream) => stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR)],
    'a connection that is cut': [0, (stream) => stream.session.destroy()],
    'a 500': [undefined, (stream) => { stream.respond({ ':status': 500 }); stream.end('oops'); }],
    'a 503 with Retry-After': [undefined, (stream) => { stream.respond({ ':status': 503, 'retry-after': '1' }); stream.end(); }],
  };
  for (const [name, [trouble, answer]] of Object.entries(odd))
    test(`${name} loses nothing`, async () => {
      const { watcher, code, posts } = await against((stream, body, number) =>
        number <= 2 ? answer(stream, body) : credit(stream, body));
      assert.equal(code, 0, watcher.out);
      if (trouble !== undefined) assert.equal(count(watcher.out, `trouble ${trouble} `), 1, watcher.out);
      assert.equal(watcher.status.dropped, 0);
      assert.equal(watcher.status.buffered, 0);
      const delivered = posts.at(-1).body.split('\n').map(claimsOf);
      assert.equal(delivered.at(-1).to, 2000);
      assert.ok(posts.every((each) => each.path === '/v1/heartbeats'));
    });

  test('a clock that is an hour off is corrected by the first answer', async () => {
    let refused = 0;
    const { watcher, code, posts } = await against((stream, body) => {
      const server_time = Date.now() / 1000 + 3600;
      if (body.split('\n').map(claimsOf).some(({ iat }) => Math.abs(iat - server_time) > 30)) {
        ++refused;
        stream.respond({ ':status': 401, 'content-type': 'application/problem+json' });
        return stream.end(JSON.stringify({ type: 'urn:watchkeeper:problem:stale-token', server_time }));
      }
      const results = body.split('\n').map(claimsOf).map(({ sid, sn }) => ({ sid, sn, status: 'credited' }));
      stream.respond({ ':status': 200 });
      stream.end(JSON.stringify({ server_time, results }));
    });
    assert.equal(code, 0, watcher.out);
    assert.equal(refused, 1);
    assert.ok(Math.abs(watcher.status.clock_offset_ms - 3_600_000) < 1000);
    assert.equal(claimsOf(posts[0].body).sn, claimsOf(posts[1].body).sn);
  });
});
