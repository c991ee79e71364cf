// The streams of `/v1/live`.
import crypto from 'node:crypto';
import { Problem } from './problem.mjs';
import { unite } from './ranges.mjs';
import { activeOf, activity, beginSecond, db, second } from './state.mjs';

const clients = new Set();
const epoch = crypto.randomUUID().slice(0, 8);
let serial = 0;

function event(client, name, data) {
  client.stream.write(
    `id: ${epoch}-${++serial}\nevent: ${name}\ndata: ${JSON.stringify(data)}\n\n`,
  );
}

/** Opens the stream of a caller. */
export function openLive(request, response, url, who) {
  if (!who) throw new Problem(401, 'unauthorized');
  if (who.role === 'operator') throw new Problem(403, 'forbidden');
  const module = url.searchParams.get('module') ?? undefined;
  if (module !== undefined && !db.modules[module]) throw new Problem(404, 'not-found');
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
  const client = { stream: response, module, items: {}, bins: {} };
  event(client, 'hello', { server_time: new Date().toISOString(), retry_ms: 500 });
  const last = request.headers['last-event-id'];
  if (last && !last.startsWith(epoch)) event(client, 'reset', {});
  clients.add(client);
  request.on('close', () => clients.delete(client));
}

/** Adds what was credited to the next event of each client of the module. */
export function showCredit(document, played, fresh, deltas) {
  for (const client of clients) {
    if (client.module !== document.module) continue;
    const { student } = document;
    const item = client.items[student] ?? { student, new: [], played: [] };
    client.items[student] = {
      ...item,
      attempt: document.attempt,
      seconds_watched: document.seconds_watched,
      completion_percentage: document.completion_percentage,
      state: document.state,
      resume_ms: played[1],
      from_ms: played[0],
      to_ms: played[1],
      status: 'credited',
      new: unite([...item.new, ...fresh], 0),
      played: unite([...item.played, played], 0),
    };
    for (const [bin, [viewers, plays]] of Object.entries(deltas)) {
      client.since ??= new Date().toISOString();
      client.bins[bin] ??= [0, 0];
      client.bins[bin][0] += viewers;
      client.bins[bin][1] += plays;
    }
  }
}

function sendProgress() {
  for (const client of clients) {
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
}

function sendTotals() {
  const { credited, limited, duplicate, rejected } = second;
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
  for (const client of clients) {
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
      connections: sum + clients.size,
    });
  }
  beginSecond();
}

setInterval(sendProgress, 250);
setInterval(sendTotals, 1_000);
setInterval(() => {
  for (const client of clients) client.stream.write(':\n\n');
}, 15_000);
