// Heartbeats: read and credited, without a look at the signature.
import { credit, refuse } from './credit.mjs';
import { Problem } from './problem.mjs';
import { db } from './state.mjs';

function read(token) {
  try {
    return token
      .split('.')
      .slice(0, 2)
      .map((part) => JSON.parse(Buffer.from(part, 'base64url').toString()));
  } catch {
    return undefined;
  }
}

/** The problem of a heartbeat with the kind of the refusal, or undefined. */
function problemOf({ kid }, { sub, cid, from, to, iat }) {
  const device = db.devices[kid];
  if (!device) return ['unknown-device', 'other'];
  if (device.revoked) return ['revoked-device', 'spoofing'];
  if (device.student !== sub) return ['subject-mismatch', 'spoofing'];
  if (!db.modules[cid]) return ['unknown-module', 'other'];
  if (iat < Date.now() / 1000 - 900) return ['stale-token', 'clock'];
  if (to - from > 30_000 || from >= db.modules[cid].duration_ms)
    return ['implausible-interval', 'skipping'];
  return undefined;
}

function resultOf(token) {
  const parts = read(token);
  if (!parts) return { status: 'rejected', problem: 'malformed-token' };
  const [header, claims] = parts;
  const { sub, cid, sid, sn, from, to } = claims;
  const refused = (status, problem, kind) => {
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
  const problem = problemOf(header, claims);
  if (problem) return refused('rejected', ...problem);
  const session = `${header.kid} ${sid}`;
  db.seen[session] ??= [];
  if (db.seen[session].includes(sn)) return refused('duplicate', undefined, 'replay');
  db.seen[session].push(sn);
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
}

const statuses = {
  'unknown-module': 404,
  'implausible-interval': 422,
  'malformed-token': 400,
  'subject-mismatch': 403,
  'revoked-device': 403,
};

/** The document for the tokens of a request. */
export function receive(body) {
  const results = body.trim().split('\n').map(resultOf);
  const [{ status, problem }] = results;
  if (results.length === 1 && status === 'rejected')
    throw new Problem(statuses[problem] ?? 401, problem);
  return { server_time: Date.now() / 1000, results };
}
