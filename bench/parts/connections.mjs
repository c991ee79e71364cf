import { until } from '../../tests/integration/lib/wait.mjs';
import { fleet, kib, pause, residentBytes, row, stats, withGateway } from '../lib/measure.mjs';

export const title = 'Memory of idle connections, each with a session that has sent one heartbeat';

/** Makes the devices and enrols them, before the measurement: they would be counted as connections otherwise. */
async function enrol(gateway, devices, keys) {
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
}

/** Each device sends one heartbeat and then nothing, until the line on the fleet's standard input. */
function connect(gateway, devices, keys) {
  return fleet(gateway, [
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
}

/** The resident bytes before, when all had sent, when all was quiet and afterwards; and what the gateway counted. */
async function observe(gateway, devices) {
  const resident = () => residentBytes(gateway.child.pid);
  const keys = `${gateway.directory}/keys`;
  await enrol(gateway, devices, keys);
  const before = resident();
  const run = connect(gateway, devices, keys);
  await until('all devices have sent', async () => run.warm || run.over, {
    timeoutMs: 240_000,
    everyMs: 200,
  });
  const busy = resident();
  await pause(8000);
  const quiet = resident();
  const { connections: meanwhile, sessions } = await stats(gateway);
  run.child.stdin.end('\n');
  const summary = await run.summary;
  await pause(6000);
  const after = resident();
  const { connections } = await stats(gateway);
  return { before, busy, quiet, after, meanwhile, sessions, summary, connections };
}

function rows({ before, busy, quiet, after, meanwhile, sessions, summary, connections }, devices) {
  const each = (quiet - before) / devices;
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
}

export async function measure({ devices }) {
  return withGateway('', async (gateway) => rows(await observe(gateway, devices), devices));
}
