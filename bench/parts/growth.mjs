import { until } from '../../tests/integration/lib/wait.mjs';
import {
  cpuMicroseconds,
  fleet,
  median,
  pause,
  row,
  stats,
  times,
  us,
  verificationMicroseconds,
  withGateway,
} from '../lib/measure.mjs';
import { capacity } from './capacity.mjs';

export const title = 'Growth: what a heartbeat costs with more devices and more connections';

const perFleet = 10_000; // the most connections that one process of the fleet opens

/**
 * CPU a heartbeat at 1,000 a second over so many connections. It is taken once all of them are open and each device
 * has sent three: handshakes do not count then, nor the table of a device's key, made at its second signature.
 */
async function steady(connections) {
  return withGateway('', async (gateway) => {
    const fleets = Math.ceil(connections / perFleet);
    const runs = [];
    for (let each = 0; each < fleets; each++)
      runs.push(
        fleet(gateway, [
          '--devices',
          connections / fleets,
          '--connections',
          connections / fleets,
          '--duration',
          400,
          '--interval',
          connections / 1000,
          '--connect-timeout',
          120,
          '--drain',
          1,
        ]),
      );
    const heard = async () => {
      const {
        connections: { open },
        heartbeats: { credited, rejected },
      } = await stats(gateway);
      return { open, credited, rejected, used: cpuMicroseconds(gateway.child.pid) };
    };
    await until(
      `${connections} connections have sent`,
      async () => {
        if (runs.some((run) => run.over)) throw new Error('a fleet has ended');
        const { open, credited } = await heard();
        return open > connections && credited >= 3 * connections;
      },
      { timeoutMs: 240_000, everyMs: 200 },
    );
    const verifications = [verificationMicroseconds()];
    const before = await heard();
    await pause(30_000);
    const after = await heard();
    verifications.push(verificationMicroseconds());
    for (const run of runs) run.child.kill('SIGINT');
    for (const run of runs) await run.summary.catch(() => {});
    if (after.rejected > 0) throw new Error(`${after.rejected} heartbeats were rejected`);
    return {
      each: (after.used - before.used) / (after.credited - before.credited),
      perSecond: (after.credited - before.credited) / 30,
      verification: median(verifications),
    };
  });
}

export async function measure() {
  const rows = [];
  let first;
  for (const devices of [1000, 5000, 20000]) {
    const found = capacity(['--devices', devices]);
    first ??= found.ratio;
    const growth = found.ratio / first;
    rows.push(
      row(
        `${devices} devices, 8 connections`,
        `${us(found.gateway)} = ${times(found.ratio)} a verification`,
      ),
      row(`${devices} devices against 1000`, times(growth), '≤ 1.15 ×', growth <= 1.15),
    );
  }
  let least;
  // 19,000: a process may have 20,000 descriptors where this was written.
  for (const connections of [1000, 5000, 19_000]) {
    const { each, perSecond, verification } = await steady(connections);
    least ??= each / verification;
    const growth = each / verification / least;
    rows.push(
      row(
        `${connections} connections, ${perSecond.toFixed(0)} heartbeats a second`,
        `${us(each)} = ${times(each / verification)} a verification`,
      ),
      row(`${connections} connections against 1000`, times(growth), '≤ 1.15 ×', growth <= 1.15),
    );
  }
  return rows;
}
