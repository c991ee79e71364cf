import { fleet, kib, pause, residentBytes, row, stats, withGateway } from '../lib/measure.mjs';
import { until } from '../../tests/integration/lib/wait.mjs';

export const title = 'Memory of idle connections, each with a session that has sent one heartbeat';

export async function measure({ devices }) {
  return withGateway('', async (gateway) => {
    // The devices are made and enrolled first: they would be counted as connections otherwise.
    const keys = `${gateway.directory}/keys`;
    await fleet(gateway, ['--devices', devices, '--connections', 64, '--keys-file', keys, '--duration', 1,
                          '--interval', 60, '--module', 'warm']).summary;
    await pause(2000);
    const before = residentBytes(gateway.child.pid);
    // The first heartbeats come within 30 s; the second ones would come after the run.
    const run = fleet(gateway, ['--devices', devices, '--connections', devices, '--keys-file', keys,
                                '--interval', 30, '--duration', 30, '--drain', 10, '--connect-timeout', 60]);
    let most = 0;
    await until('all devices have sent', async () => {
      most = Math.max(most, residentBytes(gateway.child.pid));
      return run.over;
    }, { timeout_ms: 240_000, every_ms: 200 });
    const summary = await run.summary;
    const each = (most - before) / devices;
    await pause(6000);
    const after = residentBytes(gateway.child.pid);
    const { connections } = await stats(gateway);
    return [
      row('resident before, at most, after all went', `${kib(before)}, ${kib(most)}, ${kib(after)}`),
      row('a connection', kib(each), '≤ 28 KB', each <= 28 * 1024),
      row('heartbeats acknowledged', `${summary.acknowledged} of ${summary.generated}`, 'all',
          summary.acknowledged === summary.generated),
      row('connections open afterwards', connections.open),
    ];
  });
}
