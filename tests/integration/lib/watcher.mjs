// The example of the C SDK (`watch`) as a device, and servers for it that are no gateway.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import http2 from 'node:http2';
import path from 'node:path';
import { selfSignedCertificate } from './certificate.mjs';
import { runSync } from './command.mjs';
import { program } from './gateway.mjs';
import { event, within } from './wait.mjs';

export const watch = path.join(path.dirname(program), 'sdk', 'examples', 'watch');
// 40 s of an outage in real life are 4 s here: a heartbeat each second instead of ten.
export const quick = [
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

export class Watcher {
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

/** The lines that begin with `word`. */
export const count = (text, word) =>
  text.split('\n').filter((line) => line.startsWith(word)).length;

/** An HTTP/2 server that responds as `respond(stream, body, number)` does. */
export async function impostor(directory, respond, keys, name = 'localhost') {
  const { key, certificate } = selfSignedCertificate(name);
  const ca = path.join(directory, `impostor-${++made}.pem`);
  fs.writeFileSync(ca, certificate);
  const server = http2.createSecureServer({
    key,
    cert: certificate,
  });
  const seen = [];
  const connections = new Set();
  server.on('session', (session) => {
    connections.add(session);
    session.on('close', () => connections.delete(session));
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
      for (const connection of connections) connection.destroy();
      const closed = event('the impostor ends', server, 'close');
      server.close();
      return closed;
    },
  };
}

export const algorithmOf = (token) => JSON.parse(Buffer.from(token.split('.')[0], 'base64url')).alg;
export const claimsOf = (token) => JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));
/** The result of a token that is credited in full, with all members of the protocol. */
export const creditedResult = (token) => {
  const { sid, sn, from, to } = claimsOf(token);
  return {
    sid,
    sn,
    status: 'credited',
    credited_ms: to - from,
    seconds_watched: Math.floor(to / 1000),
    completion_percentage: 1,
    state: 'IN_PROGRESS',
    resume_ms: to,
  };
};
/** Credits everything. */
export const credit = (stream, body) => creditAt(stream, body, Date.now() / 1000);
export function creditAt(stream, body, serverTime) {
  const results = body.split('\n').map(creditedResult);
  stream.respond({ ':status': 200, 'content-type': 'application/json' });
  stream.end(JSON.stringify({ server_time: serverTime, results }));
}
