#!/usr/bin/env node
// A stand-in for the gateway, for working on the console: the calls the console makes, on generated
// data. It verifies no signature and stores nothing durably. The product is the gateway itself.
//
// usage: console/dev/mock-gateway.mjs [--port 8444] [--students 400] [--rate 20]
//        console/dev/mock-gateway.mjs --config FILE   takes the place of `watchkeeper` in a test
import { execFileSync, spawn } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import http2 from 'node:http2';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { generate } from './mock-data.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const argv = process.argv.slice(2);
const option = (name, otherwise) =>
  argv.includes(`--${name}`) ? argv[argv.indexOf(`--${name}`) + 1] : otherwise;

// The simulated players are the real program's.
if (argv[0] === 'fleet') {
  const program =
    process.env.WATCHKEEPER_FLEET_PROGRAM ?? path.join(here, '../../build/release/watchkeeper');
  spawn(program, argv, { stdio: 'inherit' }).on('exit', (code) => process.exit(code ?? 1));
  await new Promise(() => {});
}

const ID = /^[A-Za-z0-9._~:@-]{1,64}$/;
const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; media-src 'self' https:; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const sha256 = (text) => crypto.createHash('sha256').update(text).digest('hex');
const startedMs = Date.now();

let port = Number(option('port', 8444));
let tokens = ['admin', 'viewer', 'operator'].map((role) => ({
  name: role,
  role,
  sha256: sha256(`${role}-secret`),
}));
let stateFile;
const sessionS = { value: 28_800 };
if (option('config')) {
  const text = fs.readFileSync(option('config'), 'utf8');
  port = Number(/^listen = ".*:(\d+)"/m.exec(text)[1]);
  tokens = [...text.matchAll(/\[\[token\]\]\nname = "(.*)"\nrole = "(.*)"\nsha256 = "(.*)"/g)].map(
    ([, name, role, hash]) => ({ name, role, sha256: hash }),
  );
  sessionS.value = Number(/session_lifetime_s = (\d+)/.exec(text)?.[1] ?? sessionS.value);
  stateFile = path.join(/data_dir = "(.*)"/.exec(text)[1], 'mock.json');
}

// ---- state -----------------------------------------------------------------------------------
const db = {
  modules: {},
  progress: {},
  devices: {},
  completions: [],
  refusals: {},
  seen: {},
  erased: {},
};
if (stateFile && fs.existsSync(stateFile))
  Object.assign(db, JSON.parse(fs.readFileSync(stateFile, 'utf8')));
const cookies = new Map(Object.entries(db.cookies ?? {}));
const live = new Set();
const activity = new Map();
const counts = { credited: 0, limited: 0, duplicate: 0, rejected: 0, problems: {}, requests: 0 };
let sinceLast = { credited: 0, limited: 0, duplicate: 0, rejected: {} };
let serial = 0;
const epoch = crypto.randomUUID().slice(0, 8);

const heats = new Map();
const binMs = (module) =>
  module.duration_ms <= 600_000 ? 1000 : Math.ceil(module.duration_ms / 1000);
function heatOf(id) {
  const module = db.modules[id];
  let heat = heats.get(id);
  if (!heat || heat.duration_ms !== module.duration_ms) {
    const bins = Math.ceil(module.duration_ms / binMs(module));
    heat = {
      duration_ms: module.duration_ms,
      bin_ms: binMs(module),
      viewers: new Float64Array(bins),
      plays: new Float64Array(bins),
    };
    heats.set(id, heat);
    for (const document of Object.values(db.progress[id] ?? {})) {
      spread(heat, heat.viewers, document.coverage);
      spread(heat, heat.plays, document.passes ?? document.coverage);
    }
  }
  return heat;
}
function spread(heat, into, ranges, deltas, which) {
  for (const [from, to] of ranges)
    for (
      let bin = Math.floor(from / heat.bin_ms);
      bin * heat.bin_ms < to && bin < into.length;
      ++bin
    ) {
      const end = Math.min((bin + 1) * heat.bin_ms, heat.duration_ms);
      const start = bin * heat.bin_ms;
      const part = Math.max(0, Math.min(to, end) - Math.max(from, start)) / (end - start);
      into[bin] += part;
      if (!deltas) continue;
      deltas[bin] ??= [0, 0];
      deltas[bin][which] += part;
    }
}
function unite(ranges, gap = 250) {
  const out = [];
  for (const [from, to] of [...ranges].sort((a, b) => a[0] - b[0])) {
    const last = out.at(-1);
    if (last && from - last[1] <= gap) last[1] = Math.max(last[1], to);
    else out.push([from, to]);
  }
  return out;
}
function minus([from, to], covered) {
  const left = [];
  let at = from;
  for (const [a, b] of covered) {
    if (b <= at || a >= to) continue;
    if (a > at) left.push([at, a]);
    at = b;
  }
  if (at < to) left.push([at, to]);
  return left;
}
const lengthOf = (ranges) => ranges.reduce((sum, [from, to]) => sum + to - from, 0);

/** Credits [from, to) and tells the live clients. */
function credit(student, id, from, to, atMs = Date.now()) {
  const module = db.modules[id];
  to = Math.min(to, module.duration_ms);
  const heat = heatOf(id);
  db.progress[id] ??= {};
  db.progress[id][student] ??= {
    student,
    module: id,
    coverage: [],
    playtime_ms: 0,
    resume_ms: 0,
    mastered_at: null,
    state: 'IN_PROGRESS',
  };
  const document = db.progress[id][student];
  const fresh = minus([from, to], document.coverage);
  document.coverage = unite([...document.coverage, ...fresh]);
  document.playtime_ms += to - from;
  document.resume_ms = to;
  document.updated_at = new Date(atMs).toISOString();
  document.seconds_watched = Math.floor(lengthOf(document.coverage) / 1000);
  document.completion_percentage =
    Math.floor((lengthOf(document.coverage) / module.duration_ms) * 10_000) / 100;
  if (document.state !== 'MASTERED' && document.completion_percentage >= module.mastery_threshold) {
    document.state = 'MASTERED';
    document.mastered_at = document.updated_at;
    db.completions.push({
      specversion: '1.0',
      id: crypto.randomUUID(),
      type: 'org.watchkeeper.module.mastered.v1',
      time: document.updated_at,
      data: {
        student,
        module: id,
        seconds_watched: document.seconds_watched,
        completion_percentage: document.completion_percentage,
        mastered_at: document.mastered_at,
        threshold: module.mastery_threshold,
      },
    });
  }
  const deltas = {};
  spread(heat, heat.viewers, fresh, deltas, 0);
  spread(heat, heat.plays, [[from, to]], deltas, 1);
  ++counts.credited;
  ++sinceLast.credited;
  (activity.get(id) ?? activity.set(id, []).get(id)).push([atMs, student]);
  for (const client of live)
    if (client.module === id) {
      const item = client.items[student] ?? { student, new: [], played: [] };
      client.items[student] = {
        ...item,
        seconds_watched: document.seconds_watched,
        completion_percentage: document.completion_percentage,
        state: document.state,
        resume_ms: to,
        from_ms: from,
        to_ms: to,
        status: 'credited',
        new: unite([...item.new, ...fresh], 0),
        played: unite([...item.played, [from, to]], 0),
      };
      for (const [bin, [viewers, plays]] of Object.entries(deltas)) {
        client.since ??= new Date().toISOString();
        client.bins[bin] ??= [0, 0];
        client.bins[bin][0] += viewers;
        client.bins[bin][1] += plays;
      }
    }
  return document;
}
function refuse(student, refusal) {
  const name = refusal.problem ?? refusal.status;
  if (refusal.status === 'rejected') {
    ++counts.rejected;
    counts.problems[name] = (counts.problems[name] ?? 0) + 1;
    sinceLast.rejected[name] = (sinceLast.rejected[name] ?? 0) + 1;
  } else {
    ++counts[refusal.status];
    ++sinceLast[refusal.status];
  }
  if (!student) return;
  db.refusals[student] ??= [];
  const list = db.refusals[student];
  list.unshift(refusal);
  list.length = Math.min(list.length, 100);
}

// ---- live ------------------------------------------------------------------------------------
function event(client, name, data) {
  client.stream.write(
    `id: ${epoch}-${++serial}\nevent: ${name}\ndata: ${JSON.stringify(data)}\n\n`,
  );
}
setInterval(() => {
  for (const client of live) {
    const items = Object.values(client.items);
    if (items.length > 0)
      event(client, 'progress', { module: client.module, at: new Date().toISOString(), items });
    const bins = Object.entries(client.bins).map(([bin, [viewers, plays]]) => [
      Number(bin),
      viewers,
      plays,
    ]);
    if (bins.length > 0)
      event(client, 'heatmap', { module: client.module, bins, since: client.since });
    client.items = {};
    client.bins = {};
    client.since = undefined;
  }
}, 250);
function activeOf(id) {
  const list = activity.get(id) ?? [];
  while (list.length > 0 && list[0][0] < Date.now() - 300_000) list.shift();
  return new Set(list.filter(([at]) => at > Date.now() - 30_000).map(([, student]) => student))
    .size;
}
setInterval(() => {
  const { credited, limited, duplicate, rejected } = sinceLast;
  const refused = Object.values(rejected).reduce((sum, n) => sum + n, 0);
  const active = Object.fromEntries(
    [...activity.keys()].map((id) => [id, activeOf(id)]).filter(([, n]) => n > 0),
  );
  const sum = Object.values(active).reduce((total, n) => total + n, 0);
  const busiest = Object.fromEntries(
    Object.entries(active)
      .sort((a, b) => b[1] - a[1])
      .slice(0, 100),
  );
  for (const client of live) {
    const named =
      client.module === undefined
        ? busiest
        : active[client.module]
          ? { [client.module]: active[client.module] }
          : {};
    event(client, 'totals', {
      gateways: 1,
      active_modules: Object.keys(active).length,
      active_students: sum,
      heartbeats_per_s: credited + limited + duplicate + refused,
      credited,
      limited,
      duplicate,
      rejected,
      active: named,
      sessions: sum,
      connections: sum + live.size,
    });
  }
  sinceLast = { credited: 0, limited: 0, duplicate: 0, rejected: {} };
}, 1000);
setInterval(() => {
  for (const client of live) client.stream.write(':\n\n');
}, 15_000);

// ---- calls -----------------------------------------------------------------------------------
class Refused extends Error {
  constructor(status, name, detail = '', headers = {}) {
    super(detail);
    Object.assign(this, { status, name, headers });
  }
}
function page(all, search, key, most = 500) {
  const limit = Number(search.get('limit') ?? 100);
  if (!(limit >= 1 && limit <= most))
    throw new Refused(400, 'malformed-request', 'limit: 1 to 500');
  const cursor = search.get('cursor');
  let from = 0;
  if (cursor) {
    const text = Buffer.from(cursor, 'base64url').toString();
    from = /^\d+$/.test(text) ? Number(text) : NaN;
    if (!(from <= all.length))
      throw new Refused(400, 'malformed-request', 'cursor: not one of this list');
  }
  const items = all.slice(from, from + limit);
  const next =
    from + limit < all.length ? Buffer.from(String(from + limit)).toString('base64url') : null;
  return { items: items.map(key), next, ...(cursor ? {} : { total: all.length }) };
}
const shown = ({ passes, ...document }) => ({
  ...document,
  rewatched_ms: Math.max(0, document.playtime_ms - lengthOf(document.coverage)),
});
const rank = { skipping: 0, stalled: 1, nearly_done: 2, none: 3 };
function attention(document) {
  if (document.state === 'MASTERED') return 'none';
  for (let at = 1; at < document.coverage.length; ++at)
    if (
      document.coverage[at][0] - document.coverage[at - 1][1] > 5000 &&
      document.resume_ms >= document.coverage[at][0]
    )
      return 'skipping';
  if (Date.now() - Date.parse(document.updated_at) > 86_400_000) return 'stalled';
  return document.completion_percentage >= 80 ? 'nearly_done' : 'none';
}
function heatmap(id) {
  const heat = heatOf(id);
  const round = (value) => Math.round(value * 100) / 100;
  const students = Object.keys(db.progress[id] ?? {}).length;
  const hot = [];
  const ratio = [...heat.plays].map((plays, at) =>
    heat.viewers[at] > 2 ? plays / heat.viewers[at] : 0,
  );
  for (let at = 0; at < ratio.length; ++at)
    if (ratio[at] > 1.4) {
      let end = at;
      while (ratio[end + 1] > 1.4) ++end;
      if (end - at >= 4)
        hot.push({
          from_ms: at * heat.bin_ms,
          to_ms: Math.min((end + 1) * heat.bin_ms, heat.duration_ms),
          plays_per_viewer: round(
            ratio.slice(at, end + 1).reduce((a, b) => a + b) / (end + 1 - at),
          ),
        });
      at = end;
    }
  const drops = [];
  for (let at = 1; at < heat.viewers.length; ++at) {
    const lost = heat.viewers[at - 1] - heat.viewers[at];
    if (lost >= Math.max(3, students * 0.04))
      drops.push({
        at_ms: at * heat.bin_ms,
        lost: Math.round(lost),
        share: round(lost / students),
      });
  }
  return {
    module: id,
    duration_ms: heat.duration_ms,
    bin_ms: heat.bin_ms,
    bins: heat.viewers.length,
    viewers: [...heat.viewers].map(round),
    plays: [...heat.plays].map(round),
    students,
    hotspots: hot.sort((a, b) => b.plays_per_viewer - a.plays_per_viewer).slice(0, 5),
    drop_offs: drops.sort((a, b) => b.lost - a.lost).slice(0, 5),
    as_of: new Date().toISOString(),
  };
}
function overview() {
  const modules = {};
  for (const [id, students] of Object.entries(db.progress)) {
    const all = Object.values(students);
    if (all.length === 0 || !db.modules[id]) continue;
    const active = activeOf(id);
    const slots = new Array(60).fill(0);
    for (const [at] of activity.get(id) ?? []) {
      const slot = 59 - Math.floor((Date.now() - at) / 5000);
      if (slot >= 0 && slot < 60) ++slots[slot];
    }
    modules[id] = {
      students: all.length,
      mastered: all.filter(({ state }) => state === 'MASTERED').length,
      average_completion:
        Math.floor(
          (all.reduce((sum, one) => sum + one.completion_percentage, 0) / all.length) * 100,
        ) / 100,
      active,
      activity: slots,
    };
  }
  return { server_time: new Date().toISOString(), as_of: new Date().toISOString(), modules };
}
function stats() {
  const latency = (p50, p99) => ({
    p50: Math.round(p50 * (0.9 + Math.random() * 0.2)),
    p99: Math.round(p99 * (0.8 + Math.random() * 0.4)),
    count: counts.credited,
  });
  const active = [...activity.keys()].reduce((sum, id) => sum + activeOf(id), 0);
  return {
    build: { version: '0.1.0', commit: '', compiler: '', type: 'mock' },
    uptime_s: (Date.now() - startedMs) / 1000,
    connections: {
      open: active + 3,
      accepted: active + 400,
      refused: 0,
      punished: 1,
      handshakes_full: 380,
      handshakes_resumed: 23,
      handshakes_failed: 2,
    },
    streams: { open: 4 },
    bytes: { received: counts.requests * 460, sent: counts.requests * 298 },
    requests: counts.requests,
    responses_dropped: 0,
    heartbeats: {
      credited: counts.credited,
      limited: counts.limited,
      duplicate: counts.duplicate,
      rejected: counts.rejected,
      in_flight: Math.floor(Math.random() * 6),
      problems: counts.problems,
      latency_us: latency(1300, 9800),
    },
    sessions: active,
    devices_cached: active,
    modules_cached: 8,
    verification: {
      ES256: {
        count: counts.credited,
        failed: counts.problems['bad-signature'] ?? 0,
        p50_us: 84,
        p99_us: 131,
      },
      EdDSA: { count: 212, failed: 0, p50_us: 52, p99_us: 77 },
      HS256: { count: 0, failed: 0, p50_us: 0, p99_us: 0 },
    },
    shards: [0, 1, 2, 3].map((index) => ({
      index,
      pairs: 310 + index * 17,
      dirty: Math.floor(Math.random() * 60),
      parked_replies: Math.floor(Math.random() * 4),
      queue_depth: Math.floor(Math.random() * 5),
      batches: Math.floor(counts.credited / 6),
      batch_size_mean: 1.6,
      batch_size_max: 41,
      batch_latency_us: latency(620, 4100),
    })),
    hot_store: {
      up: true,
      degraded: false,
      description: 'Redis 7.0 at 127.0.0.1:6379, appendfsync everysec',
      durability: 'log',
      latency_us: latency(540, 3900),
      failures: 0,
      last_failure: '',
    },
    ledger: {
      up: true,
      description: 'PostgreSQL 15 at 127.0.0.1:5432',
      latency_us: latency(8200, 31_000),
      lag_ms: (Date.now() - startedMs) % 30_000,
      dirty_pairs: 120,
      checkpointed_pairs: counts.credited,
      completions_created: db.completions.length,
      failures: 1,
      last_failure: 'connection to server was lost',
    },
    memory: { resident_bytes: 88_000_000 + Math.floor(Math.random() * 400_000) },
  };
}
function heartbeat(body) {
  const results = body
    .trim()
    .split('\n')
    .map((token) => {
      let claims, header;
      try {
        [header, claims] = token
          .split('.')
          .slice(0, 2)
          .map((part) => JSON.parse(Buffer.from(part, 'base64url').toString()));
      } catch {
        return { status: 'rejected', problem: 'malformed-token' };
      }
      const { sub, cid, sid, sn, from, to, iat } = claims;
      const answer = (status, problem, kind = 'other') => {
        refuse(problem === 'unknown-device' ? undefined : sub, {
          at: new Date().toISOString(),
          module: cid,
          device: header.kid,
          session: sid,
          sequence: sn,
          status,
          problem: problem ?? null,
          detail: problem ?? status,
          kind,
        });
        return { sid, sn, status, ...(problem ? { problem } : {}) };
      };
      const device = db.devices[header.kid];
      if (!device) return answer('rejected', 'unknown-device');
      if (device.revoked) return answer('rejected', 'revoked-device', 'spoofing');
      if (device.student !== sub) return answer('rejected', 'subject-mismatch', 'spoofing');
      if (!db.modules[cid]) return answer('rejected', 'unknown-module');
      if (iat < Date.now() / 1000 - 900) return answer('rejected', 'stale-token', 'clock');
      if (to - from > 30_000 || to > db.modules[cid].duration_ms + 1000)
        return answer('rejected', 'implausible-interval', 'skipping');
      const session = `${header.kid} ${sid}`;
      db.seen[session] ??= [];
      const seen = db.seen[session];
      if (seen.includes(sn)) return { ...answer('duplicate', undefined, 'replay') };
      seen.push(sn);
      const document = credit(sub, cid, from, to);
      return {
        sid,
        sn,
        status: 'credited',
        credited_ms: to - from,
        seconds_watched: document.seconds_watched,
        completion_percentage: document.completion_percentage,
        state: document.state,
        resume_ms: document.resume_ms,
      };
    });
  const statuses = {
    'unknown-module': 404,
    'implausible-interval': 422,
    'malformed-token': 400,
    'subject-mismatch': 403,
    'revoked-device': 403,
  };
  if (results.length === 1 && results[0].status === 'rejected')
    throw new Refused(statuses[results[0].problem] ?? 401, results[0].problem);
  return { server_time: Date.now() / 1000, results };
}

function answer(method, url, who, body) {
  const parts = url.pathname.split('/').slice(2).map(decodeURIComponent);
  const [name, id, more] = parts;
  const { searchParams: search } = url;
  const need = (role) => {
    if (!who) throw new Refused(401, 'unauthorized', 'This call takes a bearer token.');
    if (who.role !== role && !(who.role === 'admin' && role === 'viewer'))
      throw new Refused(403, 'forbidden', `This call is for the role ${role}.`);
  };
  const json = () => JSON.parse(body);
  const module = () =>
    db.modules[id] ??
    (() => {
      throw new Refused(404, 'not-found', 'There is no such module.');
    })();
  if (id !== undefined && id !== '' && !ID.test(id))
    throw new Refused(400, 'malformed-request', 'An id has 1 to 64 of A-Z a-z 0-9 . _ ~ : @ -');
  if (name === 'heartbeats' && method === 'POST') return [200, heartbeat(body)];
  if (name === 'overview') {
    need('viewer');
    return [200, overview()];
  }
  if (name === 'stats') {
    need('operator');
    return [200, stats()];
  }
  if (name === 'modules' && !id) {
    need('viewer');
    return [200, page(Object.values(db.modules), search, (one) => one)];
  }
  if (name === 'modules' && !more) {
    need(method === 'GET' ? 'viewer' : 'admin');
    if (method === 'PUT') {
      const old = db.modules[id];
      db.modules[id] = {
        module: id,
        mastery_threshold: 95,
        max_rate: 2,
        ...json(),
        updated_at: new Date().toISOString(),
      };
      if (old && old.duration_ms !== db.modules[id].duration_ms) heats.delete(id);
      return [old ? 200 : 201, db.modules[id]];
    }
    return [200, module()];
  }
  if (name === 'modules' && more === 'heatmap') {
    need('viewer');
    module();
    return [200, heatmap(id)];
  }
  if (name === 'modules' && more === 'students') {
    need('viewer');
    module();
    const all = Object.values(db.progress[id] ?? {}).map((one) => ({
      ...one,
      attention: attention(one),
    }));
    if (search.get('order') === 'attention')
      all.sort(
        (a, b) =>
          (a.state === 'MASTERED') - (b.state === 'MASTERED') ||
          rank[a.attention] - rank[b.attention] ||
          (a.updated_at < b.updated_at ? 1 : -1),
      );
    else all.sort((a, b) => (a.student < b.student ? -1 : 1));
    return [200, page(all, search, shown)];
  }
  if (name === 'progress') {
    need('viewer');
    const one = db.progress[more]?.[id];
    if (!one) throw new Refused(404, 'not-found');
    return [200, shown(one)];
  }
  if (name === 'students' && more === 'progress') {
    need('viewer');
    return [
      200,
      page(
        Object.values(db.progress).flatMap((of) => (of[id] ? [of[id]] : [])),
        search,
        shown,
      ),
    ];
  }
  if (name === 'students' && more === 'refusals') {
    need('viewer');
    return [
      200,
      { items: (db.refusals[id] ?? []).slice(0, Number(search.get('limit') ?? 100)), next: null },
    ];
  }
  if (name === 'students' && more === 'devices') {
    need('admin');
    return [
      200,
      { items: Object.values(db.devices).filter(({ student }) => student === id), next: null },
    ];
  }
  if (name === 'students' && method === 'DELETE') {
    need('admin');
    for (const of of Object.values(db.progress)) delete of[id];
    for (const device of Object.values(db.devices))
      if (device.student === id) delete db.devices[device.kid];
    db.completions = db.completions.filter(({ data }) => data.student !== id);
    delete db.refusals[id];
    return [204];
  }
  if (name === 'devices') {
    need('admin');
    if (method === 'PUT') {
      db.devices[id] = {
        kid: id,
        student: json().student,
        algorithm: json().jwk?.kty === 'OKP' ? 'EdDSA' : 'ES256',
        jwk: json().jwk,
        revoked: false,
        created_at: new Date().toISOString(),
      };
      return [201, db.devices[id]];
    }
    if (!db.devices[id]) throw new Refused(404, 'not-found');
    if (method === 'DELETE') {
      db.devices[id].revoked = true;
      return [204];
    }
    return [200, db.devices[id]];
  }
  if (name === 'completions' || name === 'completions.csv') {
    need('viewer');
    const after = search.get('after') ?? '0';
    if (!/^\d+$/.test(after))
      throw new Refused(400, 'malformed-request', 'after: a number that a page gave as next');
    const wanted = db.completions
      .map((one, at) => ({ ...one, at: at + 1 }))
      .filter(
        ({ at, data }) =>
          at > Number(after) &&
          (!search.get('student') || data.student === search.get('student')) &&
          (!search.get('module') || data.module === search.get('module')),
      );
    if (name === 'completions.csv')
      return [
        200,
        `sequence,student,module,seconds_watched,completion_percentage,mastered_at\r\n${wanted.map(({ at, data }) => `${at},${data.student},${data.module},${data.seconds_watched},${data.completion_percentage},${data.mastered_at}\r\n`).join('')}`,
        { 'content-type': 'text/csv' },
      ];
    const limit = Number(search.get('limit') ?? 100);
    if (search.get('order') === 'desc') {
      const items = wanted
        .reverse()
        .filter(({ at }) => at < Number(search.get('before') ?? Infinity))
        .slice(0, limit);
      return [
        200,
        {
          items: items.map(({ at, ...one }) => one),
          next: items.length > 0 ? String(items.at(-1).at) : null,
          newest: items.length > 0 ? String(items[0].at) : null,
        },
      ];
    }
    const items = wanted.slice(0, limit);
    return [
      200,
      {
        items: items.map(({ at, ...one }) => one),
        next: items.length > 0 ? String(items.at(-1).at) : null,
      },
    ];
  }
  throw new Refused(404, 'not-found', 'There is no such call.');
}

const types = {
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.html': 'text/html; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
};
function asset(pathname, response) {
  const dist = path.join(here, '../dist');
  const file = path.join(dist, path.normalize(pathname.slice('/console/'.length)));
  const found =
    file.startsWith(dist) && fs.existsSync(file) && fs.statSync(file).isFile()
      ? file
      : path.join(dist, 'index.html');
  if (pathname.startsWith('/console/assets/') && found.endsWith('index.html'))
    return response.writeHead(404).end();
  response.writeHead(200, {
    'content-type': types[path.extname(found)],
    'content-security-policy': CSP,
    'cache-control': found.includes('/assets/')
      ? 'public, max-age=31536000, immutable'
      : 'no-cache',
  });
  response.end(fs.readFileSync(found));
}

const cookieOf = (request) => /(?:^|; )__Host-wk=([^;]+)/.exec(request.headers.cookie ?? '')?.[1];
function whoIs(request) {
  const bearer = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1];
  if (bearer) return tokens.find((token) => token.sha256 === sha256(bearer));
  const held = cookies.get(cookieOf(request));
  if (held && held.expiresMs > Date.now()) return { ...held, byCookie: true };
  return undefined;
}
const sessionDocument = ({ name, role, expiresMs, csrf }) => ({
  name,
  role,
  expires_at: new Date(expiresMs).toISOString(),
  csrf,
});

function session(request, response, body) {
  if (request.method === 'POST') {
    const token = tokens.find((one) => one.sha256 === sha256(String(JSON.parse(body).token)));
    if (!token) throw new Refused(401, 'unauthorized', 'The token is not known.');
    const id = crypto.randomUUID();
    const held = {
      ...token,
      csrf: crypto.randomUUID(),
      expiresMs: Date.now() + sessionS.value * 1000,
    };
    cookies.set(id, held);
    response.setHeader(
      'set-cookie',
      `__Host-wk=${id}; HttpOnly; Secure; SameSite=Strict; Path=/; Max-Age=${sessionS.value}`,
    );
    return [200, sessionDocument(held)];
  }
  const held = whoIs(request);
  if (!held?.byCookie) throw new Refused(401, 'unauthorized');
  if (request.method === 'DELETE') {
    cookies.delete(cookieOf(request));
    response.setHeader(
      'set-cookie',
      '__Host-wk=; HttpOnly; Secure; SameSite=Strict; Path=/; Max-Age=0',
    );
    return [204];
  }
  return [200, sessionDocument(held)];
}

function serve(request, response, body) {
  const url = new URL(request.url, 'https://mock');
  ++counts.requests;
  try {
    if (url.pathname === '/readyz') return void response.writeHead(200).end('{}');
    if (url.pathname === '/console' || url.pathname.startsWith('/console/'))
      return void asset(url.pathname, response);
    if (!url.pathname.startsWith('/v1/')) throw new Refused(404, 'not-found');
    const who = whoIs(request);
    if (
      who?.byCookie &&
      request.method !== 'GET' &&
      request.headers['x-watchkeeper-csrf'] !== who.csrf &&
      url.pathname !== '/v1/session'
    )
      throw new Refused(403, 'forbidden', 'The csrf field is missing.');
    if (url.pathname === '/v1/live') {
      if (!who) throw new Refused(401, 'unauthorized');
      if (who.role === 'operator') throw new Refused(403, 'forbidden');
      const module = url.searchParams.get('module') ?? undefined;
      if (module !== undefined && !db.modules[module]) throw new Refused(404, 'not-found');
      response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
      const client = { stream: response, module, items: {}, bins: {} };
      event(client, 'hello', { server_time: new Date().toISOString(), retry_ms: 500 });
      const last = request.headers['last-event-id'];
      if (last && !last.startsWith(epoch)) event(client, 'reset', {});
      live.add(client);
      request.on('close', () => live.delete(client));
      return;
    }
    const [status, document, headers] =
      url.pathname === '/v1/session'
        ? session(request, response, body)
        : answer(request.method, url, who, body);
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(
      document === undefined
        ? undefined
        : typeof document === 'string'
          ? document
          : JSON.stringify(document),
    );
  } catch (error) {
    const refused =
      error instanceof Refused ? error : new Refused(500, 'fault', String(error.stack));
    response.writeHead(refused.status, {
      'content-type': 'application/problem+json',
      ...refused.headers,
    });
    response.end(
      JSON.stringify({
        type: `urn:watchkeeper:problem:${refused.name}`,
        title: refused.name,
        status: refused.status,
        detail: refused.message,
        server_time: Date.now() / 1000,
      }),
    );
  }
}

const keys = fs.mkdtempSync(path.join(os.tmpdir(), 'watchkeeper-mock-'));
execFileSync(
  'openssl',
  [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-days',
    '2',
    '-subj',
    '/CN=localhost',
    '-addext',
    'subjectAltName=DNS:localhost,IP:127.0.0.1',
    '-keyout',
    `${keys}/key.pem`,
    '-out',
    `${keys}/certificate.pem`,
  ],
  { stdio: 'ignore' },
);
const server = http2.createSecureServer({
  key: fs.readFileSync(`${keys}/key.pem`),
  cert: fs.readFileSync(`${keys}/certificate.pem`),
  allowHTTP1: true,
});
fs.rmSync(keys, { recursive: true });
server.on('sessionError', () => {});
server.on('request', (request, response) => {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => serve(request, response, Buffer.concat(chunks).toString()));
});
server.listen(port, '127.0.0.1');
for (const signal of ['SIGTERM', 'SIGINT'])
  process.on(signal, () => {
    if (stateFile) {
      fs.mkdirSync(path.dirname(stateFile), { recursive: true });
      fs.writeFileSync(stateFile, JSON.stringify({ ...db, cookies: Object.fromEntries(cookies) }));
    }
    process.exit(0);
  });
if (!stateFile) {
  generate({
    db,
    credit,
    refuse,
    students: Number(option('students', 400)),
    rate: Number(option('rate', 20)),
  });
  console.log(
    `https://localhost:${port}/console/   tokens: ${tokens.map(({ role }) => `${role}-secret`).join(', ')}`,
  );
}
