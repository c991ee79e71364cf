// The calls of the API.
import { completions, completionsTable } from './completions.mjs';
import { receive } from './heartbeats.mjs';
import { heatmap, heats } from './heat.mjs';
import { page, shown, studentsOf } from './lists.mjs';
import { Problem } from './problem.mjs';
import { db } from './state.mjs';
import { overview, stats } from './statistics.mjs';

const ID = /^(?!\.{1,2}$)[A-Za-z0-9._~:@-]{1,64}$/;

function moduleOf(id) {
  const module = db.modules[id];
  if (!module) throw new Problem(404, 'not-found', 'There is no such module.');
  return module;
}

function putModule({ id, json }) {
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

function students({ id, search }) {
  moduleOf(id);
  return [200, page(studentsOf(db.progress[id] ?? {}, search.get('order')), search, shown)];
}

function progress({ id, more }) {
  const one = db.progress[more]?.[id];
  if (!one) throw new Problem(404, 'not-found');
  return [200, shown(one)];
}

function progressOfStudent({ id, search }) {
  const all = Object.values(db.progress).flatMap((of) => (of[id] ? [of[id]] : []));
  return [200, page(all, search, shown)];
}

function refusals({ id, search }) {
  const items = (db.refusals[id] ?? []).slice(0, Number(search.get('limit') ?? 100));
  return [200, { items, next: null }];
}

function devicesOfStudent({ id }) {
  const items = Object.values(db.devices).filter(({ student }) => student === id);
  return [200, { items, next: null }];
}

function erase({ id }) {
  for (const of of Object.values(db.progress)) delete of[id];
  for (const device of Object.values(db.devices))
    if (device.student === id) delete db.devices[device.kid];
  db.completions = db.completions.filter(({ data }) => data.student !== id);
  delete db.refusals[id];
  return [204];
}

function putDevice({ id, json }) {
  const { student, jwk } = json();
  db.devices[id] = {
    kid: id,
    student,
    algorithm: jwk?.kty === 'OKP' ? 'EdDSA' : 'ES256',
    jwk,
    revoked: false,
    created_at: new Date().toISOString(),
  };
  return [201, db.devices[id]];
}

function deviceOf(id) {
  if (!db.devices[id]) throw new Problem(404, 'not-found');
  return db.devices[id];
}

function revoke({ id }) {
  deviceOf(id).revoked = true;
  return [204];
}

/** Method and path, where `:id` and `:more` stand for any part; the role; what is done. */
const calls = [
  ['POST heartbeats', undefined, ({ body }) => [200, receive(body)]],
  ['GET overview', 'viewer', () => [200, overview()]],
  ['GET stats', 'operator', () => [200, stats()]],
  [
    'GET modules',
    'viewer',
    ({ search }) => [200, page(Object.values(db.modules), search, (one) => one)],
  ],
  ['GET modules/:id', 'viewer', ({ id }) => [200, moduleOf(id)]],
  ['PUT modules/:id', 'admin', putModule],
  ['GET modules/:id/heatmap', 'viewer', ({ id }) => moduleOf(id) && [200, heatmap(id)]],
  ['GET modules/:id/students', 'viewer', students],
  ['GET progress/:id/:more', 'viewer', progress],
  ['GET students/:id/progress', 'viewer', progressOfStudent],
  ['GET students/:id/refusals', 'viewer', refusals],
  ['GET students/:id/devices', 'admin', devicesOfStudent],
  ['DELETE students/:id', 'admin', erase],
  ['GET devices/:id', 'admin', ({ id }) => [200, deviceOf(id)]],
  ['PUT devices/:id', 'admin', putDevice],
  ['DELETE devices/:id', 'admin', revoke],
  ['GET completions', 'viewer', completions],
  ['GET completions.csv', 'viewer', completionsTable],
].map(([route, role, run]) => [route.split(/[ /]/), role, run]);

/** [status, document, header fields] for a call; throws a Problem. */
export function call(method, url, who, body) {
  const parts = url.pathname.split('/').slice(2).map(decodeURIComponent);
  const [, id, more] = parts;
  if (id !== undefined && id !== '' && !ID.test(id))
    throw new Problem(400, 'malformed-request', 'An id has 1 to 64 of A-Z a-z 0-9 . _ ~ : @ -');
  const wanted = [method, ...parts];
  const found = calls.find(
    ([route]) =>
      route.length === wanted.length &&
      route.every((part, at) => part === ':id' || part === ':more' || part === wanted[at]),
  );
  if (!found) throw new Problem(404, 'not-found', 'There is no such call.');
  const [, role, run] = found;
  if (role && !who) throw new Problem(401, 'unauthorized', 'This call takes a bearer token.');
  if (role && who.role !== role && !(who.role === 'admin' && role === 'viewer'))
    throw new Problem(403, 'forbidden', `This call is for the role ${role}.`);
  return run({ id, more, search: url.searchParams, body, json: () => JSON.parse(body) });
}
