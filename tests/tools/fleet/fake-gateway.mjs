// A stand-in for the gateway, on Node's HTTP/2 and Node's cryptography: nothing of it is shared with
// the client under test. Speaks the part of docs/protocol.md that the fleet uses, and misbehaves on
// request.
//
//   node fake-gateway.mjs '{"port":0, "tls":{"cert":"…","key":"…"}, "refuse_every":7, …}'
//
// Prints {"port":N} once it listens. Settings:
//   refuse_every   every Nth heartbeat request is answered 503 with retry-after: `retry_after`
//   goaway_every   after every Nth heartbeat request the connection gets GOAWAY
//   drop_every     at every Nth heartbeat request the connection is cut, before a response
//   reject_module  heartbeats of this module are `not-assigned`
//   verify         false: signatures are not checked (for load)
// GET /counts returns what it saw. GET /v1/stats gives `stats_file`, if set.

import crypto from 'node:crypto';
import fs from 'node:fs';
import http2 from 'node:http2';

const settings = {
  port: 0,
  host: '127.0.0.1',
  retry_after: 0,
  verify: true,
  admin_token: 'admin',
  ...JSON.parse(process.argv[2] ?? '{}'),
};
const devices = new Map(); // kid -> {student, key}
const modules = new Map(); // id -> duration_ms
const seen = new Map(); // kid/sid/sn -> from-to
const watched = new Map(); // student/module -> covered_ms
const counts = {
  requests: 0,
  tokens: 0,
  credited: 0,
  duplicate: 0,
  rejected: 0,
  refused: 0,
  goaways: 0,
  dropped: 0,
  enrolled: 0,
  credited_ms: 0,
  connections: 0,
  batches: {},
  problems: {},
};

function problem(stream, status, name, headers = {}) {
  stream.respond({ ':status': status, 'content-type': 'application/problem+json', ...headers });
  stream.end(
    JSON.stringify({
      type: `urn:watchkeeper:problem:${name}`,
      title: name,
      status,
      detail: `this is ${name}`,
    }),
  );
}
function json(stream, status, value) {
  stream.respond({ ':status': status, 'content-type': 'application/json' });
  stream.end(JSON.stringify(value));
}
const text = (part) => Buffer.from(part, 'base64url').toString('utf8');

function reject(claims, name) {
  counts.rejected++;
  counts.problems[name] = (counts.problems[name] ?? 0) + 1;
  return { sid: claims?.sid ?? '', sn: claims?.sn ?? 0, status: 'rejected', problem: name };
}

function credit(token) {
  counts.tokens++;
  const [header, payload, signature, ...more] = token.split('.');
  if (more.length || !signature || token.length > 1023) return reject(null, 'malformed-token');
  const head = JSON.parse(text(header));
  const claims = JSON.parse(text(payload));
  if (head.alg !== 'ES256' || head.typ !== 'engagement+jwt' || Object.keys(head).length !== 3)
    return reject(claims, 'malformed-token');
  const device = devices.get(head.kid);
  if (!device) return reject(claims, 'unknown-device');
  if (
    settings.verify &&
    !crypto.verify(
      'sha256',
      Buffer.from(`${header}.${payload}`),
      { key: device.key, dsaEncoding: 'ieee-p1363' },
      Buffer.from(signature, 'base64url'),
    )
  )
    return reject(claims, 'bad-signature');
  if (device.student !== claims.sub) return reject(claims, 'subject-mismatch');
  if (Math.abs(Date.now() / 1000 - claims.iat) > 60) return reject(claims, 'stale-token');
  if (claims.cid === settings.reject_module) return reject(claims, 'not-assigned');
  const duration = modules.get(claims.cid);
  if (duration === undefined) return reject(claims, 'unknown-module');
  if (!(claims.from < claims.to && claims.to <= duration && claims.to - claims.from <= 30000))
    return reject(claims, 'implausible-interval');
  const number = `${head.kid}/${claims.sid}/${claims.sn}`;
  const span = `${claims.from}-${claims.to}`;
  const pair = `${claims.sub}/${claims.cid}`;
  const again = seen.get(number);
  if (again !== undefined && again !== span) return reject(claims, 'session-mismatch');
  let creditedMs = 0;
  if (again === undefined) {
    seen.set(number, span);
    creditedMs = claims.to - claims.from;
    watched.set(pair, (watched.get(pair) ?? 0) + creditedMs);
    counts.credited++;
    counts.credited_ms += creditedMs;
  } else {
    counts.duplicate++;
  }
  const percent = Math.min(100, (watched.get(pair) / duration) * 100);
  return {
    sid: claims.sid,
    sn: claims.sn,
    status: again === undefined ? 'credited' : 'duplicate',
    credited_ms: creditedMs,
    seconds_watched: Math.floor(watched.get(pair) / 1000),
    completion_percentage: Math.round(percent * 100) / 100,
    state: percent >= 95 ? 'MASTERED' : 'IN_PROGRESS',
    resume_ms: claims.to,
  };
}

function heartbeats(stream, headers, body) {
  const nth = ++counts.requests;
  const due = (every) => every && nth % every === 0;
  if (due(settings.drop_every)) {
    counts.dropped++;
    stream.session.destroy();
    return;
  }
  if (due(settings.goaway_every)) {
    counts.goaways++;
    stream.session.close(); // GOAWAY; what is in flight is answered
  }
  if (due(settings.refuse_every)) {
    counts.refused++;
    return problem(stream, 503, 'storage-unavailable', {
      'retry-after': String(settings.retry_after),
    });
  }
  const query = headers[':path'].split('?token=')[1];
  if (query === undefined && headers['content-type'] !== 'application/jose')
    return problem(stream, 415, 'unsupported-media-type');
  const tokens = (query ?? body).split('\n');
  counts.batches[tokens.length] = (counts.batches[tokens.length] ?? 0) + 1;
  if (tokens.length > 16) return problem(stream, 413, 'too-many-tokens');
  const results = tokens.map(credit);
  if (results.length === 1 && results[0].status === 'rejected')
    return problem(stream, 403, results[0].problem);
  if (headers.prefer === 'return=minimal' && results.every((r) => r.status !== 'rejected')) {
    stream.respond({ ':status': 204 }, { endStream: true });
    return;
  }
  json(stream, 200, { server_time: Date.now() / 1000, results });
}

function administer(stream, headers, body) {
  if (headers.authorization !== `Bearer ${settings.admin_token}`)
    return problem(stream, 401, 'unauthorized');
  const [, , kind, id] = headers[':path'].split('/');
  if (kind === 'stats')
    return json(stream, 200, JSON.parse(fs.readFileSync(settings.stats_file, 'utf8')));
  if (headers[':method'] === 'GET' && kind === 'modules')
    return modules.has(id)
      ? json(stream, 200, { id, duration_ms: modules.get(id) })
      : problem(stream, 404, 'not-found');
  if (headers[':method'] !== 'PUT') return problem(stream, 405, 'method-not-allowed');
  const value = JSON.parse(body);
  if (kind === 'modules') {
    modules.set(id, value.duration_ms);
    return json(stream, 200, value);
  }
  const { jwk } = value;
  const canonical = JSON.stringify({ crv: jwk.crv, kty: jwk.kty, x: jwk.x, y: jwk.y });
  if (crypto.createHash('sha256').update(canonical).digest('base64url') !== id)
    return problem(stream, 400, 'malformed-request');
  if (!devices.has(id)) counts.enrolled++;
  devices.set(id, {
    student: value.student,
    key: crypto.createPublicKey({ key: jwk, format: 'jwk' }),
  });
  json(stream, 200, { kid: id });
}

const options = { settings: { maxConcurrentStreams: 128 } };
const server = settings.tls
  ? http2.createSecureServer({
      ...options,
      cert: fs.readFileSync(settings.tls.cert),
      key: fs.readFileSync(settings.tls.key),
    })
  : http2.createServer(options);
server.on('session', (session) => {
  counts.connections++;
  session.on('error', () => {});
});
server.on('sessionError', () => {});
server.on('stream', (stream, headers) => {
  stream.on('error', () => {});
  const chunks = [];
  stream.on('data', (chunk) => chunks.push(chunk));
  stream.on('end', () => {
    try {
      const body = Buffer.concat(chunks).toString('utf8');
      const path = headers[':path'];
      if (path === '/silence') return;
      if (path === '/counts') return json(stream, 200, counts);
      if (path.startsWith('/v1/heartbeats') && headers[':method'] === 'POST')
        return heartbeats(stream, headers, body);
      return administer(stream, headers, body);
    } catch (error) {
      if (!stream.destroyed && !stream.headersSent)
        problem(stream, 500, String(error).replace(/[^a-z]+/gi, '-'));
    }
  });
});
// What a test starts again on the same port goes on with what was enrolled before.
if (settings.state_file && fs.existsSync(settings.state_file)) {
  const state = JSON.parse(fs.readFileSync(settings.state_file, 'utf8'));
  for (const [kid, student, jwk] of state.devices)
    devices.set(kid, { student, key: crypto.createPublicKey({ key: jwk, format: 'jwk' }) });
  for (const [id, duration] of state.modules) modules.set(id, duration);
  for (const [number, span] of state.seen) seen.set(number, span);
  for (const [pair, ms] of state.watched) watched.set(pair, ms);
  Object.assign(counts, state.counts);
}
process.on('SIGTERM', () => {
  if (settings.state_file)
    fs.writeFileSync(
      settings.state_file,
      JSON.stringify({
        devices: [...devices].map(([kid, d]) => [kid, d.student, d.key.export({ format: 'jwk' })]),
        modules: [...modules],
        seen: [...seen],
        watched: [...watched],
        counts,
      }),
    );
  process.exit(0);
});
server.listen({ port: settings.port, host: settings.host, backlog: 4096 }, () => {
  console.log(JSON.stringify({ port: server.address().port }));
});
