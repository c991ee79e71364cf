import http2 from 'node:http2';
import { until } from '../../tests/integration/lib/wait.mjs';
import {
  allAccepted,
  cpuMicroseconds,
  fleet,
  ms,
  pause,
  row,
  tokens,
  us,
  withGateway,
} from '../lib/measure.mjs';

export const title = '500 clients watch a module live that 1,000 devices play';

const WATCHERS = 500;
const STREAMS = 20; // on a connection

/** Opens the streams; gives what closes them, and the bytes that came. */
async function watch(gateway, module) {
  const sessions = [];
  const seen = { bytes: 0, open: 0, ended: 0 };
  for (let i = 0; i < WATCHERS; i += STREAMS) {
    const session = http2.connect(gateway.origin, { rejectUnauthorized: false });
    session.on('error', () => {});
    sessions.push(session);
    for (let n = 0; n < STREAMS; ++n) {
      const stream = session.request({
        ':path': `/v1/live?module=${module}`,
        authorization: `Bearer ${tokens.viewer}`,
      });
      stream.on('response', (fields) => (seen.open += fields[':status'] === 200 ? 1 : 0));
      stream.on('data', (chunk) => (seen.bytes += chunk.length));
      stream.on('error', () => {});
      stream.on('close', () => ++seen.ended);
    }
  }
  await until('all watch', async () => seen.open === WATCHERS, { timeoutMs: 30_000 });
  return {
    seen,
    close: () => {
      for (const each of sessions) each.destroy();
    },
  };
}

export async function measure() {
  return withGateway('', async (gateway) => {
    const keys = `${gateway.directory}/keys`;
    const play = async () => {
      const before = cpuMicroseconds(gateway.child.pid);
      const summary = await fleet(gateway, [
        '--devices',
        1000,
        '--connections',
        1000,
        '--keys-file',
        keys,
        '--interval',
        1,
        '--duration',
        20,
        '--module',
        'watched',
        '--module-duration',
        3600,
      ]).summary;
      return {
        summary,
        each: (cpuMicroseconds(gateway.child.pid) - before) / summary.acknowledged,
      };
    };
    await play(); // enrols them
    const alone = await play();
    const watchers = await watch(gateway, 'watched');
    const watched = await play();
    const { open, ended, bytes } = { ...watchers.seen };
    watchers.close();
    await pause(1000);
    const again = await play();
    const rows = (name, { summary, each }) => [
      { ...allAccepted(summary), name: `${name}: heartbeats accepted` },
      row(`${name}: p50, p99`, `${ms(summary.latency_us.p50)}, ${ms(summary.latency_us.p99)}`),
      row(`${name}: gateway CPU a heartbeat, live streams included`, us(each)),
    ];
    return [
      ...rows('nobody watches', alone),
      ...rows(`${WATCHERS} watch`, watched),
      ...rows('nobody again', again),
      row('streams open to the end', open - ended, 'all', open - ended === WATCHERS),
      row('bytes a second a watcher', (bytes / WATCHERS / 20).toFixed(0)),
    ];
  });
}
