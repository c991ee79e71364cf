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

export const title =
  'Reconnect storm: the gateway is started anew, and all devices connect again at once';

async function open(gateway, wanted, run) {
  await until(
    `${wanted} connections are open`,
    async () => {
      if (run.over) throw new Error('the fleet has ended');
      return (await stats(gateway)).connections.open >= wanted;
    },
    { timeoutMs: 120_000, everyMs: 100 },
  );
}

/** CPU of the new gateway until all connections are open, in µs a connection, and the seconds it took. */
async function storm(gateway, devices, more) {
  const keys = `${gateway.directory}/keys`;
  // No heartbeat is due in the meantime: only the handshakes are measured.
  const run = fleet(gateway, [
    '--devices',
    devices,
    '--connections',
    devices,
    '--keys-file',
    keys,
    '--interval',
    600,
    '--duration',
    120,
    '--connect-timeout',
    60,
    '--drain',
    1,
    ...more,
  ]);
  await open(gateway, devices, run);
  await pause(1000);
  await gateway.end('SIGKILL');
  const began = Date.now();
  await gateway.launch(gateway.port);
  const before = cpuMicroseconds(gateway.child.pid);
  await open(gateway, devices, run);
  const seconds = (Date.now() - began) / 1000;
  const each = (cpuMicroseconds(gateway.child.pid) - before) / devices;
  run.child.kill('SIGINT');
  await run.summary.catch(() => {});
  return { each, seconds };
}

export async function measure({ devices }) {
  return withGateway('', async (gateway) => {
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
    ]).summary;
    const verifications = [verificationMicroseconds()];
    const full = await storm(gateway, devices, []);
    verifications.push(verificationMicroseconds());
    const resumed = await storm(gateway, devices, ['--tls-resume']);
    verifications.push(verificationMicroseconds());
    return [
      row('full handshakes: CPU a connection, statistics included', us(full.each)),
      row('resumed: CPU a connection', us(resumed.each)),
      row(
        'resumed against full',
        times(resumed.each / full.each),
        '≤ 0.4 ×',
        resumed.each <= 0.4 * full.each,
      ),
      row(
        'all open after, full and resumed',
        `${full.seconds.toFixed(1)} s, ${resumed.seconds.toFixed(1)} s`,
      ),
      row('one bare ES256 verification, same minutes', us(median(verifications))),
    ];
  });
}
