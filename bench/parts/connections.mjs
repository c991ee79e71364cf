import { until } from '../../tests/integration/lib/wait.mjs';
import { fleet, kib, pause, residentBytes, row, stats, withGateway } from '../lib/measure.mjs';

export const title = 'Memory of idle connections, each with a session that has sent one heartbeat';

export async function measure({ devices }) {
  return withGateway('', async (gateway) => {
    // The devices are made and enrolled first: they would be counted as connections otherwise.
    const keys = `${gateway.directory}/keys`;
    await fleet(gateway, [
      '--devices',
      devices,
      '--connections',
      64,
      '--keys-file',
      keys,
      '--duration',
      1,
      '--interval',
      60,
      '--module',
      'warm',
    ]).summary;
    await pause(2000);
    const before = residentBytes(gateway.child.pid);
    // Each sends one heartbeat and then nothing, until the line on its standard input.
    const run = fleet(gateway, [
      '--devices',
      devices,
      '--connections',
      devices,
      '--keys-file',
      keys,
      '--presign',
      '--heartbeats-per-device',
      2,
      '--warm-up',
      '--connect-timeout',
      60,
      '--request-timeout',
      120,
    ]);
    await until('all devices have sent', async () => run.warm || run.over, {
      timeoutMs: 240_000,
      everyMs: 200,
    });
    const busy = residentBytes(gateway.child.pid);
    await pause(8000);
    const quiet = residentBytes(gateway.child.pid);
    const { connections: meanwhile, sessions } = await stats(gateway);
    run.child.stdin.end('\n');
    const summary = await run.summary;
    const each = (quiet - before) / devices;
    await pause(6000);
    const after = residentBytes(gateway.child.pid);
    const { connections } = await stats(gateway);
    return [
      row(
        'resident before, when all had sent, 8 s later, after all went',
        [before, busy, quiet, after].map(kib).join(', '),
      ),
      row(
        'open connections, sessions meanwhile',
        `${meanwhile.open - 1}, ${sessions}`,
        devices,
        meanwhile.open > devices && sessions >= devices,
      ),
      row('a connection', kib(each), '≤ 28 KB', each <= 28 * 1024),
      row(
        'heartbeats acknowledged',
        `${summary.acknowledged} of ${summary.generated}`,
        'all',
        summary.acknowledged === summary.generated,
      ),
      row('connections open afterwards', connections.open),
    ];
  });
}
